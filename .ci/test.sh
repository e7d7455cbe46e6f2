#!/usr/bin/env bash
# Runs the suites named by $1 (unit, integration, e2e, all) and ends with counts. B, PYTHON come from the Makefile.
set -uo pipefail
cd "$(dirname "$0")/.."
: "${B:=build}" "${PYTHON:=/usr/bin/python3}"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
export TSAN_OPTIONS=halt_on_error=1
passed=0 failed=0 skipped=0

# cmocka on stderr: "[  PASSED  ] 3 test(s)." and the like, per group.
run_cmocka() {
        local out rc p f s
        out=$(timeout 300 "$1" 2>&1); rc=$?
        p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' <<<"$out" | awk '{n += $1} END {print n + 0}')
        f=$(sed -n 's/^\[  FAILED  \] [^:]*: \([0-9]*\) test.*/\1/p' <<<"$out" | awk '{n += $1} END {print n + 0}')
        s=$(sed -n 's/^\[  SKIPPED \] [^:]*: \([0-9]*\) test.*/\1/p' <<<"$out" | awk '{n += $1} END {print n + 0}')
        if [ $rc -ne 0 ]; then
                printf '%s\n' "$out"
                [ "$f" -gt 0 ] || f=1
        fi
        if [ "$p" -eq 0 ] && [ "$f" -eq 0 ]; then
                echo "$1 ran no test"; f=1
        fi
        echo "$1: $p passed, $f failed"
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

run_replay() {
        local out
        if out=$(timeout 300 "$1" "fuzz/corpus/$(basename "$1")" 2>&1); then
                passed=$((passed + 1)); echo "$out"
        else
                failed=$((failed + 1)); printf '%s\n' "$out"
        fi
}

unit() {
        local t
        for t in $(find "$B/test" "$B/tsan" -name '*_test' -type f -perm -u+x 2>/dev/null | sort); do
                [ -e "${t#"$B"/*/}.c" ] && run_cmocka "$t"
        done
        for t in fuzz/*.c; do
                t=$B/test/fuzz/$(basename "$t" .c)
                [ -x "$t" ] && run_replay "$t"
        done
}

run_pytest() {
        local out rc
        out=$(mktemp)
        "$PYTHON" -m pytest -p no:cacheprovider -rs e2e "$@" 2>&1 | tee "$out"; rc=${PIPESTATUS[0]}
        local line; line=$(tail -n 1 "$out"); rm -f "$out"
        count() { grep -oE "[0-9]+ $1" <<<"$line" | grep -oE '[0-9]+' || echo 0; }
        local f; f=$(( $(count failed) + $(count error) ))
        [ "$rc" -ne 0 ] && [ "$f" -eq 0 ] && f=1
        passed=$((passed + $(count passed))) failed=$((failed + f)) skipped=$((skipped + $(count skipped)))
}

case "${1:-all}" in
unit) unit ;;
integration) run_pytest --cluster=devkube --sanitized ;;
e2e) run_pytest --cluster=real ;;
all) unit; run_pytest --cluster=devkube --sanitized ;;
*) echo "usage: test.sh unit|integration|e2e|all" >&2; exit 2 ;;
esac
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

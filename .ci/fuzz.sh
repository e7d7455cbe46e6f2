#!/usr/bin/env bash
# Builds and runs each fuzz target with libFuzzer. $1: the library's sources, $2: the targets.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CLANG:=clang}" "${B:=build}" "${FUZZ_SECONDS:=30}"
flags="-O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -DGATEHOUSE_TEST"
mkdir -p "$B/fuzz/obj"
objects=()
for source in $1; do
        object=$B/fuzz/obj/${source//\//_}.o
        objects+=("$object")
        [ "$object" -nt "$source" ] || eval "$CLANG $CFLAGS $flags -c -o $object $source" &
        [ "$(jobs -r | wc -l)" -lt "$(nproc)" ] || wait -n
done
wait
for source in $2; do
        name=$(basename "$source" .c)
        eval "$CLANG $CFLAGS $flags -fsanitize=fuzzer -o $B/fuzz/$name $source ${objects[*]} $LIBS"
        mkdir -p "$B/fuzz/found/$name"
        echo "fuzz: $name for $FUZZ_SECONDS s"
        "$B/fuzz/$name" -max_total_time="$FUZZ_SECONDS" -artifact_prefix="$B/fuzz/found/$name/crash-" -print_final_stats=1 \
                "$B/fuzz/found/$name" "fuzz/corpus/$name" 2>&1 | tail -n 8
done

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make bench: every bench once, one after the other, with what they ran on. Figures are kept in bench/README.md by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
B=${B:-build}

title() {
        printf '\n== %s: %s ==\n' "$1" "$2"
}

model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
printf '%s, %s cores, Linux %s, %s\n' "${model:-unknown processor}" "$(nproc)" "$(uname -r)" "$("$B/gatehouse" version)"
printf 'load before: %s\n' "$(cut -d ' ' -f 1-3 /proc/loadavg)"

title webhook "reviews at 100, 10,000 and 100,000 stored IngressRoutes, beside a bare handler"
"$B/bench/webhook"
title status "one change -> status written; 3,000 statuses flip at once"
"$B/bench/status"
title build "first build and memory"
"$B/bench/build"
title store "decoding and storing"
"$B/bench/store"

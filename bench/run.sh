#!/usr/bin/env bash
# Runs every measurement, one after the other (together they would measure each other). B comes from the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${B:=build}"
for source in bench/*.c; do
        name=$(basename "$source" .c)
        echo "== $name"
        "$B/bench/$name"
        echo
done

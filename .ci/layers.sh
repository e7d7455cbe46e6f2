#!/usr/bin/env bash
# Each folder includes itself and what design.md's table gives it; standard and library headers use <>.
set -euo pipefail
cd "$(dirname "$0")/.."
declare -A allowed=(
        [base]='base/'
        [kube]='base/|kube/'
        [dag]='base/|dag/|kube/object\.h|kube/object_[a-z_]+\.h|kube/store\.h'
        [certs]='base/|certs/'
        [webhook]='base/|webhook/|kube/object\.h|kube/object_[a-z_]+\.h|kube/store\.h|dag/|certs/'
        [controller]='base/|controller/|kube/|dag/'
        [xds]='base/|xds/|kube/object\.h|kube/object_[a-z_]+\.h|kube/store\.h|dag/|certs/'
        [cmd]='(base|kube|dag|certs|webhook|controller|xds|cmd)/'
        [e2e/devkube]='base/|e2e/devkube/'
)
status=0
for dir in "${!allowed[@]}"; do
        for file in "$dir"/*.[ch]; do
                [ -e "$file" ] || continue
                pattern="${allowed[$dir]}"
                # certgen's API calls, and only they, may use kube (design.md).
                [[ $file == certs/apply* ]] && pattern+='|kube/'
                if grep -nE '^#include "' "$file" | grep -vE "\"($pattern)"; then
                        echo "  ^ $file: not allowed in $dir/ (design.md, \"Folders\")" >&2
                        status=1
                fi
        done
done
[ $status = 0 ] && echo "layers: clean"
exit $status

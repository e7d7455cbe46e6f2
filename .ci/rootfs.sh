#!/usr/bin/env bash
# Assembles in $2 all that $1, the server's binary, needs to run, and nothing else: no shell, no package manager.
# The image is this tree (Dockerfile); `chroot` runs it as well.
set -euo pipefail
binary=$1 root=$2
rm -rf "$root"
mkdir -p "$root"/{usr/bin,etc,tmp,run}
install -m 0755 "$binary" "$root/usr/bin/gatehouse"

# The libraries, and the loader, under the paths where the loader looks for them.
ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-linux/ {print $1}' | sort -u | while read -r library; do
        install -D -m 0755 "$(readlink -f "$library")" "$root$library"
done
missing=$(ldd "$binary" | grep 'not found' || true)
[ -z "$missing" ] || { echo "rootfs: $missing" >&2; exit 1; }

printf 'root:x:0:0:root:/:/nonexistent\nnonroot:x:65532:65532:nonroot:/:/nonexistent\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
# The same tree from the same sources: times do not differ.
find "$root" -exec touch -h -d @"${SOURCE_DATE_EPOCH:-0}" {} +
echo "$root: $(find "$root" -type f | wc -l) files, $(du -sm "$root" | cut -f1) MiB"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a real kube-apiserver (1.20.2, Debian's source package) once into ~/.cache/gatehouse/ and prints where it stands.
#
# With KUBEBUILDER_ASSETS set nothing is built: that directory's kube-apiserver and etcd are used as they are.
# What it needs is installed by `make deps-e2e`, never from here.
set -eu

say() { echo "apiserver: $*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
        [ -x "$KUBEBUILDER_ASSETS/kube-apiserver" ] || die "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no kube-apiserver"
        echo "$KUBEBUILDER_ASSETS/kube-apiserver"
        exit 0
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse
version=1.20.2
out=$cache/kube-apiserver-$version
if [ -x "$out" ]; then
        echo "$out"
        exit 0
fi

go=/usr/lib/go-1.19/bin/go
reflect2=/usr/share/gocode/src/github.com/modern-go/reflect2
for need in "$go" "$reflect2" /usr/bin/dpkg-source; do
        [ -e "$need" ] || die "$need is missing: run \`make deps-e2e\`"
done

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
if [ -x "$out" ]; then
        echo "$out"
        exit 0
fi

work=$cache/build
tree=$work/gopath/src/k8s.io/kubernetes
rm -rf "$work"
mkdir -p "$work/source" "${tree%/*}"

say "downloading Debian's source package kubernetes"
(cd "$work/source" && apt-get -q source --download-only kubernetes >apt.log 2>&1) ||
        die "apt-get source kubernetes failed (run \`make deps-e2e\`): $(tail -n 3 "$work/source/apt.log")"
dpkg-source --no-check -x "$work"/source/kubernetes_*.dsc "$tree" >"$work/source/unpack.log" 2>&1 ||
        die "unpacking failed: $(tail -n 3 "$work/source/unpack.log")"
cd "$tree"

# Go >= 1.18 moved the runtime's internals that the vendored reflect2 reaches for: it crashes under load.
rm -rf vendor/github.com/modern-go/reflect2
cp -rL "$reflect2" vendor/github.com/modern-go/reflect2

# Since Go 1.17 DeepEqual of two reflect.Values compares what they hold, so that "" in a custom resource counts as null.
for file in vendor/github.com/go-openapi/validate/type.go vendor/k8s.io/kube-openapi/pkg/validation/validate/type.go; do
        sed -i 's/if data == nil || reflect\.DeepEqual(.*) {$/if data == nil {/' "$file"
        grep -q 'if data == nil {$' "$file" || die "$file does not look as expected: is this still Kubernetes $version?"
done

export GO111MODULE=off CGO_ENABLED=0 GOPATH="$work/gopath" GOCACHE="$work/gocache" GOFLAGS=
say "generating pkg/generated/openapi"
nice "$go" build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(grep -rl --include='*.go' --exclude-dir=testdata --exclude-dir=_examples '^// *+k8s:openapi-gen=' \
                pkg cmd plugin vendor/k8s.io/*/ |
        grep -v -e '^vendor/k8s.io/code-generator/' -e '^vendor/k8s.io/sample-apiserver/' -e '^vendor/k8s.io/gengo/' \
                -e '^vendor/k8s.io/kube-openapi/' |
        xargs -n 1 dirname | LC_ALL=C sort -u | sed 's,^,k8s.io/kubernetes/,' | paste -s -d ,)
PATH="${go%/go}:$PATH" "$work/openapi-gen" -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi \
        -O zz_generated.openapi -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$work/openapi-violations"

# Without a version the API server refuses to start (it derives its compatibility from it).
flags=
for package in k8s.io/kubernetes/vendor/k8s.io/component-base/version k8s.io/kubernetes/vendor/k8s.io/client-go/pkg/version; do
        flags="$flags -X $package.gitVersion=v$version -X $package.gitMajor=1 -X $package.gitMinor=20"
        flags="$flags -X $package.gitTreeState=clean -X $package.gitCommit=debian"
done
say "compiling kube-apiserver $version (some minutes)"
nice "$go" build -tags providerless -ldflags "-s -w $flags" -o "$work/kube-apiserver" ./cmd/kube-apiserver

"$work/kube-apiserver" --version | grep -q "v$version" || die "the built binary does not run"
mv "$work/kube-apiserver" "$out"
chmod -R u+w "$work"
rm -rf "$work"
say "built $out"
echo "$out"

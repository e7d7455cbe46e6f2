#!/usr/bin/env bash
# A tour of gatehouse: an API server, gatehouse, and the commands that a person would type. Leaves nothing running.
# Without DEMO_KUBECONFIG it runs on the embedded API server (e2e/devkube). A cluster that is given must be able to
# reach this machine at DEMO_ADDRESS; CRDs and webhook configurations are installed there and removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=build/demo
pids=()
rm -rf "$dir"
mkdir -p "$dir"

stop() {
        trap - EXIT INT TERM
        if [ -n "${DEMO_KUBECONFIG:-}" ]; then
                kubectl delete --ignore-not-found -f "$dir/webhooks.yaml" -f e2e/demo/1-teams.yaml \
                        >/dev/null 2>&1 || true
        fi
        for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
        for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
trap 'stop; exit 130' INT TERM

# Waits until "$@" succeeds: at most 20 s, then says what did not happen and shows why.
until_true() {
        local what=$1; shift
        local deadline=$((SECONDS + 20))
        until "$@" >/dev/null 2>&1; do
                if [ $SECONDS -ge $deadline ]; then
                        echo "demo: $what did not happen within 20 s; the logs are in $dir" >&2
                        tail -n 5 "$dir"/*.log >&2
                        exit 1
                fi
                sleep 0.05
        done
}
free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

bold=''; plain=''
if [ -t 1 ]; then bold=$'\e[1m'; plain=$'\e[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
# Shows a command as a person types it, and runs it; a refusal is part of the tour.
run() { printf '%s$ %s%s\n' "$bold" "$*" "$plain"; "$@" 2>&1 || true; }

# ---- the API server ----
if [ -n "${DEMO_KUBECONFIG:-}" ]; then
        cp "$DEMO_KUBECONFIG" "$dir/kubeconfig"
else
        build/devkube --port 0 --dir "$dir" >"$dir/devkube.log" 2>&1 & pids+=($!)
        until_true "the API server's start" test -s "$dir/kubeconfig"
fi
export KUBECONFIG=$PWD/$dir/kubeconfig
until_true "an answer of the API server" kubectl get namespaces

# ---- gatehouse ----
address=${DEMO_ADDRESS:-127.0.0.1}
webhook_port=$(free_port) xds_port=$(free_port) http_port=$(free_port) debug_port=$(free_port)
build/gatehouse certgen --pem "$dir/certs" --ip "$address" >"$dir/certgen.log"
kubectl apply -k manifests/crds >/dev/null
until_true "the CRDs" kubectl get ingressroutes -A
# The namespace that the Lease and the claims' Secret live in.
kubectl create namespace gatehouse-system >/dev/null 2>&1 || true
build/gatehouse serve --webhook-address "$address" --webhook-port "$webhook_port" \
        --webhook-cert-file "$dir/certs/gatehouse-webhook-tls/tls.crt" \
        --webhook-key-file "$dir/certs/gatehouse-webhook-tls/tls.key" \
        --xds-port "$xds_port" --xds-cafile "$dir/certs/gatehouse-xds-tls/ca.crt" \
        --xds-cert-file "$dir/certs/gatehouse-xds-tls/tls.crt" --xds-key-file "$dir/certs/gatehouse-xds-tls/tls.key" \
        --http-address 127.0.0.1 --http-port "$http_port" --debug-http-port "$debug_port" \
        --log-format text --shutdown-delay 0s >"$dir/gatehouse.log" 2>&1 & pids+=($!)
until_true "readiness of gatehouse" curl -fs "http://127.0.0.1:$http_port/readyz"
ca=$(base64 -w0 "$dir/certs/ca.crt")
sed -E "s#^( *)service: .*path: (/[a-z]+),.*#\1url: https://$address:$webhook_port\2\n\1caBundle: $ca#" \
        manifests/base/webhooks.yaml >"$dir/webhooks.yaml"
kubectl apply -f "$dir/webhooks.yaml" >/dev/null

status_is() { [ "$(kubectl get ingressroute -n "$1" "$2" -o jsonpath='{.status.currentStatus}')" = "$3" ]; }
is_guarded() { ! kubectl apply --dry-run=server -f e2e/demo/3-bad.yaml; }

# ---- the tour ----
say "Two teams share a cluster. Team A has a Service."
run kubectl apply -f e2e/demo/1-teams.yaml
until_true "the webhook's call by the API server" is_guarded

say "Team A's site. /blog is handed to team B, who has nothing there yet: a warning, not an error."
run cat e2e/demo/2-site.yaml
run kubectl apply -f e2e/demo/2-site.yaml
until_true "the status of team-a/site" status_is team-a site valid
run kubectl get ingressroute -A

say "An invalid object is refused at once, with everything that is wrong with it."
run kubectl apply -f e2e/demo/3-bad.yaml

say "Team B copies team A's host name: refused, and told whose it is. Upper case and a dot do not help."
run kubectl apply -f e2e/demo/4-copy.yaml

say "Team B fills /blog, and asks for /shop too: refused, it lies outside of what was delegated."
run kubectl apply -f e2e/demo/5-greedy.yaml

say "/blog alone is accepted. Its Service is missing: a warning now, and the status says so."
run kubectl apply -f e2e/demo/6-blog.yaml
until_true "the status of team-b/blog" status_is team-b blog invalid
run kubectl get ingressroute -n team-b

say "The Service arrives, and the status turns valid by itself."
run kubectl apply -f e2e/demo/7-service.yaml
until_true "the status of team-b/blog" status_is team-b blog valid
run kubectl get ingressroute -n team-b

say "An object that nobody delegates to serves nothing, and says so."
run kubectl apply -f e2e/demo/8-orphan.yaml
until_true "the status of team-b/forgotten" status_is team-b forgotten orphaned
run kubectl get ingressroute -A

say "The same rules offline, for a tenant's CI."
run build/gatehouse lint e2e/demo/1-teams.yaml e2e/demo/3-bad.yaml

say "What gatehouse knows: metrics at http://127.0.0.1:$http_port/metrics, the graph at http://127.0.0.1:$debug_port/debug/dag"
run curl -s "http://127.0.0.1:$debug_port/debug/dag?host=www.example.com"

echo
echo "The tour is over. kubeconfig: $KUBECONFIG, logs: $PWD/$dir/*.log"
if [ -t 0 ] && [ -t 1 ]; then
        echo "Try it yourself: this shell talks to the demo's API server. \"exit\" or Ctrl-D ends everything."
        PS1='gatehouse-demo$ ' bash --norc -i || true
fi

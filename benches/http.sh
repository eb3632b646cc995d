#!/usr/bin/env bash
# Measures `tokenkeep serve` beside its limits over HTTP, in turn, in one run on this machine:
#   hand-out  beside axum that answers the same and only looks at the API key
#   proxy     beside nginx with proxy_pass and the token in its configuration
# Wants wrk and nginx, which it installs where apt-get is. Prints Markdown.
#   benches/http.sh [ROUNDS] [SECONDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ROUNDS=${1:-5}
SECONDS_EACH=${2:-6}
CONNECTIONS=64
KEY=tk_benchmark
TOKEN=$(printf 't%.0s' $(seq 1200))
BARE=127.0.0.1:18641 OURS=127.0.0.1:18640 UPSTREAM=127.0.0.1:18642 NGINX=127.0.0.1:18643

main() {
    install_tools
    cargo build --quiet --release --locked -p tokenkeep-cli
    cargo build --quiet --release --locked --manifest-path benches/http/Cargo.toml --target-dir target/benches
    work=$(mktemp -d)
    pids=()
    trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$work"' EXIT
    start_limits
    start_ours
    start_nginx
    printf '| work | limit | ours | ratio | p99 limit | p99 ours | ratio | aim |\n|---|---|---|---|---|---|---|---|\n'
    row "hand-out, $CONNECTIONS connections" axum "http://$BARE/tokens/fixed" "http://$OURS/tokens/fixed" '≥ 0.90x, p99 ≤ 1.3x'
    row "proxy, 1 KiB, $CONNECTIONS connections" nginx "http://$NGINX/data" "http://$OURS/proxy/fixed/data" '≥ 0.80x, p99 ≤ 1.5x'
}

install_tools() {
    local missing=()
    command -v wrk >/dev/null || missing+=(wrk)
    command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] || missing+=(nginx-light)
    ((${#missing[@]} == 0)) && return
    echo "benches/http.sh: apt-get install ${missing[*]}" >&2
    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${missing[@]}" >/dev/null
}

start_limits() {
    local limits=target/benches/release/tokenkeep-http-limits
    "$limits" bare "$BARE" "$KEY" "$TOKEN" &
    pids+=($!)
    "$limits" upstream "$UPSTREAM" "$TOKEN" &
    pids+=($!)
}

start_ours() {
    cat >"$work/tokenkeep.toml" <<TOML
store = "memory:"
[server]
listen = ["$OURS"]
[[server.keys]]
name = "bench"
sha256 = "$(printf %s "$KEY" | sha256sum | cut -d' ' -f1)"
tokens = ["fixed"]
[providers.fixed]
grant = "command"
command = ["cat", "$work/answer.json"]
api_base = "http://$UPSTREAM"
TOML
    printf '{"access_token":"%s","token_type":"Bearer","expires_in":86400}' "$TOKEN" >"$work/answer.json"
    target/release/tokenkeep --config "$work/tokenkeep.toml" serve 2>"$work/log" &
    pids+=($!)
}

start_nginx() {
    cat >"$work/nginx.conf" <<NGINX
daemon off;
pid $work/nginx.pid;
error_log stderr;
worker_processes auto;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    upstream api { server $UPSTREAM; keepalive $CONNECTIONS; }
    server {
        listen $NGINX;
        keepalive_requests 1000000;
        location / {
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer $TOKEN";
        }
    }
}
NGINX
    PATH=$PATH:/usr/sbin nginx -p "$work" -c "$work/nginx.conf" -e stderr &
    pids+=($!)
}

# Prints a row: the medians of all rounds, and of each round's ratio.
row() {
    local name=$1 limit_name=$2 limit_url=$3 our_url=$4 aim=$5 round
    : >"$work/rounds"
    wait_for "$limit_url" && wait_for "$our_url"
    for ((round = 0; round < ROUNDS; round++)); do
        echo "$(load "$limit_url") $(load "$our_url")" >>"$work/rounds"
    done
    awk -v name="$name" -v limit="$limit_name" -v aim="$aim" '
        function median(values, count,   sorted, i, j, swap) {
            for (i = 1; i <= count; i++) sorted[i] = values[i]
            for (i = 1; i <= count; i++) for (j = i + 1; j <= count; j++)
                if (sorted[j] < sorted[i]) { swap = sorted[i]; sorted[i] = sorted[j]; sorted[j] = swap }
            return sorted[int((count + 1) / 2)]
        }
        { lr[NR] = $1; lp[NR] = $2; or[NR] = $3; op[NR] = $4; rr[NR] = $3 / $1; rp[NR] = $4 / $2 }
        END { printf "| %s | %s: %d/s | %d/s | %.2fx | %.2f ms | %.2f ms | %.2fx | %s |\n", name, limit, median(lr, NR),
              median(or, NR), median(rr, NR), median(lp, NR), median(op, NR), median(rp, NR), aim }' "$work/rounds"
}

wait_for() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        curl -fs -o "$work/first" -H "X-API-Key: $KEY" "$1" && return
        sleep 0.05
    done
    echo "benches/http.sh: $1 does not answer:" >&2
    cat "$work/log" >&2
    return 1
}

# Prints requests a second and the p99 in milliseconds; fails if an answer was no success.
load() {
    wrk -t1 -c"$CONNECTIONS" -d"${SECONDS_EACH}s" --latency -H "X-API-Key: $KEY" "$1" >"$work/wrk"
    if grep -q 'Non-2xx' "$work/wrk"; then
        cat "$work/wrk" >&2
        return 1
    fi
    awk '/^Requests\/sec/ { rate = $2 }
         $1 == "99%" { value = $2 + 0; p99 = $2 ~ /us$/ ? value / 1000 : $2 ~ /ms$/ ? value : value * 1000 }
         END { print rate, p99 }' "$work/wrk"
}

main "$@"

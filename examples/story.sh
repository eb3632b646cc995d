# What the stories of the examples are told with: a script sources it at the root of the repository. It sets $home, a folder
# that is gone in the end, and starts $tokenkeep, an array.
set -euo pipefail

# Builds tokenkeep with this configuration, unless it is in $TOKENKEEP_BUILT, and an issuer with these options: its addresses
# are in $SANDBOX_…
begin() {
    local built=${TOKENKEEP_BUILT:-}
    if [[ -z $built ]]; then
        echo 'Building tokenkeep and an issuer; the first time this takes some minutes.'
        cargo build --quiet --locked --package tokenkeep-cli --package tokenkeep-sandbox --bin tokenkeep --example issuer
        built=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug
    fi
    home=$(mktemp -d)
    running=()
    trap clean_up EXIT
    # Nothing of the user's is touched, and nothing is left behind.
    export HOME=$home TMPDIR=$home XDG_STATE_HOME=$home/state
    unset TOKENKEEP_SERVER TOKENKEEP_CONFIG RUST_LOG
    tokenkeep=("$built/tokenkeep" --config "$1")
    "$built/examples/issuer" "${@:2}" >"$home/issuer.env" &
    running+=($!)
    wait_for SANDBOX_READY "$home/issuer.env"
    . "$home/issuer.env"
}

# Starts the server, by a program before it if there is one, with a log of its own, and waits until it listens: at $url.
serve() {
    log=$(mktemp "$home/log.XXXXXX")
    "$@" "${tokenkeep[@]}" serve --listen 127.0.0.1:0 2> >(exec cat >"$log") &
    server=$!
    running+=("$server")
    wait_for 'listening on http' "$log"
    url=$(sed -n 's/^listening on \([^,]*\).*/\1/p' "$log" | head -n 1)
}

stop() {
    kill "$server"
    wait "$server" || fail "the server ended with $?"
}

token_of() {
    local answer
    answer=$(curl -fsS "$1/tokens/verteil")
    [[ $answer == *'"access_token":"'* ]] || fail "no token: $answer"
    echo "$answer" | sed 's/.*"access_token":"\([^"]*\)".*/\1/'
}

# Token requests that have come to the issuer.
requests() {
    curl -fsS "$SANDBOX_URL/sandbox/requests" | grep -c '"grant"' || true
}

# A member of the JSON on stdin, as it is written there; nothing if it has none.
field() {
    grep -o "\"$1\":\(\"[^\"]*\"\|[^,}]*\)" | head -n 1 | cut -d: -f2- || true
}

wait_for() {
    local tries
    for tries in {1..300}; do
        grep -qs "$1" "$2" && return
        sleep 0.1
    done
    cat "$2"
    fail "\"$1\" did not come"
}

step() {
    printf '\n-- %s\n' "$1"
}

is() {
    [[ $2 == "$3" ]] || fail "$1: $2, not $3"
    echo "$1: $2"
}

fail() {
    echo "NOT AS TOLD: $1" >&2
    exit 1
}

clean_up() {
    local process
    for process in "${running[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
    rm -rf "$home"
}

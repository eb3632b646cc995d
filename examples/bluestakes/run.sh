#!/usr/bin/env bash
# Shows the example at work: a vendor with a login of its own and a broker, on this machine; all is gone afterwards.
# With BLUESTAKES_DATABASE_URL in the environment tokens are kept in that PostgreSQL, else in a SQLite file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

main() {
    echo "building …"
    cargo build --quiet --locked --package tokenkeep-cli --bin tokenkeep
    cargo build --quiet --locked --package tokenkeep-sandbox --example issuer
    bin=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug

    work=$(mktemp -d)
    trap end EXIT
    start_vendor
    export BLUESTAKES_API_BASE=$SANDBOX_URL BLUESTAKES_SEAL_KEY BLUESTAKES_API_KEY_SHA256
    BLUESTAKES_SEAL_KEY=$(head -c 32 /dev/urandom | base64)
    API_KEY=example-$RANDOM$RANDOM$RANDOM
    BLUESTAKES_API_KEY_SHA256=$(printf %s "$API_KEY" | sha256sum | cut -d' ' -f1)
    # Companies of this run alone: a database may be there from another one, with another key.
    first=run$$-1 second=run$$-2
    if [[ -n ${BLUESTAKES_DATABASE_URL:-} ]]; then
        echo "tokens are kept in PostgreSQL, by BLUESTAKES_DATABASE_URL; a seal key of its own is made for this run"
    else
        export BLUESTAKES_DATABASE_URL=sqlite:$work/bluestakes.db
        echo "tokens are kept in SQLite; with BLUESTAKES_DATABASE_URL=postgres://… it is PostgreSQL"
    fi
    start_broker

    say "without the key nobody learns anything"
    expect 401 "$(curl -s -o "$work/answer" -w '%{http_code}' "$url/tokens/stats")"

    say "credentials are tried at the vendor, and stored: in the body, or in the query as before"
    expect true "$(call POST /tokens/credentials/test '{"username":"ann","password":"secret-of-ann"}' | member ok)"
    expect true "$(call POST "/tokens/credentials/$first" '{"username":"ann","password":"secret-of-ann"}' | member stored)"
    expect true "$(call POST "/tokens/credentials/$second?username=ann&password=secret-of-ann" | member stored)"

    say "a hundred calls cost one login"
    before=$(logins)
    for ((number = 0; number < 100; number++)); do call GET "/tokens/$first" >"$work/token"; done
    expect "$((before + 1))" "$(logins)"

    say "the state of a company's token, and the sums of all"
    expect '"fresh"' "$(call GET "/tokens/$first/status" | member state)"
    call GET /tokens/stats && echo

    say "the vendor refuses the token: it is dropped, a new one is used, the request is sent once more"
    curl -sf -X POST -d '{"client":"vendor"}' "$SANDBOX_URL/sandbox/revoke" >"$work/answer"
    expect '"/tickets"' "$(call GET "/proxy/$first/api/tickets" | member path)"
    expect "$((before + 2))" "$(logins)"
    grep 'sent once more' "$log"

    say "the broker is killed and started again: the token is still there"
    generation=$(call GET "/tokens/$first" | member generation)
    kill -9 "$broker" && wait "$broker" 2>/dev/null || true
    start_broker
    expect "$generation" "$(call GET "/tokens/$first" | member generation)"
    expect "$((before + 2))" "$(logins)"

    say "the vendor allows 10 logins a minute: of 12 more companies some are told when to come back, and the first notices nothing"
    told=0
    for ((number = 3; number <= 14; number++)); do
        call POST "/tokens/credentials/run$$-$number" '{"username":"ann","password":"secret-of-ann"}' >"$work/answer"
        [[ $(call GET "/tokens/run$$-$number" | member code) != '"unavailable"' ]] || told=$((told + 1))
    done
    echo "   $told of 12 were told to come back; the vendor saw $(logins) logins, one of them for the test"
    ((told > 0 && $(logins) <= 11))
    expect "$generation" "$(call GET "/tokens/$first" | member generation)"

    say "a login without a company, of which nothing is kept"
    BLUESTAKES_USERNAME=ann BLUESTAKES_PASSWORD=secret-of-ann \
        "$bin/tokenkeep" get bluestakes --config examples/bluestakes/direct.toml >"$work/token"
    echo "   a token of $(($(wc -c <"$work/token") - 1)) characters"

    say "deleted, cleaned up, and no password in the log"
    expect 204 "$(curl -s -X DELETE -o "$work/answer" -w '%{http_code}' -H "X-API-Key: $API_KEY" "$url/tokens/$first")"
    call POST /tokens/cleanup && echo
    if grep -q secret-of-ann "$work"/log.*; then
        echo "a password is in the log" >&2
        exit 1
    fi
    for ((number = 1; number <= 14; number++)); do
        curl -s -X DELETE -o "$work/answer" -H "X-API-Key: $API_KEY" "$url/tokens/run$$-$number/credentials"
    done
    echo "all as told"
}

start_vendor() {
    "$bin/examples/issuer" --user ann:secret-of-ann --life vendor=3600 >"$work/vendor" &
    vendor=$!
    wait_for '^SANDBOX_READY' "$work/vendor"
    # shellcheck disable=SC1091
    . "$work/vendor"
}

start_broker() {
    starts=$((${starts:-0} + 1))
    log=$work/log.$starts
    "$bin/tokenkeep" serve --config examples/bluestakes/tokenkeep.toml --listen 127.0.0.1:0 2>"$log" &
    broker=$!
    wait_for '^listening on' "$log"
    url=$(sed -n 's/^listening on \([^,]*\).*/\1/p' "$log")
}

# Waits until a file has such a line.
wait_for() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        [[ -f $2 ]] && grep -q "$1" "$2" && return
        sleep 0.1
    done
    cat "$2" >&2
    return 1
}

call() {
    curl -s -X "$1" -H "X-API-Key: $API_KEY" ${3:+-d "$3"} "$url$2"
}

# A member of the JSON on stdin, as it is written there; nothing if it has none.
member() {
    grep -o "\"$1\":\(\"[^\"]*\"\|[^,}]*\)" | head -n 1 | cut -d: -f2- || true
}

logins() {
    curl -sf "$SANDBOX_URL/sandbox/counters" | sed -n '/"token_requests"/{s/[^0-9]//gp;q}'
}

say() { printf '\n-- %s\n' "$1"; }

expect() {
    echo "   $2"
    if [[ $1 != "$2" ]]; then
        echo "that is not as told: $1 was to come" >&2
        cat "$log" >&2
        exit 1
    fi
}

end() {
    local status=$?
    [[ -z ${broker:-} ]] || kill "$broker" 2>/dev/null || true
    [[ -z ${vendor:-} ]] || kill "$vendor" 2>/dev/null || true
    wait
    rm -rf "$work"
    exit "$status"
}

main "$@"

#!/usr/bin/env bash
# Shows the example at work: a vendor with a login of its own and a broker, on this machine; all is gone afterwards.
# With BLUESTAKES_DATABASE_URL in the environment tokens are kept in that PostgreSQL, else in a SQLite file.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/story.sh

main() {
    begin examples/bluestakes/tokenkeep.toml --user ann:secret-of-ann --life vendor=3600
    export BLUESTAKES_API_BASE=$SANDBOX_URL BLUESTAKES_SEAL_KEY BLUESTAKES_API_KEY_SHA256
    BLUESTAKES_SEAL_KEY=$(head -c 32 /dev/urandom | base64)
    API_KEY=example-$RANDOM$RANDOM$RANDOM
    BLUESTAKES_API_KEY_SHA256=$(printf %s "$API_KEY" | sha256sum | cut -d' ' -f1)
    # Companies of this run alone: a database may be there from another one, with another key.
    first=run$$-1 second=run$$-2
    if [[ -n ${BLUESTAKES_DATABASE_URL:-} ]]; then
        echo "tokens are kept in PostgreSQL, by BLUESTAKES_DATABASE_URL; a seal key of its own is made for this run"
    else
        export BLUESTAKES_DATABASE_URL=sqlite:$home/bluestakes.db
        echo "tokens are kept in SQLite; with BLUESTAKES_DATABASE_URL=postgres://… it is PostgreSQL"
    fi
    serve
    SECONDS=0

    step "without the key nobody learns anything"
    is 'without the key' "$(curl -s -o "$home/answer" -w '%{http_code}' "$url/tokens/stats")" 401

    step "credentials are tried at the vendor, and stored: in the body, or in the query as before"
    is 'the vendor took them' "$(call POST /tokens/credentials/test '{"username":"ann","password":"secret-of-ann"}' | field ok)" true
    is 'stored by the body' "$(call POST "/tokens/credentials/$first" '{"username":"ann","password":"secret-of-ann"}' | field stored)" true
    is 'stored by the query' "$(call POST "/tokens/credentials/$second?username=ann&password=secret-of-ann" | field stored)" true

    step "a hundred calls cost one login"
    before=$(logins)
    for ((number = 0; number < 100; number++)); do call GET "/tokens/$first" >"$home/token"; done
    is 'logins after a hundred calls' "$(logins)" "$((before + 1))"

    step "the state of a company's token, and the sums of all"
    is 'state' "$(call GET "/tokens/$first/status" | field state)" '"fresh"'
    call GET /tokens/stats && echo

    step "the vendor refuses the token: it is dropped, a new one is used, the request is sent once more"
    curl -sf -X POST -d '{"client":"vendor"}' "$SANDBOX_URL/sandbox/revoke" >"$home/answer"
    is 'path of the answer' "$(call GET "/proxy/$first/api/tickets" | field path)" '"/tickets"'
    is 'logins' "$(logins)" "$((before + 2))"
    grep 'sent once more' "$log"

    step "the broker is killed and started again: the token is still there"
    generation=$(call GET "/tokens/$first" | field generation)
    kill -9 "$server" && wait "$server" 2>/dev/null || true
    serve
    is 'generation' "$(call GET "/tokens/$first" | field generation)" "$generation"
    is 'logins' "$(logins)" "$((before + 2))"

    step "the vendor allows 10 logins a minute: of 12 more companies some are told when to come back, and the first notices nothing"
    told=0
    for ((number = 3; number <= 14; number++)); do
        call POST "/tokens/credentials/run$$-$number" '{"username":"ann","password":"secret-of-ann"}' >"$home/answer"
        [[ $(call GET "/tokens/run$$-$number" | field code) != '"unavailable"' ]] || told=$((told + 1))
    done
    echo "   $told of 12 were told to come back; the vendor saw $(logins) logins, one of them for the test"
    # Each minute that has begun allows ten, and the test is not counted.
    ((told > 0 && $(logins) <= 1 + 10 * (SECONDS / 60 + 1))) || fail "the budget was not kept"
    is 'generation of the first' "$(call GET "/tokens/$first" | field generation)" "$generation"

    step "a login without a company, of which nothing is kept"
    BLUESTAKES_USERNAME=ann BLUESTAKES_PASSWORD=secret-of-ann \
        "${tokenkeep[0]}" get bluestakes --config examples/bluestakes/direct.toml >"$home/token"
    echo "   a token of $(($(wc -c <"$home/token") - 1)) characters"

    step "deleted, cleaned up, and no password in the log"
    is 'deleted' "$(curl -s -X DELETE -o "$home/answer" -w '%{http_code}' -H "X-API-Key: $API_KEY" "$url/tokens/$first")" 204
    call POST /tokens/cleanup && echo
    ! grep -q secret-of-ann "$home"/log.* || fail 'a password is in the log'
    for ((number = 1; number <= 14; number++)); do
        curl -s -X DELETE -o "$home/answer" -H "X-API-Key: $API_KEY" "$url/tokens/run$$-$number/credentials"
    done
    printf '\nAll is as the page says.\n'
}

call() {
    curl -s -X "$1" -H "X-API-Key: $API_KEY" ${3:+-d "$3"} "$url$2"
}

logins() {
    curl -sf "$SANDBOX_URL/sandbox/counters" | sed -n '/"token_requests"/{s/[^0-9]//gp;q}'
}

main

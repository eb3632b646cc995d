#!/usr/bin/env bash
# Shows the example at work: an old table of tokens, two issuers and a broker, on this machine; all is gone afterwards.
# With WHODIS_DATABASE_URL in the environment tokens are kept in that PostgreSQL, else in a SQLite file.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/story.sh

main() {
    begin examples/whodis/tokenkeep.toml --client genesys:a-secret --client graph:a-secret \
        --life genesys=86400 --life graph=3600
    settings
    old_table

    step 'The old rows where they lie: each end as it is stored, in UTC, and as it is got wrong'
    # A machine two hours ahead of UTC, so that the wrong ways show.
    TZ=LOC-2 "${tokenkeep[@]}" doctor --from whodis "$old"

    step 'They are taken over: no login is needed'
    "${tokenkeep[@]}" import whodis "$old"
    is 'Genesys' "$("${tokenkeep[@]}" get genesys)" old-genesys-token
    is 'Microsoft Graph' "$("${tokenkeep[@]}" get microsoft_graph)" old-graph-token
    is 'logins' "$(requests)" 0

    step 'Who needs a token for ten hours more gets one that lives so long'
    is 'what is left of the old one suffices' "$("${tokenkeep[@]}" get genesys --min-valid 10m)" old-genesys-token
    [[ $("${tokenkeep[@]}" get genesys --min-valid 10h) != old-genesys-token ]] || fail 'it ends on the way'
    is 'logins' "$(requests)" 1

    step 'The server renews what has less than 10 minutes left, though nobody asks: Microsoft Graph has 9'
    serve
    wait_for 'obtained a new token key=microsoft_graph' "$log"
    grep -h 'obtained a new token' "$log" | cut -d' ' -f4-
    is 'logins' "$(requests)" 2

    step 'A failed renewal is no error for callers, and a warning in the status'
    curl -fsS -X PUT -d '{"kind":"status","status":503,"body":"down"}' "$SANDBOX_URL/sandbox/faults" >"$home/answer"
    curl -sS -X POST "$url/tokens/microsoft_graph/refresh" >"$home/answer"
    curl -fsS "$url/tokens/microsoft_graph" | grep -o '"warnings":.*'
    curl -fsS -X DELETE "$SANDBOX_URL/sandbox/faults" >"$home/answer"

    step 'Half an hour where one is expected: a warning in status, log and metrics'
    curl -fsS -X POST -d '{"client":"graph","millis":1800000}' "$SANDBOX_URL/sandbox/life" >"$home/answer"
    sleep 2
    curl -fsS -X POST "$url/tokens/microsoft_graph/refresh" | grep -o '"code":"unusual_life","detail":"[^"]*"'
    wait_for 'unusual life' "$log"
    grep -h 'unusual life' "$log" | cut -d' ' -f4-
    curl -fsS "$url/metrics" | grep 'warning="unusual_life"'

    step 'The doctor says that something is not well, and by its exit code'
    local code=0
    "${tokenkeep[@]}" doctor microsoft_graph || code=$?
    is 'exit code' "$code" 3

    step 'No secret is in the log'
    ! grep -qE 'a-secret|old-(genesys|graph)-token' "$home"/log* || fail 'a secret is in the log'
    printf '\nAll is as the page says.\n'
}

settings() {
    export WHODIS_SEAL_KEY GENESYS_TOKEN_URL=$SANDBOX_TOKEN_URL MICROSOFT_TOKEN_URL=$SANDBOX_TOKEN_URL
    WHODIS_SEAL_KEY=$(head -c 32 /dev/urandom | base64)
    export GENESYS_CLIENT_ID=genesys GENESYS_CLIENT_SECRET=a-secret
    export MICROSOFT_CLIENT_ID=graph MICROSOFT_CLIENT_SECRET=a-secret
    if [[ -n ${WHODIS_DATABASE_URL:-} ]]; then
        # A schema of this run alone: there may be one from another run, with another key.
        local mark='?'
        [[ $WHODIS_DATABASE_URL != *'?'* ]] || mark='&'
        WHODIS_DATABASE_URL+="${mark}schema=whodis_run_$$"
        echo "tokens are kept in PostgreSQL, in the schema whodis_run_$$, which stays: drop it when you have seen it"
    else
        export WHODIS_DATABASE_URL=sqlite:$home/tokens.db
        echo 'tokens are kept in SQLite; with WHODIS_DATABASE_URL=postgres://… it is PostgreSQL'
    fi
}

# A table as the old system has it: an end with an offset, and one without. A SQLite file if something here can make one.
old_table() {
    local genesys graph
    genesys=$(TZ=LOC+5 date -d '+8 hours' '+%Y-%m-%dT%H:%M:%S-05:00')
    graph=$(date -u -d '+9 minutes' '+%Y-%m-%d %H:%M:%S')
    local statements="CREATE TABLE tokens (service TEXT PRIMARY KEY, access_token TEXT, expires_at TEXT);
        INSERT INTO tokens VALUES ('genesys', 'old-genesys-token', '$genesys'), ('microsoft_graph', 'old-graph-token', '$graph');"
    old=$home/whodis.db
    if command -v sqlite3 >"$home/answer"; then
        sqlite3 "$old" "$statements"
    elif ! python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])' "$old" "$statements"; then
        echo 'neither sqlite3 nor python3 is here to make a database: the old table is a CSV file'
        old=$home/whodis.csv
        printf 'service,access_token,expires_at\ngenesys,old-genesys-token,%s\nmicrosoft_graph,old-graph-token,%s\n' \
            "$genesys" "$graph" >"$old"
    fi
}

main

#!/usr/bin/env bash
# Shows that tokenkeep does what the Verteil backend's token manager did, against an issuer on this machine.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/story.sh

main() {
    begin examples/verteil/tokenkeep.toml --client agency:a-password --life 43199
    unset VERTEIL_API_BASE_URL VERTEIL_USERNAME VERTEIL_PASSWORD VERTEIL_TOKEN_ENDPOINT VERTEIL_TOKEN_ENDPOINT_PATH
    unset OAUTH2_TOKEN_EXPIRY_BUFFER DISABLE_TOKEN_PERSISTENCE

    step 'Without its variables it does not start, and lists all that are missing'
    "${tokenkeep[@]}" serve 2>"$home/said" && fail 'it started'
    grep '^error' "$home/said"
    is 'errors' "$(grep -c '^error' "$home/said")" 3

    export VERTEIL_API_BASE_URL=$SANDBOX_URL VERTEIL_USERNAME=agency VERTEIL_PASSWORD=a-password

    step 'Both names of the path, with different values: an error that names both'
    VERTEIL_TOKEN_ENDPOINT=/oauth2/token VERTEIL_TOKEN_ENDPOINT_PATH=/token \
        "${tokenkeep[@]}" serve 2>"$home/said" && fail 'it started'
    grep '^error' "$home/said"

    step 'It starts; 15 calls get one token'
    serve
    local call token first
    first=$(token_of "$url")
    for call in {2..15}; do
        token=$(token_of "$url")
        [[ $token == "$first" ]] || fail "call $call got another token"
    done
    is 'requests that the issuer had' "$(requests)" 1

    step 'GET /api/debug/token'
    local debug
    debug=$(curl -fsS "$url/api/debug/token")
    echo "$debug"
    [[ $debug =~ ^'{"status":"success","token_available":true,"token_info":{"has_token":true,"is_valid":true,"expires_in":'[0-9]+',"expiry_time":'[0-9]+',"metrics":{"token_generations":1,"total_token_requests":15}}}'$ ]] ||
        fail 'that is not the answer of the old system'
    [[ $debug != *"$first"* ]] || fail 'it shows the token'

    step 'A restart keeps the token'
    stop
    serve
    [[ $(token_of "$url") == "$first" ]] || fail 'another token'
    is 'requests that the issuer had' "$(requests)" 1

    step 'A token that is cleared is gone; the next call gets another one'
    curl -fsS -X DELETE "$url/tokens/verteil"
    is 'a token is available' "$(curl -fsS "$url/api/debug/token" | field token_available)" false
    [[ $(token_of "$url") != "$first" ]] || fail 'the token that was cleared came back'
    is 'requests that the issuer had' "$(requests)" 2

    step 'What the log says of it, and no secret'
    stop
    sed -E 's/^[^ ]+ +//' "$home"/log.* | grep -E 'loaded|obtained|cleared|requests=1[45] ' | cut -c -150
    for token in "$first" a-password; do
        ! grep -qF "$token" "$home"/log.* || fail 'a secret is in the log'
    done
    printf '\nAll is as the page says.\n'
}

main

#!/usr/bin/env bash
# Shows that tokenkeep adopts the token file of the old system, keeps it as that did, and goes on without a disk.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/story.sh

main() {
    begin examples/persistence/tokenkeep.toml --client agency:a-password --life 43199
    unset VERTEIL_TOKEN_ENDPOINT VERTEIL_TOKEN_ENDPOINT_PATH OAUTH2_TOKEN_EXPIRY_BUFFER DISABLE_TOKEN_PERSISTENCE
    export VERTEIL_API_BASE_URL=$SANDBOX_URL VERTEIL_USERNAME=agency VERTEIL_PASSWORD=a-password
    folder=$home/flight_app_tokens
    file=$folder/verteil_token.json

    step 'The old system has left a token with 11 hours to go, open to everybody'
    old_file 39600
    chmod 644 "$file" && chmod 755 "$folder"
    cat "$file"

    step 'The first start adopts it as it is, and closes it to others'
    serve
    is 'token' "$(token_of "$url")" token-of-the-old-system
    is 'requests that the issuer had' "$(requests)" 0
    is 'modes of folder and file' "$(modes)" '700 600'

    step 'OAUTH2_TOKEN_EXPIRY_BUFFER: with 90 s left it is good at 60, and expired at 120'
    stop
    old_file 90
    serve
    is 'valid' "$(curl -fsS "$url/api/debug/token" | field is_valid)" true
    stop
    OAUTH2_TOKEN_EXPIRY_BUFFER=120 serve
    is 'valid' "$(curl -fsS "$url/api/debug/token" | field is_valid)" false

    step 'So a new one is obtained, and is in the file before anybody has it'
    local token
    token=$(token_of "$url")
    is 'requests that the issuer had' "$(requests)" 1
    sed "s/$token/…/g" "$file" && echo
    grep -qF "$token" "$file" || fail 'it is not in the file'
    is 'modes of folder and file' "$(modes)" '700 600'

    step 'kill -9, and a rolling update: the next one has it'
    kill -9 "$server"
    { wait "$server" || true; } 2>/dev/null
    serve
    local before=$server
    [[ $(token_of "$url") == "$token" ]] || fail 'another token after kill -9'
    serve
    [[ $(token_of "$url") == "$token" ]] || fail 'another token beside the old process'
    kill "$before"
    wait "$before"
    [[ $(token_of "$url") == "$token" ]] || fail 'another token after the update'
    is 'requests that the issuer had' "$(requests)" 1

    step 'A token that is cleared has no file'
    curl -fsS -X DELETE "$url/tokens/verteil"
    [[ ! -e $file ]] || fail 'the file is there'
    is 'token files' "$(find "$folder" -maxdepth 1 -name '*_token.json' | wc -l)" 0

    step 'A file that is cut off is set aside'
    stop
    printf '{"access_token": "tok' >"$file"
    serve
    token=$(token_of "$url")
    (cd "$folder" && echo *.bad-*)
    grep -qF "$token" "$file" || fail 'the new token is not in the file'

    step 'A disk that is full: tokens go on from memory, and the log says so'
    stop
    rm -r "$folder"
    # A file that may not grow is what a full disk looks like.
    serve bash -c 'trap "" XFSZ; ulimit -f 0; exec "$@"' bash
    token=$(token_of "$url")
    [[ $(token_of "$url") == "$token" ]] || fail 'another token'
    sed -n 's/.* WARN tokenkeep::event: the token could not be saved/the token could not be saved/p' "$log" | cut -c -150
    is 'warning in /health' "$(curl -fsS "$url/health" | grep -o '"code":"store_failing"')" '"code":"store_failing"'

    # Its exit code says that the token was not saved to the end.
    kill "$server"
    ! wait "$server" || fail 'it ended as if the token were saved'

    step 'DISABLE_TOKEN_PERSISTENCE=true: memory only'
    rm -rf "$folder"
    DISABLE_TOKEN_PERSISTENCE=true serve
    token=$(token_of "$url")
    [[ $(token_of "$url") == "$token" ]] || fail 'another token'
    [[ ! -e $folder ]] || fail 'there is a folder'

    step 'What the log says'
    stop
    sed -nE 's/^[^ ]+ +INFO tokenkeep::(manager|event): (tokens are kept|loaded|obtained)/\2/p' "$home"/log.* | sort -u | cut -c -120
    ! grep -qF -e "$token" -e a-password "$home"/log.* || fail 'a secret is in the log'
    printf '\nAll is as the page says.\n'
}

# A token file as the old system writes it, with so many seconds left of 12 hours.
old_file() {
    local end=$(($(date +%s) + $1)) token=token-of-the-old-system
    rm -rf "$folder"
    mkdir -p "$folder"
    printf '{"access_token": "%s", "token_data": {"access_token": "%s", "token_type": "Bearer", "expires_in": 43199}, "token_expiry": %d, "saved_at": %d}\n' \
        "$token" "$token" "$end" "$((end - 43199))" >"$file"
}

modes() {
    echo "$(stat -c %a "$folder") $(stat -c %a "$file")"
}

main

#!/usr/bin/env bash
# Runs the application of this folder, which brings its own issuers, and chat.py before a broker.
# Needs Rust and a C compiler; for chat.py also Python 3.10 or newer with venv. Keeps what it builds in target/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

main() {
    cargo build --quiet --locked --package revos --package tokenkeep-cli
    local programs=${CARGO_TARGET_DIR:-target}/debug python
    if python=$(python_with_openai); then
        "$programs/revos" "$python" "$programs/tokenkeep"
    else
        "$programs/revos"
        echo "SKIPPED chat.py: there is no Python 3.10 with venv, or its package openai cannot be had" >&2
    fi
    echo "all as told"
}

# Prints where it is; ./test keeps it in the same place.
python_with_openai() {
    local requirements=interop/openai/requirements.txt to=target/interop/openai
    if ! cmp -s "$requirements" "$to/.installed-requirements" || ! "$to/bin/python" -c 'import openai' 2>/dev/null; then
        echo "installing the packages of $requirements in $to" >&2
        python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || return
        python3 -m venv --clear "$to" </dev/null >&2 &&
            "$to/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements" </dev/null >&2 &&
            cp "$requirements" "$to/.installed-requirements" || return
    fi
    echo "$to/bin/python"
}

main

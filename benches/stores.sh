#!/usr/bin/env bash
# Measures what the stores cost (benches/stores/src/main.rs), on servers that are brought here as `./test` does.
#   benches/stores.sh renewals [ROUNDS]
#   benches/stores.sh claims [KEYS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=../test
source ./test
bring_postgres && bring_redis || {
    echo "benches/stores.sh: PostgreSQL or Redis cannot be had here" >&2
    exit 1
}
exec cargo run --quiet --release --locked --manifest-path benches/stores/Cargo.toml -- "$@"

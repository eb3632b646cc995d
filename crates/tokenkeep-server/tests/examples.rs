//! The examples run, tell what happened and show no secret.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

#[path = "../../tokenkeep/tests/examples/run.rs"]
mod run;

use std::path::{Path, PathBuf};

use run::Example;

const EXAMPLES: &[Example] = &[Example {
    name: "beside_a_server",
    prints: &[
        "the program has token 1",
        "a neighbour has token 1, of type \"Bearer\"",
        "they are the same: true",
        "stopped; the issuer was asked 1 time",
    ],
    secrets: &["shared-secret"],
}];

#[test]
fn every_example_runs_tells_what_happened_and_shows_no_secret() {
    for example in EXAMPLES {
        example.check(&folder());
    }
}

#[test]
fn every_example_is_run() {
    run::check_list(EXAMPLES, &folder());
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

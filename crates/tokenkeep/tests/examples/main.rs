//! The examples run, tell what happened and show no secret.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod run;

use std::path::{Path, PathBuf};

use run::Example;

const EXAMPLES: &[Example] = &[
    Example {
        name: "quick_start",
        prints: &[
            "the API answered 200 OK to token 1",
            "the API answered 200 OK to token 1",
            "the issuer has revoked all tokens",
            "the API answered 401 Unauthorized to token 1",
            "the API answered 200 OK to token 2",
            "the issuer was asked 2 times",
        ],
        secrets: &["reports-secret"],
    },
    Example {
        name: "many_tenants",
        prints: &[
            "1000 tenants are known, 0 requests were made",
            "tenant 7 has token 1",
            "tenant 42 has token 1",
            "tenant 7 has token 1",
            "vendor:13: 127.0.0.1:PORT answered 401; check the credentials of vendor:13",
            "tenant 7 has token 1",
            "tenant 99 has token 1",
            "4 requests were made, the budget allows 10 in a minute",
            r#"{"absent": 996, "fresh": 3, "refused": 1}"#,
        ],
        secrets: &["-password", "not-it"],
    },
    Example {
        name: "custom_source",
        prints: &[
            "3 callers have a token",
            "1 login was made",
            "while the vendor is down: vendor: the vendor answered 503 Service Unavailable; try again in 1 s",
            "the token is good all the same: true",
            "with the wrong password: mistyped: the vendor refused ada; check the password",
        ],
        secrets: &["ada-password", "ada-pasword"],
    },
    Example {
        name: "own_store",
        prints: &[
            "first start: token 1 of reports, after 1 request",
            "second start: token 1 of reports, after 1 request",
            "in the store: reports, version 1, sealed",
        ],
        secrets: &["reports-secret"],
    },
    Example {
        name: "axum_service",
        prints: &[
            "report 1: upstream answered 200 OK",
            "report 2: upstream answered 200 OK",
            "report 3: upstream answered 200 OK",
            "stopped; the issuer was asked 1 time",
        ],
        secrets: &["service-secret"],
    },
];

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

//! What is read of the rows, and when their tokens are over.

use serde_json::{Value, json};
use sqlx::Row as _;
use tokenkeep_sandbox::Fault;
use tokenkeep_test_servers::Postgres;

use super::{HOUR, PLANTED, database, in_seconds, naive, old, old_rows, whodis, with_offset};
use crate::support::Example;

/// W1: one record per service, however often its token was replaced; a service that is not configured is an error that
/// says so.
#[tokio::test]
async fn each_service_has_one_record_and_its_token_or_an_error() {
    let example = whodis().await;
    old_rows(&example, &[("genesys", naive(in_seconds(8 * 3600))), ("microsoft_graph", naive(in_seconds(1800)))]).await;
    example.printed(&["import", "whodis", "whodis.db"]).await;
    assert_eq!(example.printed(&["get", "genesys"]).await, old("genesys"));
    assert_eq!(example.printed(&["get", "microsoft_graph"]).await, old("microsoft_graph"));
    assert_eq!(example.requests(), 0, "a migration costs no login");
    for _ in 0..2 {
        example.printed(&["refresh", "microsoft_graph"]).await;
    }
    let mut store = database(&example, "tokens.db").await;
    let rows = sqlx::query("SELECT key, generation FROM records ORDER BY key").fetch_all(&mut store).await.unwrap();
    let rows: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("genesys".to_owned(), 1), ("microsoft_graph".to_owned(), 3)]);
    let none = example.run(&["get", "salesforce"]).await;
    assert!(none.code == Some(4) && none.stderr.contains("salesforce"), "{none:?}");
}

/// W1: an error of the database is an error, never "no token".
#[tokio::test]
async fn a_database_that_fails_is_never_taken_for_one_without_a_token() {
    let mut example = whodis().await;
    std::fs::write(example.path("whodis.db"), "SQLite format 3\0 and then something else").unwrap();
    let imported = example.run(&["import", "whodis", "whodis.db"]).await;
    assert!(imported.code == Some(2) && imported.stderr.contains("cannot read whodis.db"), "{imported:?}");

    example.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
    example.set("WHODIS_DATABASE_URL", "sqlite:/dev/null/tokens.db");
    let get = example.run(&["get", "genesys"]).await;
    assert!(get.code == Some(7) && get.stderr.contains("the store does not work"), "{get:?}");
    let status = example.run(&["status", "genesys", "--json"]).await;
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["obstacle"], "unreadable", "{status}");
    let server = example.serve().await;
    let (code, answer) = server.ask(reqwest::Method::GET, "/tokens/genesys").await;
    assert!(code == 503 && answer.contains("unavailable"), "{code} {answer}");
    server.stop().await;
}

/// W2: rows with any offset and with none, in a text of `SQLite`, end at the same moment: an offset is converted, none is UTC,
/// whatever the time zone of this machine is.
#[tokio::test]
async fn an_end_with_any_offset_or_none_is_the_moment_that_was_meant() {
    for zone in ["UTC0", "LOC-9", "LOC+8"] {
        let mut example = whodis().await;
        example.set("TZ", zone);
        let end = in_seconds(1800);
        for (genesys, graph) in [
            (naive(end), with_offset(end, -7)),
            (with_offset(end, 2), end.to_string()),
            (format!("{}+05:30", naive(end + jiff::SignedDuration::from_mins(330))), end.as_second().to_string()),
        ] {
            old_rows(&example, &[("genesys", genesys), ("microsoft_graph", graph)]).await;
            example.run(&["clear", "genesys"]).await;
            example.run(&["clear", "microsoft_graph"]).await;
            example.printed(&["import", "whodis", "whodis.db"]).await;
            for service in ["genesys", "microsoft_graph"] {
                let had: Value = serde_json::from_str(&example.printed(&["get", service, "--json"]).await).unwrap();
                assert_eq!(had["expires_at"], end.to_string(), "{zone}");
                assert_eq!(had["access_token"], old(service), "{zone}");
            }
        }
    }
}

/// W2: the columns `timestamptz` and `timestamp` of PostgreSQL, and tokens kept in PostgreSQL.
#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn rows_of_postgresql_are_read_right_whatever_its_time_zone_is() {
    let mut example = whodis().await;
    let server = Postgres::shared();
    let (before, after) = (server.database(), server.database());
    example.set("WHODIS_DATABASE_URL", &server.url(&after));
    let end = in_seconds(1800);
    server.sql(
        &before,
        &format!(
            "ALTER DATABASE {before} SET timezone = 'Asia/Kolkata';
             CREATE TABLE tokens (service text PRIMARY KEY, access_token text, expires_at timestamptz, plain timestamp);
             INSERT INTO tokens VALUES ('genesys', '{PLANTED}old-genesys', '{0}', '{1}'),
                 ('microsoft_graph', '{PLANTED}old-microsoft_graph', '{0}', '{1}');",
            with_offset(end, -7),
            naive(end),
        ),
    );
    let url = server.url(&before);
    for expires in ["expires_at", "plain"] {
        let told = example.printed(&["doctor", "--json", "--from", "whodis", &url, "--expires", expires]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        let ends: Vec<_> = told["tokens"].as_array().unwrap().iter().map(|token| token["expires_at"].clone()).collect();
        assert_eq!(ends, [json!(end.to_string()), json!(end.to_string())], "{told}");
    }
    example.printed(&["import", "whodis", &url]).await;
    assert_eq!(example.printed(&["get", "genesys"]).await, old("genesys"));
    assert_eq!(server.sql(&after, "SELECT count(*) FROM tokenkeep.records").trim(), "2");
    assert!(!server.sql(&after, "SELECT * FROM tokenkeep.records").contains(PLANTED), "sealed");
}

/// W2, W3: a token with 30 s or less is over; that and what is left are one calculation, and both have the buffer in them.
#[tokio::test]
async fn what_is_left_and_whether_it_is_over_never_disagree() {
    let example = whodis().await;
    let ends = [-2 * 3600, -5, 5, 25, 90, 300, 3000].map(|left| ("microsoft_graph", naive(in_seconds(left))));
    old_rows(&example, &ends).await;
    let told = doctor(&example, &["--from", "whodis", "whodis.db"]).await;
    let tokens = told["tokens"].as_array().unwrap();
    let mut answers = Vec::new();
    for token in tokens {
        assert_eq!(token["expiry_buffer"], 30);
        let (raw, buffered) = (&token["ways"]["raw"], &token["ways"]["buffered"]);
        for way in [raw, buffered] {
            assert_eq!(way["is_expired"].as_bool().unwrap(), way["seconds_left"].as_i64().unwrap() < 0, "{token}");
        }
        assert_eq!(raw["seconds_left"].as_i64().unwrap() - buffered["seconds_left"].as_i64().unwrap(), 30);
        let obtains = token["get"]["answer"] == "obtain";
        assert_eq!(obtains, buffered["is_expired"] == true, "get decides by the same: {token}");
        answers.push(obtains);
    }
    assert_eq!(answers, [true, true, true, true, false, false, false]);
    // The same of a token in use: what a caller is told to be left is more than the buffer, until none is handed out.
    example.sandbox.set_life("graph", std::time::Duration::from_secs(62));
    let server = example.serve().await;
    server.ask(reqwest::Method::POST, "/tokens/microsoft_graph/refresh").await;
    let answer = server.json("/tokens/microsoft_graph").await;
    assert!((30..=62).contains(&answer["expires_in"].as_u64().unwrap()), "{answer}");
    server.stop().await;
}

/// W4: of all tokens: the service, `expires_at` as stored, the same in UTC, now in UTC, the seconds between, the offset
/// that it was stored with, the state, and why.
#[tokio::test]
async fn the_status_of_all_tokens_has_the_end_as_stored_and_its_offset() {
    let example = whodis().await;
    let (late, over) = (in_seconds(8 * 3600), in_seconds(-600));
    let rows = [("genesys", with_offset(late, -5)), ("microsoft_graph", naive(over))];
    old_rows(&example, &rows).await;
    let told = doctor(&example, &["--from", "whodis", "whodis.db"]).await;
    let expected = [
        ("genesys", late, json!("-05:00"), "fresh", "good for"),
        ("microsoft_graph", over, Value::Null, "expired", "over"),
    ];
    for ((token, (_, stored)), (service, end, offset, state, why)) in
        told["tokens"].as_array().unwrap().iter().zip(rows).zip(expected)
    {
        assert_eq!((&token["name"], &token["key"]), (&json!(service), &json!(service)));
        assert_eq!((&token["stored"], &token["offset"]), (&json!(stored), &offset), "{token}");
        assert_eq!(token["expires_at"], end.to_string(), "in UTC");
        let now: jiff::Timestamp = token["now"].as_str().unwrap().parse().unwrap();
        let (left, between) = (token["seconds_left"].as_i64().unwrap(), end.as_second() - now.as_second());
        assert!(left == between || left == between - 1, "part of a second has gone by: {token}");
        assert_eq!(token["state"], state);
        assert!(token["reason"].as_str().unwrap().contains(why), "{token}");
    }
    // What tokenkeep itself has stored is in UTC.
    example.run(&["import", "whodis", "whodis.db"]).await;
    let told = doctor(&example, &["genesys"]).await;
    let genesys = &told["tokens"][0];
    assert_eq!((&genesys["stored"], &genesys["offset"]), (&json!(late.to_string()), &json!("+00:00")), "{told}");
    assert!(genesys["seconds_left"].as_i64().unwrap() > i64::try_from(7 * HOUR).unwrap());
}

/// What the doctor says, whether all is well or not.
async fn doctor(example: &Example, args: &[&str]) -> Value {
    let told = example.run(&[&["doctor", "--json"], args].concat()).await;
    assert!(matches!(told.code, Some(0 | 3)), "{told:?}");
    assert!(!told.stdout.contains(PLANTED) && !told.stderr.contains(PLANTED), "{told:?}");
    serde_json::from_str(&told.stdout).unwrap()
}

//! `tokenkeep doctor`: what is told of each token, and that looking changes nothing.

use std::time::Duration;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokenkeep::Clock as _;
use tokenkeep::clock::SystemClock;
use tokenkeep_sandbox::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::world::{CLIENT_SECRET, Ended, ISSUED, PASSWORD, World, ended};

#[tokio::test]
async fn what_get_would_answer_is_told_without_asking_for_a_token_or_writing_one() {
    let world = World::start().await;
    let before = doctor(&world, 0, &["graph"]).await;
    assert_eq!((&before["well"], &token(&before)["state"]), (&true.into(), &"absent".into()), "{before}");
    assert_eq!(token(&before)["get"]["answer"], "obtain");
    assert_eq!(world.requests("graph"), 0);
    assert_eq!(world.run(&["status", "graph", "--json"]).await.json()["generation"], 0);
    world.run(&["get", "graph"]).await.data();
    let after = doctor(&world, 0, &["graph"]).await;
    assert_eq!((&token(&after)["get"]["answer"], world.requests("graph")), (&"hand_out".into(), 1), "{after}");
    // A new process, and time that ends it: the doctor tells it before anybody has to wait.
    world.sandbox.set_life("graph", Duration::from_secs(1));
    world.run(&["refresh", "graph"]).await;
    while token(&doctor(&world, 0, &["graph"]).await)["get"]["answer"] != "obtain" {}
    assert_eq!(world.requests("graph"), 2);
}

#[tokio::test]
async fn the_end_is_told_as_stored_and_in_each_way_that_people_work_it_out() {
    let world = World::start().await;
    world.run(&["get", "graph"]).await.data();
    let mut command = world.command(&["doctor", "graph", "--json"]);
    // Two hours ahead of UTC, whatever files of time zones there are.
    command.env("TZ", "LOC-2");
    let found: Value = serde_json::from_str(&ended(command).await.stdout).unwrap();
    let (graph, ways) = (token(&found), &token(&found)["ways"]);
    let seconds = |way: &str| ways[way]["seconds_left"].as_i64().unwrap();
    assert_eq!((&graph["offset"], &found["local_offset"]), (&"+00:00".into(), &"+02:00".into()), "{found}");
    assert!(graph["stored"] == graph["expires_at"] && graph["stored"] == ways["raw"]["expires_at"], "{found}");
    assert_eq!(graph["expiry_buffer"], 30);
    assert_eq!((graph["life"].as_i64(), graph["seconds_left"].as_i64()), (Some(600), Some(seconds("raw"))));
    assert!((500..=600).contains(&seconds("raw")), "{found}");
    assert_eq!(seconds("raw") - seconds("buffered"), 30);
    assert_eq!(seconds("raw") - seconds("naive_local"), 7200);
    assert_eq!([&ways["raw"]["is_expired"], &ways["naive_local"]["is_expired"]], [&Value::from(false), &true.into()]);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_a_finding_with_advice_and_an_exit_code() {
    let world = World::start().await;
    world.sandbox.set_fault_for("graph", Fault::InvalidClient);
    world.run(&["get", "graph"]).await.failure(6);
    let found = doctor(&world, 3, &["graph"]).await;
    let finding = &token(&found)["findings"][0];
    assert_eq!((&found["well"], &finding["code"]), (&false.into(), &"refused".into()), "{found}");
    assert_eq!(token(&found)["get"]["answer"], "fail");
    assert!(finding["next"].as_str().unwrap().contains("check client_id, client_secret"), "{found}");
    let told = world.run(&["doctor"]).await;
    assert!(
        told.code == Some(3) && told.stdout.contains("graph: refused") && told.stdout.contains("WRONG"),
        "{told:?}"
    );
    assert!(told.stderr.contains("5 tokens: 1 not well"), "{told:?}");
    is_silent(&told);
}

#[tokio::test]
async fn a_token_of_another_secret_is_told_to_be_one_before_it_puzzles_anybody() {
    let world = World::start().await;
    world.run(&["get", "graph"]).await.data();
    let mut command = world.command(&["doctor", "graph", "--json"]);
    command.env("CLIENT_SECRET", "planted-another-secret");
    let told = ended(command).await;
    assert!(told.code == Some(3) && told.stdout.contains("\"another_configuration\""), "{told:?}");
    is_silent(&told);
}

#[tokio::test]
async fn the_issuers_clock_is_read_from_an_answer_that_can_cost_nothing() {
    let world = World::without_config().await;
    let now = Timestamp::from_millisecond(SystemClock::new().now().wall_ms).unwrap();
    for (off, code, difference) in [(0, 0, 0..=1), (7200, 3, 7199..=7201), (-7200, 3, -7202..=-7199)] {
        let date = now + SignedDuration::from_secs(off);
        let date = Offset::UTC.to_datetime(date).strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
        let (url, asked) = issuer(date).await;
        world.write_config(&World::graph_at(&url));
        let found = doctor(&world, code, &["graph"]).await;
        let clock = &token(&found)["clock"];
        let told = clock["difference"].as_i64().unwrap();
        let uncertainty = clock["uncertainty"].as_i64().unwrap();
        // The machine may be slow between here and there.
        assert!((difference.start() - 60..=*difference.end()).contains(&told), "{found}");
        assert!((1..60).contains(&uncertainty), "{found}");
        let findings = token(&found)["findings"].to_string();
        assert_eq!(findings.contains("clock_differs") && findings.contains("NTP"), code == 3, "{found}");
        let request = asked.await.unwrap();
        assert!(request.starts_with("HEAD / HTTP/1.1\r\n"), "{request}");
        assert!(!request.to_lowercase().contains("authorization") && !request.contains("graph"), "{request}");
    }
}

#[tokio::test]
async fn where_no_clock_can_be_read_that_is_said_and_why() {
    let world = World::start().await;
    for provider in ["billing", "legacy"] {
        let found = doctor(&world, 0, &[provider]).await;
        let clock = &token(&found)["clock"];
        assert!(clock["difference"].is_null() && clock["why"].as_str().unwrap().contains("HTTP"), "{found}");
    }
    let (url, _asked) = issuer(String::new()).await;
    world.write_config(&World::graph_at(&url));
    assert_eq!(token(&doctor(&world, 0, &["graph"]).await)["clock"]["why"], "its answers have no Date");
    world.write_config(&World::graph_at("http://127.0.0.1:1/token"));
    let found = doctor(&world, 3, &["graph"]).await;
    assert_eq!(token(&found)["findings"][0]["code"], "issuer_unreachable", "{found}");
}

#[tokio::test]
async fn what_is_left_is_told_with_the_moment_that_it_is_counted_from_however_long_issuers_take() {
    let world = World::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_url = format!("http://{}/token", silent.local_addr().unwrap());
    world.write_config(&format!("{}timeout = \"3s\"\n", World::graph_at(&token_url)));
    let end = Timestamp::from_second(SystemClock::new().now().wall_ms / 1000 + 3600).unwrap();
    std::fs::write(world.path("old.csv"), format!("service,access_token,expires_at\ngraph,planted-old,{end}\n"))
        .unwrap();
    let found = doctor(&world, 3, &["--from", "whodis", "old.csv"]).await;
    let graph = token(&found);
    assert_eq!(graph["findings"][0]["code"], "issuer_unreachable", "{found}");
    let now: Timestamp = graph["now"].as_str().unwrap().parse().unwrap();
    let (left, between) = (graph["seconds_left"].as_i64().unwrap(), end.as_second() - now.as_second());
    assert!(left == between || left == between - 1, "part of a second has gone by: {found}");
}

#[tokio::test]
async fn rows_of_another_system_are_told_with_the_offset_that_they_are_stored_with() {
    let world = World::start().await;
    let soon = Timestamp::from_second(SystemClock::new().now().wall_ms / 1000 + 540).unwrap();
    let naive = Offset::UTC.to_datetime(soon).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let local = Offset::constant(-7).to_datetime(soon).strftime("%Y-%m-%d %H:%M:%S-07:00").to_string();
    let rows = format!(
        "service,access_token,expires_at\n\
         graph,planted-old-graph,{local}\n\
         people,planted-old-people,{naive}\n\
         genesys,planted-old-genesys,{naive}\n\
         calendar,planted-old-calendar,soon\n"
    );
    std::fs::write(world.path("old.csv"), rows).unwrap();
    let found = doctor(&world, 3, &["--from", "whodis", "old.csv"]).await;
    let of = |name: &str| found["tokens"].as_array().unwrap().iter().find(|token| token["name"] == name).unwrap();
    let (graph, people) = (of("graph"), of("people"));
    assert_eq!((&graph["stored"], &graph["offset"]), (&local.into(), &"-07:00".into()), "{found}");
    assert_eq!((&people["stored"], &people["offset"]), (&naive.into(), &Value::Null), "{found}");
    assert_eq!(graph["expires_at"], soon.to_string());
    assert_eq!(people["expires_at"], soon.to_string());
    for good in [graph, people] {
        assert_eq!(
            (&good["state"], &good["get"]["answer"], good["findings"].as_array().unwrap().len()),
            (&"fresh".into(), &"hand_out".into(), 0),
            "{found}"
        );
    }
    assert_eq!((&of("genesys")["state"], &of("genesys")["expires_at"]), (&"unknown".into(), &soon.to_string().into()));
    assert_eq!((&of("calendar")["state"], &of("calendar")["stored"]), (&"unfit".into(), &Value::Null));
    // One alone, and nothing was imported.
    assert_eq!(
        doctor(&world, 0, &["graph", "--from", "whodis", "old.csv"]).await["tokens"].as_array().unwrap().len(),
        1
    );
    assert_eq!(world.run(&["status", "graph", "--json"]).await.json()["state"], "absent");
}

#[tokio::test]
async fn a_row_that_ends_later_than_a_token_can_is_said_to_be_local_time_perhaps() {
    let world = World::start().await;
    world.write_config(&format!("{}expected_life = \"10m\"\n", World::graph_at(&world.sandbox.token_url())));
    let late = SystemClock::new().now().wall_ms / 1000 + 2 * 3600;
    std::fs::write(world.path("old.csv"), format!("service,access_token,expires_at\ngraph,planted-old,{late}\n"))
        .unwrap();
    let found = doctor(&world, 3, &["--from", "whodis", "old.csv"]).await;
    let finding = &token(&found)["findings"][0];
    assert_eq!(finding["code"], "unusual_life", "{found}");
    assert!(finding["detail"].as_str().unwrap().contains("its issuer gives 600 s in all"), "{found}");
    assert!(finding["next"].as_str().unwrap().contains("local time without an offset"), "{found}");
}

#[tokio::test]
async fn it_examines_what_is_here_and_asks_no_server() {
    let world = World::start().await;
    let refused = world.run(&["doctor", "--server", "http://127.0.0.1:1"]).await;
    assert!(refused.failure(2).contains("asks no server"), "{refused:?}");
    let unknown = world.run(&["doctor", "grahp"]).await;
    assert!(unknown.failure(4).contains("grahp"), "{unknown:?}");
    let nothing = world.run(&["doctor", "--table", "tokens"]).await;
    assert!(nothing.failure(2).contains("--from"), "{nothing:?}");
    let other = world.run(&["doctor", "--from", "vault", "x.csv"]).await;
    assert!(other.failure(2).contains("whodis"), "{other:?}");
}

#[tokio::test]
async fn a_store_that_does_not_work_is_not_well() {
    let world = World::start().await;
    world.write_config(&world.usual_config().replace("sqlite:tokens.db", "sqlite:/dev/null/tokens.db"));
    let found = doctor(&world, 3, &["graph"]).await;
    assert!(found["store_trouble"].as_str().unwrap().contains("/dev/null"), "{found}");
}

/// Has it examine, and gives what is printed as JSON.
async fn doctor(world: &World, code: i32, args: &[&str]) -> Value {
    let told = world.run(&[&["doctor", "--json"], args].concat()).await;
    assert_eq!(told.code, Some(code), "{told:?}");
    is_silent(&told);
    serde_json::from_str(&told.stdout).unwrap()
}

fn token(found: &Value) -> &Value {
    &found["tokens"][0]
}

fn is_silent(told: &Ended) {
    for secret in [CLIENT_SECRET, PASSWORD, ISSUED, "planted"] {
        assert!(!told.stdout.contains(secret) && !told.stderr.contains(secret), "{secret}: {told:?}");
    }
}

/// An issuer that answers one request with this header, and what it was asked.
async fn issuer(date: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oauth2/token", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    let asked = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            connection.read_exact(&mut byte).await.unwrap();
            request.extend(byte);
        }
        let answer = format!("HTTP/1.1 404 Not Found\r\n{date}content-length: 0\r\nconnection: close\r\n\r\n");
        connection.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, asked)
}

use rustix::process::Signal;
use tokenkeep_sandbox::Fault;

use crate::world::World;

#[tokio::test]
async fn status_has_a_line_for_each_key_in_plain_columns() {
    let world = World::start().await;
    world.run(&["get", "graph"]).await.data();
    let ended = world.run(&["status"]).await;
    let mut lines = ended.data().lines();
    let header = lines.next().unwrap();
    assert_eq!(
        header.split_whitespace().collect::<Vec<_>>(),
        ["KEY", "STATE", "EXPIRES", "IN", "GENERATION", "FAILURES", "WHY", "NEXT"]
    );
    let keys: Vec<_> = lines.clone().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(keys, ["billing", "calendar", "graph", "legacy", "people"]);
    let graph = lines.nth(2).unwrap();
    let state = header.find("STATE").unwrap();
    assert!(graph[state..].starts_with("fresh "), "{graph:?}");
    assert!(!ended.stdout.contains('\u{1b}'));
}

#[tokio::test]
async fn status_asks_no_issuer() {
    let world = World::start().await;
    world.run(&["status"]).await.data();
    assert_eq!(world.sandbox.counters().total.token_requests, 0);
}

#[tokio::test]
async fn status_of_one_key_as_json_is_an_object_and_of_all_an_array() {
    let world = World::start().await;
    world.run(&["get", "graph"]).await.data();
    let one = world.run(&["status", "graph", "--json"]).await.json();
    assert_eq!((&one["key"], &one["state"]), (&"graph".into(), &"fresh".into()));
    assert_eq!((&one["generation"], &one["consecutive_failures"]), (&1.into(), &0.into()));
    assert_eq!(one["life"], 600);
    let all = world.run(&["status", "--json"]).await.json();
    assert_eq!(all.as_array().unwrap().len(), 5);
    assert_eq!(all[2]["key"], "graph");
}

#[tokio::test]
async fn status_says_what_failed_and_what_comes_next_and_exits_with_0() {
    let world = World::start().await;
    world.sandbox.set_fault(Fault::InvalidClient);
    world.run(&["get", "graph"]).await.failure(6);
    let ended = world.run(&["status", "graph"]).await;
    let row = ended.data().lines().nth(1).unwrap();
    assert!(row.contains("refused"), "{row}");
    assert!(row.contains("check client_id, client_secret and client_auth; asked again in "), "{row}");
    let json = world.run(&["status", "graph", "--json"]).await.json();
    assert_eq!((&json["state"], &json["failure"]["kind"]), (&"refused".into(), &"refused".into()));
    assert_eq!(json["consecutive_failures"], 1);
}

#[tokio::test]
async fn a_watched_status_shows_what_other_processes_do_until_a_signal() {
    let world = World::start().await;
    let mut watch = world.spawn(&["status", "graph", "--watch"]);
    watch.read_to("absent").await;
    world.run(&["get", "graph"]).await;
    let fresh = watch.read_to("fresh").await;
    assert!(!fresh.contains('\u{1b}'), "this is no terminal");
    watch.signal(Signal::INT);
    assert_eq!(watch.end().await.code, Some(130));
}

#[tokio::test]
async fn a_watched_status_as_json_is_one_line_for_each_look() {
    let world = World::start().await;
    for (args, place) in
        [(&["status", "--watch", "--json"][..], "/2/state"), (&["status", "graph", "--watch", "--json"], "/state")]
    {
        let mut watch = world.spawn(args);
        for _ in 0..2 {
            let line = watch.read_to("").await;
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(json.pointer(place).unwrap(), "absent", "{line}");
        }
        watch.signal(Signal::INT);
        assert_eq!(watch.end().await.code, Some(130));
    }
}

//! `key new`, and the callers that such keys make.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::serve::serve;
use crate::world::{World, ended};

#[tokio::test]
async fn a_key_is_all_of_stdout_and_its_table_is_a_configuration_without_it() {
    let world = World::start().await;
    let args = ["key", "new", "--name", "bill\"ing", "--tokens", "graph,people:*", "--tokens", "*", "--allow", "get"];
    let made = world.run(&args).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made.stdout.strip_suffix('\n').unwrap();
    let random = key.strip_prefix("tk_").unwrap();
    assert!(random.len() == 43 && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert!(!made.stderr.contains(random), "{made:?}");

    let table = made.stderr.split("\n\n").find(|part| part.starts_with("[[server.keys]]")).unwrap();
    let parsed: toml::Table = table.parse().unwrap();
    let caller = &parsed["server"]["keys"][0];
    assert_eq!(caller["name"].as_str(), Some("bill\"ing"));
    assert_eq!(serde_json::to_value(&caller["tokens"]).unwrap(), strings(&["graph", "people:*", "*"]));
    assert_eq!(serde_json::to_value(&caller["allow"]).unwrap(), strings(&["get"]));
    world.write_config(&format!("{}{table}\n", world.usual_config()));
    assert_eq!(world.run(&["config", "check"]).await.code, Some(0));
}

#[tokio::test]
async fn a_caller_who_only_looks_may_do_nothing_else() {
    let world = World::start().await;
    let made = world.run(&["key", "new", "--name", "monitoring", "--tokens", "*", "--allow", "none"]).await;
    assert!(made.code == Some(0) && made.stderr.contains("tokens = [\"*\"]\nallow = []\n"), "{made:?}");
    let key = made.stdout.trim_end();
    let table = made.stderr.split("\n\n").find(|part| part.starts_with("[[server.keys]]")).unwrap();
    world.write_config(&format!("{}{table}\n", world.usual_config()));
    let (serve, url) = serve(&world, &[]).await;
    let asked = async |args: &[&str]| {
        let mut command = world.command(args);
        command.env("TOKENKEEP_SERVER", &url).env("TOKENKEEP_API_KEY", key);
        ended(command).await
    };
    assert!(asked(&["status"]).await.data().contains("graph"));
    asked(&["get", "graph"]).await.failure(8);
    serve.signal(Signal::TERM);
    serve.end().await;
}

#[tokio::test]
async fn no_two_keys_are_the_same() {
    let world = World::without_config().await;
    let mut keys = BTreeSet::new();
    for _ in 0..3 {
        let json = world.run(&["key", "new", "--name", "a", "--tokens", "*", "--json"]).await.json();
        assert_eq!(
            (&json["name"], &json["tokens"], &json["allow"]),
            (&"a".into(), &strings(&["*"]), &strings(&["get", "proxy"]))
        );
        keys.insert((json["key"].as_str().unwrap().to_owned(), json["sha256"].as_str().unwrap().to_owned()));
    }
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn what_the_configuration_would_not_take_is_no_name_no_pattern_and_no_action() {
    let world = World::without_config().await;
    for args in [
        &["--name", "", "--tokens", "*"][..],
        &["--name", "two words", "--tokens", "*"],
        &["--name", "a", "--tokens", "a b"],
        &["--name", "a", "--tokens", "*", "--allow", "everything"],
        &["--name", "a", "--tokens", "*", "--allow", "none,get"],
        &["--name", "a"],
        &["--tokens", "*"],
    ] {
        let args = [&["key", "new"], args].concat();
        world.run(&args).await.failure(2);
    }
}

fn strings(texts: &[&str]) -> Value {
    texts.iter().copied().map(Value::from).collect()
}

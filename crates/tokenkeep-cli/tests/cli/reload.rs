//! `serve` takes over a configuration that changed.

use rustix::process::Signal;

use crate::world::{Running, World};

#[tokio::test]
async fn a_changed_file_is_taken_over_and_what_did_not_change_keeps_its_token() {
    let world = World::without_config().await;
    let graph = World::graph_at(&world.sandbox.token_url());
    world.write_config(&graph);
    let (mut server, url) = serve(&world).await;
    let before = token(&url, "graph").await.unwrap();
    world.write_config(&format!(
        "{graph}\n[providers.billing]\ngrant = \"static\"\ntoken = {{ env = \"STATIC_TOKEN\" }}\n"
    ));
    let heard = server.hear("took over the configuration").await;
    assert!(heard.contains("added=\"billing\"") && !heard.contains("changed"), "{heard}");
    assert!(token(&url, "billing").await.is_some());
    assert_eq!(token(&url, "graph").await.unwrap(), before);
    assert_eq!(world.requests("graph"), 1);
    server.signal(Signal::TERM);
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test]
async fn a_hang_up_takes_over_a_secret_that_is_another_now() {
    let world = World::without_config().await;
    let secret = world.path("client-secret");
    std::fs::write(&secret, "wrong").unwrap();
    let graph = World::graph_at(&world.sandbox.token_url());
    world.write_config(&graph.replace("{ env = \"CLIENT_SECRET\" }", "{ file = \"client-secret\" }"));
    let (mut server, url) = serve(&world).await;
    assert_eq!(token(&url, "graph").await, None);
    std::fs::write(&secret, crate::world::CLIENT_SECRET).unwrap();
    server.signal(Signal::HUP);
    let heard = server.hear("took over the configuration").await;
    assert!(heard.contains("changed=\"graph\""), "{heard}");
    assert!(token(&url, "graph").await.is_some());
}

#[tokio::test]
async fn a_file_with_faults_changes_nothing_and_the_log_says_each() {
    let world = World::without_config().await;
    let graph = World::graph_at(&world.sandbox.token_url());
    world.write_config(&graph);
    let (mut server, url) = serve(&world).await;
    let before = token(&url, "graph").await.unwrap();
    let graph_and_more = graph.replace("{ env = \"CLIENT_SECRET\" }", "\"planted-secret\"");
    world.write_config(&format!("{graph_and_more}\nrefesh = \"planted-secret\"\nlifetime = 5\n"));
    let heard = server.hear("`client_secret` stands in the configuration file").await;
    assert!(heard.contains(" WARN ") && !heard.contains("not taken over"), "{heard}");
    for expected in ["unknown option `refesh`", "`lifetime` has no unit"] {
        let heard = server.hear("the configuration is not taken over").await;
        assert!(heard.contains(" ERROR ") && heard.contains(expected) && !heard.contains("planted"), "{heard}");
    }
    assert_eq!(token(&url, "graph").await.unwrap(), before);
    world.write_config(&graph.replace("tokens.db", "other.db"));
    server.hear("took over the configuration").await;
    let heard = server.hear("takes effect when").await;
    assert!(heard.contains("a change of store takes effect when tokenkeep is started again"), "{heard}");
}

#[tokio::test]
async fn what_waits_for_a_restart_is_said_at_each_reload_until_it_is_as_it_was() {
    let world = World::without_config().await;
    let graph = World::graph_at(&world.sandbox.token_url());
    world.write_config(&graph);
    let (mut server, _) = serve(&world).await;
    let billing = "[providers.billing]\ngrant = \"static\"\ntoken = { env = \"STATIC_TOKEN\" }\n";
    let other = graph.replace("tokens.db", "other.db");
    world.write_config(&other);
    assert_eq!(waiting(&mut server, "").await, ["store"]);
    world.write_config(&format!("{other}{billing}"));
    assert_eq!(waiting(&mut server, " added=\"billing\"").await, ["store"], "it still waits");
    world.write_config(&format!("{graph}{billing}\n[server]\nlisten = [\"127.0.0.1:1\"]\n"));
    assert_eq!(waiting(&mut server, "").await, Vec::<String>::new(), "the store is the one that was started with");
}

/// What a reload said that waits for a restart, up to a reload of a file with faults, which is asked for then.
async fn waiting(server: &mut Running, news: &str) -> Vec<String> {
    while !server.hear("took over the configuration").await.contains(news) {}
    // The last reload has said all that it says when the next one speaks.
    server.signal(Signal::HUP);
    let mut waiting = Vec::new();
    loop {
        let line = server.hear("").await;
        if line.contains("took over the configuration") {
            return waiting;
        }
        let what = line.split_once("a change of ").and_then(|(_, rest)| rest.split_once(" takes effect"));
        waiting.extend(what.map(|(what, _)| what.to_owned()));
    }
}

#[tokio::test]
async fn a_change_while_the_file_is_read_at_the_start_is_taken_over() {
    let world = World::without_config().await;
    let graph = World::graph_at(&world.sandbox.token_url());
    // The program that prints the secret is what changes the file, after it was read.
    let script = "test -e changed || { touch changed; cp next.toml tokenkeep.toml; }; echo secret";
    let legacy =
        format!("[providers.legacy]\ngrant = \"static\"\ntoken = {{ command = [\"sh\", \"-c\", \"{script}\"] }}\n");
    world.write_config(&format!("{graph}{legacy}"));
    let billing = "[providers.billing]\ngrant = \"static\"\ntoken = { env = \"STATIC_TOKEN\" }\n";
    std::fs::write(world.path("next.toml"), format!("{graph}{legacy}{billing}")).unwrap();
    let (mut server, url) = serve(&world).await;
    let heard = server.hear("took over the configuration").await;
    assert!(heard.contains("added=\"billing\""), "{heard}");
    assert!(token(&url, "billing").await.is_some());
}

#[tokio::test]
async fn the_log_says_who_becomes_a_caller_and_that_everybody_is_one() {
    let world = World::without_config().await;
    let graph = World::graph_at(&world.sandbox.token_url());
    world.write_config(&graph);
    let (mut server, url) = serve(&world).await;
    let open = server.hear("no callers are configured: everybody who reaches an address may do everything").await;
    assert!(open.contains(" INFO ") && open.contains(url.strip_prefix("http://").unwrap()), "{open}");
    let hash = "0f".repeat(32);
    let caller = format!("[[server.keys]]\nname = \"billing\"\nsha256 = \"{hash}\"\ntokens = [\"*\"]\n");
    world.write_config(&format!("{graph}{caller}"));
    let heard = server.hear("took over the configuration").await;
    assert!(heard.trim_end().ends_with("took over the configuration"), "no provider is another: {heard}");
    let heard = server.hear("took over the callers").await;
    assert!(heard.trim_end().ends_with("took over the callers added=\"billing\""), "{heard}");
    assert_eq!(token(&url, "graph").await, None);
    world.write_config(&graph);
    let heard = server.hear("took over the callers").await;
    assert!(heard.trim_end().ends_with("took over the callers removed=\"billing\""), "{heard}");
    assert!(server.hear("no callers are configured").await.contains(" WARN "));
}

async fn serve(world: &World) -> (Running, String) {
    let mut server = world.spawn(&["serve", "--listen", "127.0.0.1:0"]);
    let heard = server.hear("listening on http://").await;
    let url = heard.split_once("listening on ").unwrap().1.trim().to_owned();
    (server, url)
}

/// The token that a server hands out, if it does.
async fn token(url: &str, key: &str) -> Option<String> {
    let answer = reqwest::get(format!("{url}/tokens/{key}")).await.unwrap();
    let json: serde_json::Value = answer.json().await.unwrap();
    json["access_token"].as_str().map(ToOwned::to_owned)
}

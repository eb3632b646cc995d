//! `tokenkeep dev`, as somebody meets it who has nothing set up.

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{Running, World, is_free_of};

/// A home folder with nothing in it.
async fn nothing() -> World {
    World::without_config().await
}

/// The lines to try.
fn lines(introduction: &str) -> Vec<String> {
    introduction.lines().filter_map(|line| line.strip_prefix("    ")).map(ToOwned::to_owned).collect()
}

/// The one line to try that holds this text.
fn line(introduction: &str, text: &str) -> String {
    let found: Vec<_> = lines(introduction).into_iter().filter(|line| line.contains(text)).collect();
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found[0].clone()
}

/// What a shell makes of lines, as if they were pasted into it.
async fn paste(world: &World, lines: &[&str]) -> String {
    let mut shell = tokio::process::Command::new("sh");
    shell.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", world.home.path()).current_dir("/");
    let output = shell.args(["-e", "-c", &lines.join("\n")]).output().await.unwrap();
    assert!(output.status.success(), "{lines:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn start(world: &World) -> (Running, String) {
    let mut dev = world.spawn(&["dev"]);
    let introduction = dev.read_to("This is what happens").await;
    (dev, introduction)
}

#[tokio::test]
async fn it_says_what_happens_ends_by_itself_and_leaves_nothing_behind() {
    let world = nothing().await;
    let ended = world.run(&["dev", "--for", "6s"]).await;
    let said = ended.data();
    for key in ["billing", "calendar", "genesys", "graph", "legacy", "vendor:7", "verteil"] {
        assert!(said.contains(&format!("  {key:<8}  obtained (generation 1, ")), "{key} is not in:\n{said}");
    }
    assert!(said.lines().last().unwrap().ends_with(" 0 refused at the API"), "{said}");
    assert!(!said.contains('\u{1b}'));
    assert!(is_free_of(world.home.path(), "tokenkeep"));
}

#[tokio::test]
async fn tokens_are_renewed_ahead_of_their_end_and_no_caller_notices() {
    let world = nothing().await;
    let (mut dev, _) = start(&world).await;
    let said = dev.read_to("  graph     renewed ahead of time (generation 2, good for ").await;
    assert!(said.lines().last().unwrap().contains("; 1 request to the issuer for "), "{said}");
    assert!(!said.contains(" is over"), "{said}");
    dev.signal(Signal::INT);
    let ended = dev.end().await;
    assert!(ended.stdout.ends_with(" 0 refused at the API\n") && !ended.stdout.contains("turned away"), "{ended:?}");
}

#[tokio::test]
async fn ctrl_c_and_sigterm_end_it_cleanly() {
    for signal in [Signal::INT, Signal::TERM] {
        let world = nothing().await;
        let (mut dev, _) = start(&world).await;
        dev.read_to("obtained").await;
        dev.signal(signal);
        let ended = dev.end().await;
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains("\nended after 00:0"), "{ended:?}");
        assert!(is_free_of(world.home.path(), "tokenkeep"));
    }
}

#[tokio::test]
async fn every_line_to_try_works_as_it_is_printed() {
    let world = nothing().await;
    let (mut dev, introduction) = start(&world).await;
    dev.read_to("graph     obtained").await;
    let export = line(&introduction, "export");
    for line in lines(&introduction).iter().filter(|line| **line != export) {
        if line.ends_with("/watch") {
            // It does not end.
            let printed = paste(&world, &[&format!("{line} | head -n 5")]).await;
            assert!(printed.contains("\nevent: token\n"), "{line}: {printed}");
            continue;
        }
        let printed = paste(&world, &[&export, line]).await;
        let json: Option<Value> = serde_json::from_str(&printed).ok();
        let problem = json.as_ref().and_then(|json| json.get("code").or(json.get("error")));
        assert_eq!(problem, None, "{line}: {printed}");
        assert_eq!(json.is_some(), line.starts_with("curl") || line.ends_with("--json"), "{line}: {printed}");
    }
    dev.signal(Signal::INT);
    assert_eq!(dev.end().await.code, Some(0));
}

#[tokio::test]
async fn what_the_broker_says_of_itself_is_where_the_introduction_says() {
    let world = nothing().await;
    let (dev, introduction) = start(&world).await;
    let (_, places) = introduction.split_once("  dashboard ").unwrap();
    let places: Vec<_> =
        places.lines().take(2).flat_map(|line| line.split([' ', ','])).filter(|word| word.contains("://")).collect();
    let [dashboard, docs, metrics] = places[..] else { panic!("{introduction}") };
    assert!(paste(&world, &[&format!("curl -s {dashboard}")]).await.contains("<title>tokenkeep"));
    assert!(paste(&world, &[&format!("curl -s {docs}")]).await.contains("/oauth2/token"));
    assert!(paste(&world, &[&format!("curl -s {metrics}")]).await.contains("tokenkeep_"));
    dev.signal(Signal::INT);
    assert_eq!(dev.end().await.code, Some(0));
}

#[tokio::test]
async fn the_callers_come_to_the_broker_so_its_metrics_show_few_logins_for_many_calls() {
    let world = nothing().await;
    let (mut dev, introduction) = start(&world).await;
    dev.read_to("graph     renewed ahead of time").await;
    let metrics = introduction.split([' ', '\n']).find(|word| word.ends_with("/metrics")).unwrap();
    let page = paste(&world, &[&format!("curl -s {metrics}")]).await;
    let sum = |name: &str| -> u64 {
        let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{provider=\"graph\"")));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let (calls, logins) = (sum("tokenkeep_hand_outs_total"), sum("tokenkeep_issuer_requests_total"));
    assert!(logins >= 2 && calls > 2 * logins, "{logins} logins for {calls} calls:\n{page}");
    dev.signal(Signal::INT);
    assert_eq!(dev.end().await.code, Some(0));
}

#[tokio::test]
async fn another_terminal_can_break_the_issuer_and_callers_are_served_on() {
    let world = nothing().await;
    let (mut dev, introduction) = start(&world).await;
    dev.read_to("graph     obtained").await;
    let faults: Value = serde_json::from_str(&paste(&world, &[&line(&introduction, "-X PUT")]).await).unwrap();
    assert_eq!(faults["everywhere"]["status"], 503);
    let said = dev.read_to("callers are still served").await;
    assert!(said.lines().last().unwrap().contains("the issuer answered"), "{said}");
    assert!(said.lines().last().unwrap().contains(", next try in "), "{said}");
    paste(&world, &[&line(&introduction, "-X DELETE")]).await;
    dev.read_to("renewed ahead of time").await;
    dev.signal(Signal::INT);
    let ended = dev.end().await;
    assert!(ended.stdout.ends_with(" 0 refused at the API\n"), "{ended:?}");
}

#[tokio::test]
async fn another_terminal_can_revoke_all_tokens_and_each_key_makes_one_request() {
    let world = nothing().await;
    let (mut dev, introduction) = start(&world).await;
    dev.read_to("verteil   obtained").await;
    let revoked: Value = serde_json::from_str(&paste(&world, &[&line(&introduction, "revoke")]).await).unwrap();
    assert!(revoked["revoked"].as_u64().unwrap() >= 1);
    dev.read_to("verteil   the API refused generation 1").await;
    let said = dev.read_to("verteil   obtained anew (generation 2").await;
    assert!(said.lines().last().unwrap().contains("; 1 request to the issuer for "), "{said}");
    dev.signal(Signal::INT);
    assert_eq!(dev.end().await.code, Some(0));
}

#[tokio::test]
async fn another_terminal_shares_the_tokens_by_the_store() {
    let world = nothing().await;
    let (mut dev, introduction) = start(&world).await;
    dev.read_to("verteil   obtained").await;
    let lines = lines(&introduction);
    let get = lines.iter().find(|line| line.ends_with(" get graph")).unwrap().replace("graph", "verteil");
    let ask = lines.iter().find(|line| line.ends_with("/tokens/graph")).unwrap().replace("graph", "verteil");
    let by_hand = paste(&world, &[&line(&introduction, "export"), &get]).await;
    let by_http: Value = serde_json::from_str(&paste(&world, &[&ask]).await).unwrap();
    assert_eq!(by_http["access_token"], by_hand.trim_end());
    dev.signal(Signal::INT);
    assert_eq!(dev.end().await.code, Some(0));
}

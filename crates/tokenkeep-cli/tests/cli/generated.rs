//! What the command line writes about itself: completions, manual pages, the example of a configuration.

use crate::world::{World, ended};

const COMMANDS: [&str; 17] = [
    "get",
    "exec",
    "status",
    "refresh",
    "request",
    "clear",
    "cleanup",
    "stats",
    "credentials",
    "config",
    "store",
    "key",
    "serve",
    "dev",
    "openapi",
    "completions",
    "man",
];

#[tokio::test]
async fn every_shell_can_complete_every_command() {
    let world = World::without_config().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&["completions", shell]).await.data().to_owned();
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    world.run(&["completions", "tcsh"]).await.failure(2);
}

#[tokio::test]
async fn every_command_has_a_manual_page() {
    let world = World::without_config().await;
    assert_eq!(world.run(&["man", "pages/man1"]).await.code, Some(0));
    for command in COMMANDS {
        let page = std::fs::read_to_string(world.path(&format!("pages/man1/tokenkeep-{command}.1"))).unwrap();
        assert!(page.contains(command));
    }
    std::fs::write(world.path("file"), "").unwrap();
    assert!(world.run(&["man", "file/man1"]).await.failure(2).contains("cannot write"));
}

#[tokio::test]
async fn the_example_of_a_configuration_is_right_and_has_every_option() {
    let world = World::without_config().await;
    let example = world.run(&["config", "example"]).await.data().to_owned();
    world.write_config(&example);
    std::fs::write(world.path("calendar-refresh-token"), "secret").unwrap();
    let mut check = world.command(&["config", "check"]);
    check.env("GRAPH_CLIENT_SECRET", "1").env("VENDOR_PASSWORD", "2").env("BILLING_API_KEY", "3");
    let checked = ended(check).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stderr.contains("good, 7 providers") && !checked.stderr.contains("warning"), "{checked:?}");

    let options = include_str!("../../../../docs/configuration.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|cell| cell.starts_with('`'))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut count = 0;
    for option in options {
        assert!(
            example.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{option} ="))),
            "{option}"
        );
        count += 1;
    }
    assert!(count > 20, "only {count} options are documented");
}

#[tokio::test]
async fn what_stands_behind_a_hash_in_the_example_is_right_too() {
    let world = World::without_config().await;
    let example = world.run(&["config", "example"]).await.data().to_owned();
    let hash = "0".repeat(64);
    let whole: Vec<_> = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(option) if option.contains(" = ") || option.starts_with("[[") => option.replace('…', &hash),
            _ => line.to_owned(),
        })
        .collect();
    world.write_config(&whole.join("\n"));
    std::fs::write(world.path("calendar-refresh-token"), "secret").unwrap();
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for name in ["server.pem", "clients.pem"] {
        std::fs::write(world.path(name), signed.cert.pem()).unwrap();
    }
    std::fs::write(world.path("server.key"), signed.signing_key.serialize_pem()).unwrap();
    let mut check = world.command(&["config", "check"]);
    check.env("GRAPH_CLIENT_SECRET", "1").env("VENDOR_PASSWORD", "2").env("BILLING_API_KEY", "3");
    for name in ["TOKENKEEP_SEAL_KEY", "TOKENKEEP_WEBHOOK_SECRET"] {
        check.env(name, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=");
    }
    let checked = ended(check).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[tokio::test]
async fn the_api_is_described_for_programs_and_as_a_page() {
    let world = World::without_config().await;
    let description = world.run(&["openapi"]).await.json();
    assert_eq!(description["openapi"], "3.1.0");
    assert!(world.run(&["openapi", "--html"]).await.data().starts_with("<!doctype html>"));
}

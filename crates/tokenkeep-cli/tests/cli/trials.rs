//! Vendors' logins: trying them out, and the header that a vendor wants.

use crate::credentials::fed;
use crate::world::{ISSUED, PASSWORD, World, ended};

/// A vendor's own login at the sandbox, its password in a variable.
fn vendor(world: &World) -> String {
    format!(
        "store = \"sqlite:tokens.db\"\n\
         [providers.vendor]\n\
         grant = \"login\"\n\
         username = \"backend\"\n\
         password = {{ env = \"PASSWORD\" }}\n\
         lifetime = \"1h\"\n\
         [providers.vendor.login]\n\
         post = \"{}\"\n\
         json = {{ username = \"{{username}}\", password = \"{{password}}\" }}\n\
         token = \"/Authorization\"\n\
         error = \"/error_description\"\n",
        world.sandbox.login_url()
    )
}

#[tokio::test]
async fn a_test_shows_each_step_makes_one_login_and_keeps_nothing() {
    let world = World::without_config().await;
    world.write_config(&vendor(&world));
    let host = world.sandbox.login_url().replace("http://", "").replace("/login", "");
    let shown = world.run(&["credentials", "test", "vendor"]).await.data().to_owned();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], format!("vendor: the login at {host}"));
    assert_eq!(lines[1], format!("login: POST {}", world.sandbox.login_url()));
    assert_eq!(lines[2], r#"  > {"username": "‹username›", "password": "‹password›"}"#);
    assert!(lines[3].starts_with("  < 200 application/json, "), "{shown}");
    assert!(lines[3].ends_with(" bytes: a JSON object with Authorization"), "{shown}");
    assert_eq!(lines[4], "  found token at /Authorization");
    let verdict = "vendor: good, a Bearer token; how long it lives is not said; 1h is assumed (lifetime)";
    assert_eq!(&lines[5..], [verdict]);
    assert_eq!(world.sandbox.counters().total.logins, 1);

    let status = world.run(&["status", "vendor", "--json"]).await.json();
    assert_eq!(status["state"], "absent", "{status}");
    world.run(&["get", "vendor"]).await.data();
    assert_eq!(world.sandbox.counters().total.logins, 2);
}

#[tokio::test]
async fn a_test_that_fails_shows_how_far_it_came_and_ends_like_any_other_failure() {
    let world = World::without_config().await;
    world.write_config(&vendor(&world));
    let mut command = world.command(&["credentials", "test", "vendor"]);
    command.env("PASSWORD", "planted-guess");
    let failed = ended(command).await;
    assert_eq!(failed.code, Some(6), "{failed:?}");
    assert!(failed.stdout.contains("login: POST ") && failed.stdout.contains("  < 40"), "{failed:?}");
    assert!(failed.stderr.contains("next: check the credentials of vendor"), "{failed:?}");

    let mut command = world.command(&["credentials", "test", "vendor", "--json"]);
    command.env("PASSWORD", "planted-guess");
    let failed = ended(command).await;
    assert_eq!((failed.code, &*failed.stderr), (Some(6), ""), "{failed:?}");
    let json: serde_json::Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((&json["problem"]["code"], &json["token"]), (&"refused".into(), &serde_json::Value::Null));
    assert_eq!(json["steps"][0]["name"], "login");
    // What failed here is no reason for others to wait.
    world.run(&["get", "vendor"]).await.data();
}

#[tokio::test]
async fn a_test_says_which_request_was_not_sent_and_which_was_not_answered() {
    let world = World::without_config().await;
    let incomplete = vendor(&world).replace("grant = \"login\"\n", "grant = \"login\"\naccounts = \"stored\"\n");
    let incomplete = incomplete.replace("username = \"backend\"\npassword = { env = \"PASSWORD\" }\n", "");
    world.write_config(&incomplete);
    let test = ["credentials", "test", "vendor:7", "--stdin"];
    let unsent = fed(&world, &test, r#"{"username": "backend"}"#).await;
    assert_eq!(unsent.code, Some(5), "{unsent:?}");
    assert!(unsent.stdout.ends_with("  not sent\n") && !unsent.stdout.contains("asked"), "{unsent:?}");
    assert!(unsent.stderr.contains("the credentials have no password"), "{unsent:?}");
    assert_eq!(world.sandbox.counters().total.logins, 0);

    world.write_config(&vendor(&world).replace(&world.sandbox.login_url(), "http://127.0.0.1:1/login"));
    let unanswered = world.run(&["credentials", "test", "vendor"]).await;
    assert_eq!(unanswered.code, Some(7), "{unanswered:?}");
    assert!(unanswered.stdout.ends_with("  no answer\n"), "{unanswered:?}");
}

#[tokio::test]
async fn any_grant_can_be_tried_but_one_whose_refresh_token_would_be_spent() {
    let world = World::start().await;
    for key in ["graph", "people", "legacy", "billing"] {
        let json = world.run(&["credentials", "test", key, "--json"]).await.json();
        assert_eq!(json["token"]["token_type"], "Bearer", "{key}: {json}");
        assert_eq!(world.run(&["credentials", "test", key]).await.code, Some(0));
    }
    let said = world.run(&["credentials", "test", "calendar"]).await;
    assert!(said.failure(2).contains("would spend its refresh token"), "{said:?}");
    assert_eq!(world.requests("calendar"), 0);
    assert!(world.run(&["credentials", "test", "nobody"]).await.failure(4).contains("no such provider"));
}

#[tokio::test]
async fn a_test_shows_no_secret_however_much_it_logs() {
    let world = World::without_config().await;
    world.write_config(&vendor(&world));
    for password in [PASSWORD, "planted-guess"] {
        for args in [&["credentials", "test", "vendor"][..], &["credentials", "test", "vendor", "--json"]] {
            let mut command = world.command(args);
            command.env("PASSWORD", password).env("RUST_LOG", "trace");
            let ended = ended(command).await;
            assert!(ended.stderr.contains(" TRACE "));
            for text in [&ended.stdout, &ended.stderr] {
                assert!(!text.contains("planted") && !text.contains(&format!("{ISSUED}_")), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_header_is_printed_as_the_vendor_wants_it() {
    let world = World::without_config().await;
    let header = "lifetime = \"1h\"\nheader = { name = \"X-Auth-Token\", format = \"v1 {token}\" }\n";
    world.write_config(&vendor(&world).replace("lifetime = \"1h\"\n", header));
    let token = world.run(&["get", "vendor"]).await.data().to_owned();
    let shown = world.run(&["get", "vendor", "--format", "header"]).await.data().to_owned();
    assert_eq!(shown, format!("x-auth-token: v1 {token}"));
}

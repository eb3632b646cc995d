//! V: one provider, one service account (a flight-booking backend).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;
use tokenkeep_sandbox::{Client, Fault, Grant, Sandbox};
use tokio::task::JoinSet;

use crate::support::{Example, SERVE};

/// V1: OAuth 2 at `VERTEIL_API_BASE_URL` and `/oauth2/token`, as the account `VERTEIL_USERNAME` with `VERTEIL_PASSWORD`.
#[tokio::test]
async fn the_account_gets_its_token_at_the_base_url_and_the_default_path() {
    let mut example = verteil(LIFE).await;
    assert_eq!(example.sandbox.token_url(), format!("{}/oauth2/token", example.sandbox.url()));
    let token = example.printed(&["get", "verteil"]).await;
    assert!(token.starts_with("sbx_agency_"), "the issuer's token for the account");
    let asked = example.sandbox.requests();
    assert_eq!((asked.len(), &*asked[0].client, asked[0].grant), (1, "agency", Grant::ClientCredentials));
    // As `https://api.example.com/` is written as often as without the slash at its end.
    example.set("VERTEIL_API_BASE_URL", &format!("{}/", example.sandbox.url()));
    assert_eq!(example.printed(&["get", "verteil"]).await, token);
}

/// V1: the path comes from `VERTEIL_TOKEN_ENDPOINT` or `VERTEIL_TOKEN_ENDPOINT_PATH`, or from both if they say the same.
#[tokio::test]
async fn the_path_comes_from_either_variable() {
    for names in [
        &["VERTEIL_TOKEN_ENDPOINT"][..],
        &["VERTEIL_TOKEN_ENDPOINT_PATH"],
        &["VERTEIL_TOKEN_ENDPOINT", "VERTEIL_TOKEN_ENDPOINT_PATH"],
    ] {
        let mut example = verteil(LIFE).await;
        // Only with the right path is this the sandbox's token endpoint.
        example.set("VERTEIL_API_BASE_URL", &format!("{}/oauth2", example.sandbox.url()));
        assert_ne!(example.run(&["get", "verteil"]).await.code, Some(0), "the default path leads nowhere here");
        assert_eq!(example.requests(), 0);
        for name in names {
            example.set(name, "/token");
        }
        assert!(example.printed(&["get", "verteil"]).await.starts_with("sbx_agency_"), "{names:?}");
    }
}

/// V1: both set and different is a start-up error that names both.
#[tokio::test]
async fn two_paths_that_differ_are_an_error_at_the_start_that_names_both_variables() {
    let mut example = verteil(LIFE).await;
    example.set("VERTEIL_TOKEN_ENDPOINT", "/oauth2/token");
    example.set("VERTEIL_TOKEN_ENDPOINT_PATH", "/oauth2/other");
    for args in [&SERVE[..], &["get", "verteil"]] {
        let ended = example.run(args).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        let said = "error: the environment variables `VERTEIL_TOKEN_ENDPOINT` and `VERTEIL_TOKEN_ENDPOINT_PATH` mean the \
                    same and hold different values; set one of them\n";
        assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    }
    assert_eq!(example.requests(), 0);
}

/// V1: required variables that are missing are one error that lists all of them.
#[tokio::test]
async fn all_variables_that_are_missing_are_listed_at_once() {
    let mut example = verteil(LIFE).await;
    let required = ["VERTEIL_API_BASE_URL", "VERTEIL_USERNAME", "VERTEIL_PASSWORD"];
    for name in required {
        example.unset(name);
    }
    for empty in [None, Some("")] {
        let missing = if empty.is_none() { "is not set" } else { "is empty" };
        let ended = example.run(&SERVE).await;
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        let errors: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors, required.map(|name| format!("error: the environment variable `{name}` {missing}")));
        assert!(ended.stderr.contains("\nnext: mend the file or set its variables"), "{}", ended.stderr);
        for name in required {
            example.set(name, "");
        }
    }
}

/// V2: a token of 43199 s is used for its whole life, at least the 11 h that the backend plans on: one generation, however
/// many callers, endpoints or services share it.
#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_one_generation_for_all_callers_endpoints_and_services() {
    let example = verteil(LIFE).await;
    let (server, other_service) = tokio::join!(example.serve(), example.serve());
    let server = Arc::new(server);
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let server = Arc::clone(&server);
        callers.spawn(async move { server.token("verteil").await });
    }
    let token = other_service.token("verteil").await;
    for caller in callers.join_all().await {
        assert_eq!(caller, token);
    }
    assert_eq!(example.printed(&["get", "verteil"]).await, token);
    let (status, _) = server.ask(Method::GET, "/auth/verteil").await;
    assert_eq!(status, 200);
    for server in [&*server, &other_service] {
        let known = server.json("/tokens/verteil/status").await;
        assert_eq!((known["generation"].as_u64(), known["life"].as_u64()), (Some(1), Some(43_199)));
        assert!(known["refresh_in"].as_u64() > Some(11 * 3600), "it is not renewed within 11 h: {known}");
    }
    assert_eq!(example.requests(), 1);
}

/// V2: what the issuer does not state is planned with 11 h.
#[tokio::test]
async fn a_token_without_a_stated_life_is_planned_with_11_hours() {
    let example = verteil(LIFE).await;
    let odd = tokenkeep_sandbox::OddBody::ExpiresInAbsent;
    example.sandbox.set_fault(Fault::OddBody { body: odd });
    let server = example.serve().await;
    let answer = server.json("/tokens/verteil").await;
    assert!((11 * 3600 - 60..=11 * 3600).contains(&answer["expires_in"].as_u64().unwrap()), "{answer}");
}

/// V3: setting the same configuration again changes nothing; a change of anything that shapes the token clears it.
#[tokio::test]
async fn the_same_configuration_again_changes_nothing_and_one_that_shapes_the_token_clears_it() {
    let mut example = verteil(LIFE).await;
    let shipped = fs::read_to_string(&example.config).unwrap();
    example.config = example.path("tokenkeep.toml");
    fs::write(&example.config, &shipped).unwrap();
    let server = example.serve().await;
    let token = server.token("verteil").await;
    // The same, and what says nothing of the token.
    for (same, changed) in [(shipped.clone(), ""), (shipped.replace(":-60}s", ":-90}s"), " changed=\"verteil\"")] {
        fs::write(&example.config, same).unwrap();
        server.signal(Signal::HUP);
        server.says(&format!("took over the configuration{changed}")).await;
        assert_eq!((server.token("verteil").await, example.requests()), (token.clone(), 1), "{changed}");
    }

    fs::write(&example.config, format!("{shipped}\nscope = \"offers\"\n")).unwrap();
    server.signal(Signal::HUP);
    // It is in use, so the next one is obtained at once.
    server.becomes("/tokens/verteil/status", |status| status["generation"] == 2).await;
    assert_ne!(server.token("verteil").await, token);
    assert_eq!(example.requests(), 2);
}

/// V3: what is set at the start counts for all services from then on, and another account does not get this one's token.
#[tokio::test]
async fn another_account_at_the_next_start_gets_a_token_of_its_own() {
    let mut example = verteil(LIFE).await;
    let token = example.printed(&["get", "verteil"]).await;
    for (name, value) in [("VERTEIL_USERNAME", "branch"), ("VERTEIL_PASSWORD", PASSWORD)] {
        example.set(name, value);
    }
    let server = example.serve().await;
    let other = server.token("verteil").await;
    assert!(token.starts_with("sbx_agency_") && other.starts_with("sbx_branch_"));
}

/// V4: `OAUTH2_TOKEN_EXPIRY_BUFFER`, 60 s if it is not set, is how long before its end a token counts as expired.
#[tokio::test]
async fn a_token_counts_as_expired_the_buffer_before_its_end_everywhere() {
    for name in ["verteil", "persistence"] {
        counts_as_expired_the_buffer_before_its_end(name).await;
    }
}

async fn counts_as_expired_the_buffer_before_its_end(name: &str) {
    for (buffer, left, is_expired) in [
        (None, 50, true),
        (None, 120, false),
        (Some(""), 50, true),
        (Some("10"), 50, false),
        (Some("600"), 90, true),
        (Some("600"), 570, true),
        (Some("600"), 700, false),
    ] {
        let case = format!("{name}, {buffer:?}, {left} s left");
        let mut example = example(name, LIFE).await;
        let shipped = fs::read_to_string(&example.config).unwrap();
        if name == "verteil" {
            // Only a file that is there already has a token whose end is near.
            example.config = example.path("tokenkeep.toml");
            fs::write(&example.config, format!("store = \"file:flight_app_tokens\"\n{shipped}")).unwrap();
        }
        if let Some(buffer) = buffer {
            example.set("OAUTH2_TOKEN_EXPIRY_BUFFER", buffer);
        }
        write_old_file(&example.path("flight_app_tokens"), left);
        // No answer is held: whoever needs a token asks the issuer and is told that there is none.
        example.sandbox.set_fault(Fault::Status { status: 503, body: String::new() });
        let server = example.serve().await;

        let debug = server.json("/api/debug/token").await;
        assert_eq!(debug["token_info"]["is_valid"], !is_expired, "{case}: {debug}");
        assert_eq!(debug["token_available"], !is_expired, "{case}: {debug}");
        let status = server.json("/tokens/verteil/status").await;
        let is_good = ["fresh", "due"].contains(&status["state"].as_str().unwrap());
        assert_eq!(is_good, !is_expired, "{case}: {status}");
        let counts = server.json("/tokens/stats").await;
        assert_eq!(counts["expired_tokens"], u64::from(is_expired), "{case}: {counts}");
        assert_eq!(example.requests(), 0, "{case}");

        let (code, _) = server.ask(Method::GET, "/tokens/verteil").await;
        assert_eq!(code == 200, !is_expired, "{case}");
        let (code, _) = server.ask(Method::GET, "/auth/verteil").await;
        assert_eq!(code == 200, !is_expired, "{case}");
        let got = example.run(&["get", "verteil"]).await;
        assert_eq!(got.code == Some(0), !is_expired, "{case}: {got:?}");
    }
}

/// V5: `GET /api/debug/token` has exactly these names and types, and never the token.
#[tokio::test]
async fn the_debug_answer_is_literally_that_of_the_old_system() {
    let example = verteil(LIFE).await;
    let server = example.serve().await;
    let none = server.get("/api/debug/token").await;
    assert_eq!(
        none,
        r#"{"status":"success","token_available":false,"token_info":{"has_token":false,"is_valid":false,"expires_in":null,"expiry_time":null,"metrics":{"token_generations":0,"total_token_requests":0}}}"#
    );
    let before = unix_now();
    let token = server.token("verteil").await;
    for _ in 1..15 {
        assert_eq!(server.token("verteil").await, token);
    }
    let text = server.get("/api/debug/token").await;
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (left, end) = (&answer["token_info"]["expires_in"], &answer["token_info"]["expiry_time"]);
    assert_eq!(
        text,
        format!(
            r#"{{"status":"success","token_available":true,"token_info":{{"has_token":true,"is_valid":true,"expires_in":{left},"expiry_time":{end},"metrics":{{"token_generations":1,"total_token_requests":15}}}}}}"#
        )
    );
    let (left, end, now) = (left.as_u64().unwrap(), end.as_u64().unwrap(), unix_now());
    assert!((43_199 - (now - before) - 1..=43_199).contains(&left), "seconds left: {left}");
    assert!((before + 43_198..=now + 43_199).contains(&end), "Unix seconds of its end: {end}");
    assert!(!text.contains(&token) && !text.contains("sbx_"));

    // A second generation, and what is asked for in between is counted on.
    server.ask(Method::POST, "/tokens/verteil/refresh").await;
    let metrics = &server.json("/api/debug/token").await["token_info"]["metrics"];
    assert_eq!(metrics["token_generations"], 2, "{metrics}");
    assert!(metrics["total_token_requests"].as_u64() >= Some(15), "{metrics}");
}

/// V5: with several providers, `?key=` picks one.
#[tokio::test]
async fn with_several_providers_the_debug_answer_is_of_the_key_that_is_named() {
    let mut example = verteil(LIFE).await;
    let shipped = fs::read_to_string(&example.config).unwrap();
    let (before, provider) = shipped.split_once("[providers.verteil]").unwrap();
    let other = provider.replace("VERTEIL_USERNAME", "OTHER_USERNAME");
    example.config = example.path("tokenkeep.toml");
    example.set("OTHER_USERNAME", "branch");
    fs::write(&example.config, format!("{before}[providers.verteil]{provider}\n[providers.other]{other}")).unwrap();
    let server = example.serve().await;
    server.token("verteil").await;
    server.token("verteil").await;
    server.token("other").await;
    for (key, requests) in [("verteil", 2), ("other", 1)] {
        let answer = server.json(&format!("/api/debug/token?key={key}")).await;
        let metrics = json!({ "token_generations": 1, "total_token_requests": requests });
        assert_eq!(answer["token_info"]["metrics"], metrics, "{key}");
    }
    let (status, problem) = server.ask(Method::GET, "/api/debug/token").await;
    assert!(status == 400 && problem.contains("name the key with ?key="), "{status}: {problem}");
}

/// V6: every step of a token's life is logged, with counts of generations and of requests, and never a secret.
#[tokio::test]
async fn every_step_of_a_token_s_life_is_in_the_log_and_no_secret() {
    let example = verteil(LIFE).await;
    let mut tokens = vec![example.printed(&["get", "verteil"]).await];
    let server = example.serve().await;
    for requests in 1..=2 {
        assert_eq!(server.token("verteil").await, tokens[0]);
        let reused = format!(r#"action="get" key="verteil" outcome="ok" generation=1 requests={requests}"#);
        server.says(&reused).await;
    }
    let loaded = server.says("loaded a valid token from the store").await;
    assert!(
        loaded.contains(r#"key="verteil" generation=1"#) || loaded.contains("key=verteil generation=1"),
        "{loaded}"
    );

    server.ask(Method::DELETE, "/tokens/verteil").await;
    server.says("cleared the token").await;

    // Renewed only while somebody asks for it: after two lives it is over.
    example.sandbox.set_life("agency", Duration::from_secs(2));
    tokens.push(server.token("verteil").await);
    let obtained = server.says("obtained a new token").await;
    assert!(obtained.contains("generation=2"), "{obtained}");
    // One that has left memory meanwhile is not over but absent there, so it may take more than one.
    for _ in 0..10 {
        server.becomes("/tokens/verteil/status", |status| status["state"] == "expired").await;
        tokens.push(server.token("verteil").await);
        if server.log().iter().any(|line| line.contains("the token is over")) {
            break;
        }
    }
    let expired = server.says("the token is over and is renewed").await;
    assert!(expired.contains("INFO") && expired.contains("generation="), "{expired}");

    example.sandbox.set_fault(Fault::Status { status: 503, body: "planted-body".to_owned() });
    server.ask(Method::POST, "/tokens/verteil/refresh").await;
    let failed = server.says("no new token").await;
    assert!(failed.contains("WARN") && failed.contains("attempts=1"), "{failed}");

    let log = server.stop().await.join("\n");
    for secret in tokens.iter().map(String::as_str).chain([PASSWORD, "planted-body", "sbx_"]) {
        assert!(!log.contains(secret), "{log}");
    }
}

/// What the README of the example says for an account that logs in with the grant `password`.
#[tokio::test]
async fn the_lines_for_grant_password_do_what_the_page_says() {
    let mut example = verteil(LIFE).await;
    let page = include_str!("../../../../examples/verteil/README.md");
    let lines = page.split("```toml\n").find(|block| block.starts_with("grant = \"password\"")).unwrap();
    let lines = lines.split("```").next().unwrap();
    let shipped = fs::read_to_string(&example.config).unwrap();
    let others = shipped
        .lines()
        .filter(|line| !["grant =", "client_id =", "client_secret ="].iter().any(|option| line.starts_with(option)));
    let others = others.collect::<Vec<_>>().join("\n");
    example.config = example.path("tokenkeep.toml");
    fs::write(&example.config, format!("{others}\n{lines}")).unwrap();
    example.set("VERTEIL_USERNAME", "clerk");
    example.set("VERTEIL_CLIENT_ID", "desk");
    assert!(example.printed(&["get", "verteil"]).await.starts_with("sbx_desk_"));
    assert_eq!(example.sandbox.requests()[0].grant, Grant::Password);
}

/// An issuer with the account, and its variables.
pub(crate) async fn example(name: &str, life: Duration) -> Example {
    let sandbox = Sandbox::builder()
        .client(Client::new("agency", PASSWORD).life(life))
        .client(Client::new("branch", PASSWORD).life(life))
        .client(Client::public("desk").life(life))
        .user("clerk", PASSWORD)
        .start()
        .await
        .unwrap();
    let url = sandbox.url();
    let variables = [("VERTEIL_API_BASE_URL", &*url), ("VERTEIL_USERNAME", "agency"), ("VERTEIL_PASSWORD", PASSWORD)];
    Example::new(name, sandbox, &variables)
}

async fn verteil(life: Duration) -> Example {
    example("verteil", life).await
}

/// A token file in exactly the form in which the old system writes it, with so many seconds left of 12 hours.
pub(crate) fn write_old_file(folder: &Path, left: u64) {
    fs::create_dir_all(folder).unwrap();
    let expiry = unix_now() + left;
    fs::write(folder.join("verteil_token.json"), old_file(expiry, expiry - 43_199)).unwrap();
}

pub(crate) fn old_file(token_expiry: u64, saved_at: u64) -> String {
    format!(
        r#"{{"access_token": "{OLD_TOKEN}", "token_data": {{"access_token": "{OLD_TOKEN}", "token_type": "Bearer", "expires_in": 43199}}, "token_expiry": {token_expiry}, "saved_at": {saved_at}}}"#
    )
}

pub(crate) fn unix_now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the old system wrote the present time into its files")]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) const OLD_TOKEN: &str = "token-of-the-old-system";
pub(crate) const PASSWORD: &str = "planted-password-88a0";
/// What the issuer says.
pub(crate) const LIFE: Duration = Duration::from_secs(43_199);

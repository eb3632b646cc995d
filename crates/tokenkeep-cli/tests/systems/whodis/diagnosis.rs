//! The diagnosis of a live system.

use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep_sandbox::Fault;

use super::{PLANTED, whodis};

/// W6: for each token its status, the end in each way that people get wrong, what `get` would answer and why, the clock of
/// the issuer; the exit code says that all is well. Nothing is asked for or changed.
#[tokio::test]
async fn the_doctor_of_a_live_system_tells_all_of_each_token_and_asks_for_none() {
    let mut example = whodis().await;
    example.set("TZ", "LOC-2");
    let server = example.serve().await;
    server.token("genesys").await;
    server.token("microsoft_graph").await;
    let before = (example.requests(), server.json("/tokens").await["tokens"].as_array().unwrap().len());
    let told = example.run(&["doctor", "--json"]).await;
    assert_eq!(
        (told.code, told.stdout.contains(PLANTED), told.stdout.contains("sbx_")),
        (Some(0), false, false),
        "{told:?}"
    );
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["well"], &told["local_offset"]), (&json!(true), &json!("+02:00")));
    let tokens = told["tokens"].as_array().unwrap();
    assert_eq!(tokens.iter().map(|token| &token["key"]).collect::<Vec<_>>(), ["genesys", "microsoft_graph"]);
    for (token, life) in tokens.iter().zip([86_400, 3600]) {
        assert_eq!((&token["life"], &token["expected_life"]), (&json!(life), &json!(life)), "{token}");
        assert_eq!((&token["state"], &token["get"]["answer"]), (&json!("fresh"), &json!("hand_out")), "{token}");
        assert!(token["get"]["why"].as_str().unwrap().starts_with("good for"), "{token}");
        let ways = token["ways"].as_object().unwrap();
        assert_eq!(ways.keys().collect::<Vec<_>>(), ["buffered", "naive_local", "raw"], "{token}");
        let left = |way: &str| ways[way]["seconds_left"].as_i64().unwrap();
        assert_eq!((left("raw") - left("buffered"), left("raw") - left("naive_local")), (30, 7200));
        // One machine, one clock.
        let (difference, uncertainty) = (&token["clock"]["difference"], &token["clock"]["uncertainty"]);
        assert!(difference.as_i64().unwrap().abs() <= uncertainty.as_i64().unwrap(), "{token}");
        assert_eq!(token["findings"], json!([]));
    }
    // For people the same.
    let told = example.run(&["doctor"]).await;
    assert!(told.code == Some(0) && told.stderr.contains("2 tokens: all is well"), "{told:?}");
    for word in
        ["genesys: fresh", "stored", "in UTC", "raw", "buffered", "naive_local", "its clock: as here", "hands it out"]
    {
        assert!(told.stdout.contains(word), "{word}: {}", told.stdout);
    }
    assert_eq!(before, (example.requests(), 2), "no token was asked for");
    server.stop().await;
}

/// W6: what is not well is said, with advice, and by the exit code.
#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_what_to_do_by_an_exit_code_too() {
    let example = whodis().await;
    // Over, and no server runs that would renew it; the other is refused by its issuer.
    example.sandbox.set_life("graph", Duration::from_secs(4));
    example.printed(&["get", "microsoft_graph"]).await;
    example.sandbox.set_fault_for("genesys", Fault::InvalidClient);
    assert_eq!(example.run(&["get", "genesys"]).await.code, Some(6));
    let requests = example.requests();
    let found = loop {
        let told = example.run(&["doctor", "--json"]).await;
        assert_eq!(told.code, Some(3), "{told:?}");
        let found: Value = serde_json::from_str(&told.stdout).unwrap();
        // Its seconds go by.
        if found["tokens"][1]["state"] == "expired" {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let (genesys, graph) = (&found["tokens"][0], &found["tokens"][1]);
    assert_eq!((&genesys["state"], &genesys["get"]["answer"]), (&json!("refused"), &json!("fail")), "{genesys}");
    assert_eq!(genesys["findings"][0]["code"], "refused");
    assert!(genesys["findings"][0]["next"].as_str().unwrap().contains("client_secret"), "{genesys}");
    assert_eq!(
        (&graph["get"]["answer"], &graph["findings"][0]["code"]),
        (&json!("obtain"), &json!("not_renewed")),
        "{graph}"
    );
    assert!(graph["findings"][0]["next"].as_str().unwrap().contains("tokenkeep serve"), "{graph}");
    assert_eq!(example.requests(), requests);
}

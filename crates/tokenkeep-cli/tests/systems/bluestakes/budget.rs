//! The logins that the vendor allows.

use std::time::Duration;

use serde_json::json;
use tokenkeep_sandbox::{Fault, RetryAfter, VENDOR};
use tokio::task::JoinSet;

use super::broker::{Broker, Client};
use super::vendor::Vendor;

/// B7: 10 logins per window, across all companies, instances and restarts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn ten_companies_of_twelve_log_in_within_a_minute_whichever_instance_is_asked() {
    let (vendor, _) = Vendor::with_postgres().await;
    let mut brokers = serve(&vendor, &[]).await;
    let companies: Vec<_> = (0..12).map(|company| company.to_string()).collect();
    for company in &companies {
        brokers[0].client.give_credentials(company).await;
    }
    let mut served = Vec::new();
    for (number, company) in companies.iter().enumerate() {
        if number == 5 {
            brokers.remove(2).server.kill().await;
            brokers.push(vendor.serve().await);
        }
        let (status, answer) = brokers[number % INSTANCES].client.get(&format!("/tokens/{company}")).await;
        if status == 200 {
            served.push(company);
        } else {
            assert_eq!((status, &answer["code"]), (503, &json!("unavailable")));
            assert!(answer["detail"].as_str().unwrap().contains("the budget of 10 requests in 60 s"), "{answer}");
            assert!((1..=61).contains(&answer["retry_after"].as_u64().unwrap()), "{answer}");
        }
    }
    assert_eq!((served.len(), vendor.logins()), (10, 10));
    // Whoever has a token notices nothing, wherever it was obtained.
    for broker in &brokers {
        for company in &served {
            assert_eq!(broker.client.token(company).await["warnings"], json!([]));
        }
    }
    assert_eq!(vendor.logins(), 10);
}

/// B7: no window has more, as the vendor counts them, though instances die and everybody asks all the time. The window is
/// a second in place of a minute.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn the_vendor_never_sees_an_eleventh_login_in_a_window() {
    let (vendor, _) = Vendor::with_postgres().await;
    let window = [("BLUESTAKES_LOGIN_BUDGET", "10/1s")];
    let mut brokers = serve(&vendor, &window).await;
    let mut wanting = JoinSet::new();
    for company in 0..60 {
        let company = company.to_string();
        brokers[0].client.give_credentials(&company).await;
    }
    for company in 0..60_usize {
        wanting.spawn(served(brokers[company % 2].client.clone(), company.to_string()));
    }
    // The third is asked by nobody, and takes part in the count with those that follow it.
    for company in 60..70 {
        brokers[0].client.give_credentials(&company.to_string()).await;
        brokers[2].client.get(&format!("/tokens/{company}")).await;
        if company % 5 == 0 {
            brokers.remove(2).server.kill().await;
            brokers.push(vendor.serve_with(&window).await);
        }
    }
    tokio::time::timeout(Duration::from_mins(2), wanting.join_all()).await.unwrap();
    let requests = vendor.example.sandbox.requests();
    assert!(requests.len() >= 60, "{}", requests.len());
    let shortest = requests.windows(11).map(|eleven| eleven[10].millis - eleven[0].millis).min().unwrap();
    assert!(shortest >= 1_000, "eleven logins within {shortest} ms");
}

/// B7: on a rate-limit answer it backs off as told, and callers with a valid token notice nothing.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgres: run ./test"]
async fn after_a_rate_limit_the_vendor_is_left_alone_as_long_as_it_says() {
    let (vendor, _) = Vendor::with_postgres().await;
    let mut brokers = serve(&vendor, &[]).await;
    for company in ["with", "without", "another"] {
        brokers[0].client.give_credentials(company).await;
    }
    brokers[0].client.token("with").await;
    vendor
        .example
        .sandbox
        .set_fault_for(VENDOR, Fault::TooManyRequests { retry_after: Some(RetryAfter::Seconds(120)) });
    let (status, told) = brokers[0].client.get("/tokens/without").await;
    assert_eq!((status, &told["code"]), (503, &json!("unavailable")));
    assert!((100..=120).contains(&told["retry_after"].as_u64().unwrap()), "{told}");
    vendor.example.sandbox.clear_faults();
    for company in ["without", "another"] {
        for _ in 0..3 {
            let (status, told) = brokers[0].client.get(&format!("/tokens/{company}")).await;
            assert_eq!(status, 503, "{told}");
            assert!(told["retry_after"].as_u64().unwrap() >= 90, "{told}");
        }
    }
    assert_eq!(vendor.logins(), 2, "one that went well, one that was limited, and no more");
    for broker in &brokers {
        let token = broker.client.token("with").await;
        assert_eq!((&token["generation"], &token["warnings"]), (&json!(1), &json!([])));
    }
    // Started again, it still knows.
    brokers.remove(0).server.kill().await;
    brokers.insert(0, vendor.serve().await);
    let (status, told) = brokers[0].client.get("/tokens/without").await;
    assert_eq!((status, vendor.logins()), (503, 2), "{told}");
}

/// Some instances that have started at once.
async fn serve(vendor: &Vendor, variables: &[(&str, &str)]) -> Vec<Broker> {
    let start = || vendor.serve_with(variables);
    let (one, two, three) = tokio::join!(start(), start(), start());
    vec![one, two, three]
}

/// Asks until there is a token, as long after each answer as it says.
async fn served(client: Client, company: String) {
    loop {
        let (status, answer) = client.get(&format!("/tokens/{company}")).await;
        if status == 200 {
            return;
        }
        assert_eq!(status, 503, "{answer}");
        tokio::time::sleep(Duration::from_secs(answer["retry_after"].as_u64().unwrap_or(1))).await;
    }
}

const INSTANCES: usize = 3;

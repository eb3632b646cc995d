//! How much the cache spares.

use reqwest::Method;

use super::vendor::{API_KEY, Vendor};

/// B8: the metrics show the hit rate, the times of answers, and the logins.
#[tokio::test]
async fn the_metrics_show_hits_times_and_logins() {
    let vendor = Vendor::with_a_file().await;
    let broker = vendor.serve().await;
    let client = &broker.client;
    for company in ["1", "2", "3"] {
        client.give_credentials(company).await;
        for _ in 0..100 {
            client.token(company).await;
        }
    }
    let (status, page) = client.send(Method::GET, "/metrics", None, Some(API_KEY)).await;
    assert_eq!(status, 200);
    let sum = |name: &str, label: &str| -> u64 {
        let samples = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let (all, hits) = (sum("tokenkeep_hand_outs_total{", ""), sum("tokenkeep_hand_outs_total{", "result=\"hit\""));
    assert_eq!((all, hits), (300, 297));
    assert!(hits * 100 > all * 95, "over 95 %");
    assert_eq!(sum("tokenkeep_hand_outs_total{", "key=\"bluestakes:1\",result=\"hit\""), 99);
    let logins = sum("tokenkeep_issuer_requests_total{", "result=\"token\"");
    assert_eq!((logins, vendor.logins()), (3, 3));
    assert!(logins * 10 < all, "over 90 % fewer logins than calls");
    let took = "tokenkeep_http_request_duration_seconds";
    assert_eq!(sum(&format!("{took}_count{{"), "route=\"/tokens/{key}\""), 300);
    // A limit of 10 ms can be read off.
    assert!(sum(&format!("{took}_bucket{{route=\"/tokens/{{key}}\",le=\"0.01\"}}"), "") > 0, "{page}");
    assert!(sum("tokenkeep_budget_left_requests{", "provider=\"bluestakes\"") <= 7);
}

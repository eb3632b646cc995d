//! The clean-up.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokenkeep::clock::SystemClock;
use tokenkeep::store::MemoryStore;
use tokenkeep::token::ForeignToken;
use tokenkeep::{CLEANUP_INTERVAL, Clock, Event, Moment, Secret, TokenManager};
use tokio::time::Instant;

use super::vendor::{Vendor, shipped};

/// B5: what expired more than 5 minutes ago is removed by hand, and the result is logged.
#[tokio::test]
async fn what_expired_more_than_five_minutes_ago_is_removed_by_hand() {
    let vendor = Vendor::with_a_file().await;
    vendor.keep("1", "long-over", -5 * 60 - 1).await;
    vendor.keep("2", "long-over-too", -86_400).await;
    vendor.keep("3", "just-over", -3 * 60).await;
    vendor.keep("4", "good", 30 * 60).await;
    let broker = vendor.serve().await;
    assert_eq!(broker.client.post("/tokens/cleanup", None).await, (200, json!({ "removed": 2 })));
    broker.server.says_all(&["INFO", "threw out tokens that are long over", "removed=2"]).await;
    let stats = json!({ "total_cached": 2, "valid_tokens": 1, "expired_tokens": 1, "expiring_soon": 0 });
    assert_eq!(broker.client.get("/tokens/stats").await, (200, stats));
    // There is nothing left to do for the command line.
    let printed = vendor.example.printed(&["cleanup", "--json"]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), json!({ "removed": 0 }));
}

/// B5: it runs every 30 minutes.
#[tokio::test(start_paused = true)]
async fn the_clean_up_runs_every_thirty_minutes() {
    let clock = Arc::new(Paused::new());
    let store = Arc::new(MemoryStore::new(Arc::<Paused>::clone(&clock)));
    let environment = |name: &str| match name {
        "BLUESTAKES_API_BASE" => Some("http://127.0.0.1:1".into()),
        "BLUESTAKES_API_KEY_SHA256" => Some("0".repeat(64)),
        _ => None,
    };
    // But for the store, which would go by another clock.
    let text = std::fs::read_to_string(shipped("tokenkeep.toml")).unwrap();
    let text = text.lines().filter(|line| !line.starts_with("store") && !line.starts_with("seal_keys"));
    let text = text.collect::<Vec<_>>().join("\n");
    let manager = TokenManager::builder().config_text(text).environment(environment).store(store);
    let manager = manager.clock(Arc::<Paused>::clone(&clock)).build().await.unwrap();
    let mut events = manager.events();
    manager.start();
    for (company, minutes) in [("1", 20), ("2", 27), ("3", 50)] {
        let end = clock.now().plus(Duration::from_mins(minutes)).to_system_time().unwrap();
        let token = ForeignToken::new(Secret::new(company), end);
        manager.import(&format!("bluestakes:{company}"), token).await.unwrap();
    }
    let begun = clock.now();
    let mut removed = Vec::new();
    while removed.len() < 3 {
        if let Event::CleanedUp { removed: number } = events.recv().await.unwrap() {
            removed.push((clock.now().since(begun).as_secs() / 60, number));
        }
    }
    assert_eq!(removed, [(30, 1), (60, 2), (90, 0)]);
    assert_eq!(CLEANUP_INTERVAL, Duration::from_mins(30));
    manager.stop().await.unwrap();
}

/// tokio's clock.
#[derive(Debug)]
struct Paused {
    begun: Instant,
    at_first: Moment,
}

impl Paused {
    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    fn new() -> Self {
        Self { begun: Instant::now(), at_first: SystemClock::new().now() }
    }
}

impl Clock for Paused {
    fn now(&self) -> Moment {
        self.at_first.plus(self.begun.elapsed())
    }

    fn boot_id(&self) -> &'static str {
        "paused"
    }
}

//! A good token costs no allocation, however it is asked for.
//!
//! A binary of its own, since the allocator counts for the whole process.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

use std::alloc::System;
use std::hint::black_box;

use cap::Cap;
use tokenkeep::TokenManager;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[tokio::test(flavor = "current_thread")]
async fn a_good_token_is_handed_out_without_an_allocation() {
    let provider = "[providers.billing]\ngrant = \"command\"\ncommand = [\"echo\", \"a-token\"]\nlifetime = \"1h\"\n";
    let manager = TokenManager::builder().config_text(provider).build().await.unwrap();
    let billing = manager.handle("billing").unwrap();
    // The first few make the header, and the copies of a token that is asked for often.
    for _ in 0..CALLS {
        ask(&manager, &billing).await;
    }
    let before = ALLOCATOR.total_allocated();
    for _ in 0..CALLS {
        ask(&manager, &billing).await;
    }
    assert!(before > 0, "nothing is counted");
    assert_eq!(ALLOCATOR.total_allocated() - before, 0, "bytes for {CALLS} calls of each kind");
}

async fn ask(manager: &TokenManager, billing: &tokenkeep::TokenHandle) {
    let token = billing.token().await.unwrap();
    black_box((token.authorization(), token.expose_secret(), token.expires_in(), token.generation()));
    black_box(manager.token("billing").await.unwrap());
    black_box(billing.current().unwrap());
}

const CALLS: usize = 10_000;

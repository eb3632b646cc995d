//! The promises of the engine, each as laws that a user would notice if they were broken.
//!
//! Time is tokio's paused clock behind a `Clock` whose wall can be set and whose boot can be suspended; the issuer is a
//! fake that is steered, not timed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::panic_in_result_fn,
    reason = "a test says what it expects by panicking"
)]

mod accounts;
mod background;
mod budgets;
mod claims;
mod cleanup;
mod clocks;
mod environments;
mod failures;
mod fallbacks;
mod flights;
mod handing_out;
mod imports;
mod measurements;
mod processes;
mod reloads;
mod renewal;
mod sealing;
mod secrets;
mod simulation;
mod stores_in_trouble;
mod stores_not_there;
mod subscribers;
mod support;
mod token_files;

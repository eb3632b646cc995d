//! What the middleware and the layer do to requests, over real HTTP.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod api;
mod examples;
mod places;
mod readiness;
mod redirects;
mod refusals;
mod secrets;
mod tokens;
mod world;

//! The typed client against a running server, and against brokers that behave as the test says.

mod calls;
mod encrypted;
mod refusals;
mod scripted;
mod subscriptions;

use tokenkeep_api::client::{ApiKey, Client};

use crate::secrets::API_KEY;
use crate::world::World;

/// A client of the server with the key that may everything.
fn client(world: &World) -> Client {
    Client::builder(&world.url("")).api_key(ApiKey::new(API_KEY)).build().unwrap()
}

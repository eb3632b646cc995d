//! What the stores cost: a renewal through each of them, by one instance and by several side by side, and the claiming of
//! due keys among a million.
//!
//! ```text
//! cargo run --release --locked --manifest-path benches/stores/Cargo.toml -- renewals [ROUNDS]
//! cargo run --release --locked --manifest-path benches/stores/Cargo.toml -- claims [KEYS]
//! ```
//!
//! Servers are started from the system's packages on throwaway folders; `benches/stores.sh` brings what is missing, and
//! takes the same arguments. Prints Markdown.

mod claims;
mod fleet;
mod issuer;
mod one;
mod place;
mod times;

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::runtime::Builder;

use crate::issuer::Issuer;
use crate::place::{LaterClock, Places};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (command, number) = (arguments.next(), arguments.next());
    let number = number.map(|number| number.parse().with_context(|| format!("{number} is no number"))).transpose()?;
    match command.as_deref() {
        Some("renewals") => renewals(number.unwrap_or(ROUNDS)),
        Some("claims") => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(claims::run(number.unwrap_or(claims::MILLION)))
        }
        _ => bail!("say `renewals [ROUNDS]` or `claims [KEYS]`"),
    }
}

fn renewals(rounds: usize) -> Result<()> {
    let (issuer, clock) = (Issuer::start()?, Arc::new(LaterClock::default()));
    let places = Places::start(&clock)?;
    // On a worker, as a program's callers are: a flight is not woken on another thread than they.
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        tokio::spawn(async move {
            one::run(&issuer, &places, &clock, rounds).await?;
            fleet::run(&issuer, &places, &clock, rounds).await
        })
        .await?
    })
}

const ROUNDS: usize = 5;

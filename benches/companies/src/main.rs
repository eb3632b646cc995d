//! Two hours of 500 companies at a vendor that allows ten logins a minute: how many calls find a token, how many logins
//! that takes, and how long callers wait.
//!
//! ```text
//! cargo run --release --locked --manifest-path benches/companies/Cargo.toml [SVG]
//! ```
//!
//! The engine is the library's own: its scheduler, budget, back-off and renewal, with what
//! `examples/bluestakes/tokenkeep.toml` says. Time is tokio's, paused, and the engine's clock goes by it: when nothing is to be
//! done it jumps to the next moment at which something is, so all lives, windows and pauses are those of the real thing, and
//! two hours take seconds. The vendor is in memory, as sockets would not wait for such a clock. How long a call took is
//! its wait on that clock, and for one that did not wait what a real clock says.

mod company;
mod picture;
mod report;
mod tally;
mod time;
mod vendor;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use tokenkeep::budget::Budget;
use tokenkeep::expiry::Policy;
use tokenkeep::source::TokenSource;
use tokenkeep::store::MemoryStore;
use tokenkeep::{Accounts, Clock, SourceSettings, TokenManager};
use tokio::task::JoinSet;

use self::company::Company;
use self::tally::Tally;
use self::time::PausedClock;
use self::vendor::Vendor;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<()> {
    fastrand::seed(SEED);
    let begun = std::time::Instant::now();
    let clock = Arc::new(PausedClock::new());
    let vendor = Arc::new(Vendor::new());
    let tally = Arc::new(Tally::new());
    let manager = manager(&clock, &vendor).await?;
    manager.start();

    let mut companies = JoinSet::new();
    for company in Company::all() {
        let handle = manager.handle(&format!("{PROVIDER}:{}", company.number))?;
        companies.spawn(company.call_until(LENGTH, handle, Arc::clone(&vendor), Arc::clone(&tally)));
    }
    companies.spawn(vendor::refuse_now_and_then(Arc::clone(&vendor), LENGTH));
    companies.join_all().await;
    manager.stop().await?;

    println!("{}", report::table(&tally, &vendor));
    println!("{:.1} s for two hours", begun.elapsed().as_secs_f64());
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, picture::svg(&tally, &vendor)).with_context(|| path)?;
    }
    Ok(())
}

/// With what is shipped for such a vendor, but for the store and the login itself.
async fn manager(clock: &Arc<PausedClock>, vendor: &Arc<Vendor>) -> Result<TokenManager> {
    let policy = Policy {
        lifetime: duration(shipped("lifetime")?)?,
        expiry_buffer: Some(duration(shipped("expiry_buffer")?)?),
        refresh_before: Some(duration(shipped("refresh_before")?)?),
        ..Policy::default()
    };
    let budget = Budget::parse(shipped("budget")?).map_err(|error| anyhow!("{error}"))?;
    let settings = SourceSettings::default().with_policy(policy).with_budget(budget).with_accounts(Accounts::Any);
    let source: Arc<dyn TokenSource> = Arc::<Vendor>::clone(vendor);
    let clock: Arc<dyn Clock> = Arc::<PausedClock>::clone(clock);
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    Ok(TokenManager::builder().source(PROVIDER, source, settings).clock(clock).store(store).build().await?)
}

/// What the example says of an option, or what it has as the default of a variable. A whole reader of configurations would
/// take longer to build than all the rest.
fn shipped(option: &str) -> Result<&'static str> {
    let mut lines = include_str!("../../../examples/bluestakes/tokenkeep.toml").lines();
    let value = lines.find_map(|line| line.strip_prefix(option)?.strip_prefix(" = \"")?.split('"').next());
    let value = value.with_context(|| format!("the example does not say {option}"))?;
    Ok(value.strip_suffix('}').and_then(|variable| variable.split(":-").nth(1)).unwrap_or(value))
}

fn duration(text: &str) -> Result<Duration> {
    let (number, unit) = text.split_at(text.len() - 1);
    match (number.parse()?, unit) {
        (hours, "h") => Ok(Duration::from_hours(hours)),
        (minutes, "m") => Ok(Duration::from_mins(minutes)),
        _ => bail!("{text} is neither hours nor minutes"),
    }
}

const PROVIDER: &str = "bluestakes";
const LENGTH: Duration = Duration::from_hours(2);
/// Of arrivals, of the vendor's times and refusals.
const SEED: u64 = 500;

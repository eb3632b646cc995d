//! The live account: what happens, in plain words, one line each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokenkeep::clock::SystemClock;
use tokenkeep::{Clock as _, Event, Key, Moment};
use tokenkeep_sandbox::Sandbox;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::oneshot;
use tokio::time::interval;

use super::traffic::Tally;
use super::world::{Origin, SYSTEMS};
use crate::exit::Failure;
use crate::output::{self, counted};

/// Keeps the account and prints it.
pub(super) struct Account {
    clock: SystemClock,
    start: Moment,
    sandbox: Arc<Sandbox>,
    tallies: Arc<[Tally]>,
    keys: [KeyAccount; SYSTEMS.len()],
}

/// What is known of a key.
#[derive(Debug, Default, Clone, Copy)]
struct KeyAccount {
    /// Until when its token lives; `None` if there is none to hand out.
    lives_until: Option<Moment>,
    /// Of the newest token; 0 if there was none.
    generation: u64,
    /// Calls served and requests made when that one came.
    at_newest: Counts,
    /// Calls that were turned away when it was last looked.
    turned_away: u64,
}

/// Calls that were served, and requests to the issuer that it took.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    served: u64,
    requests: u64,
}

impl Account {
    pub(super) fn new(sandbox: Arc<Sandbox>, tallies: Arc<[Tally]>) -> Self {
        let clock = SystemClock::new();
        Self { start: clock.now(), clock, sandbox, tallies, keys: [KeyAccount::default(); SYSTEMS.len()] }
    }

    /// Prints a line for each event, and the sums every now and then, until told to end; the sums once more then.
    pub(super) async fn keep(
        mut self,
        mut events: broadcast::Receiver<Event>,
        mut end: oneshot::Receiver<()>,
    ) -> Result<(), Failure> {
        let mut summaries = interval(SUMMARY_EVERY);
        summaries.tick().await;
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.note(&event)?,
                    Err(RecvError::Lagged(missed)) => self.print("", &format!("{missed} lines left out"))?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = looks.tick() => self.look()?,
                _ = summaries.tick() => self.print("(all)", &self.sums())?,
                _ = &mut end => return output::data(&format!("\nended after {}: {}", self.elapsed(), self.sums())),
            }
        }
    }

    /// Notes what is no event: that a token ends while the issuer is left alone.
    fn look(&mut self) -> Result<(), Failure> {
        for (at, system) in SYSTEMS.iter().enumerate() {
            let turned_away = self.tallies[at].turned_away.load(Ordering::Relaxed);
            let before = std::mem::replace(&mut self.keys[at].turned_away, turned_away);
            if turned_away > before && self.keys[at].lives_until.take().is_some() {
                let generation = self.keys[at].generation;
                let what = format!("generation {generation} is over, and callers are turned away until the next try");
                self.print(system.key, &what)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Obtained { key, generation, expires_in, .. } => {
                let what = self.obtained(key, *generation, *expires_in);
                self.print(key.as_str(), &what)
            }
            Event::Loaded { key, generation, expires_in } => {
                let life = self.renew(key, *generation, *expires_in);
                self.print(key.as_str(), &format!("taken from the store, where another process left it ({life})"))
            }
            // Said once, though each attempt to get another begins with it.
            Event::Expired { key, .. } if !self.is_alive(key) => Ok(()),
            Event::Expired { key, generation } => {
                self.lose(key);
                self.print(key.as_str(), &format!("generation {generation} is over, and callers wait for a new one"))
            }
            Event::Failed { key, what, retry_in, .. } => {
                let next = retry_in.map_or_else(
                    || "not tried again by itself".to_owned(),
                    |wait| format!("next try in {}", rounded(wait)),
                );
                let callers = if self.is_alive(key) { "callers are still served" } else { "callers are turned away" };
                let host = self.sandbox.address().to_string();
                self.print(key.as_str(), &format!("{}, {next}; {callers}", what.replace(&host, "the issuer")))
            }
            Event::Rejected { key, generation } => {
                self.lose(key);
                let what = format!("the API refused generation {generation}; one request for all callers follows");
                self.print(key.as_str(), &what)
            }
            Event::Cleared { key } => {
                self.lose(key);
                self.print(key.as_str(), "cleared; the next caller has a new one obtained")
            }
            Event::Unsaved { key, what } => {
                self.print(key.as_str(), &format!("cannot be saved ({what}); callers have it, and it is saved later"))
            }
            Event::Saved { key } => self.print(key.as_str(), "saved now"),
            Event::StoreFailed { what } => self.print("(store)", &format!("{what}; tokens go on from memory")),
            Event::StoreRecovered => self.print("(store)", "works again"),
            // A kind of event that came later than this account.
            _ => Ok(()),
        }
    }

    fn obtained(&mut self, key: &Key, generation: u64, expires_in: Option<Duration>) -> String {
        let before = of(key).map(|at| self.keys[at]).unwrap_or_default();
        let how = match (before.generation, self.is_alive(key)) {
            (0, _) => "obtained",
            (_, true) => "renewed ahead of time",
            (_, false) => "obtained anew",
        };
        let life = self.renew(key, generation, expires_in);
        let now = of(key).map(|at| self.keys[at]).unwrap_or_default();
        let requests = now.at_newest.requests - before.at_newest.requests;
        let served = now.at_newest.served - before.at_newest.served;
        let cost = of(key).map(|at| SYSTEMS[at].origin.cost(requests)).unwrap_or_default();
        match before.generation {
            0 => format!("{how} ({life})"),
            _ => format!("{how} ({life}); {cost} for {} served", counted(served, "call")),
        }
    }

    /// Notes a new token, and says what it is like.
    fn renew(&mut self, key: &Key, generation: u64, expires_in: Option<Duration>) -> String {
        let lives_until = expires_in.map_or(Moment::NEVER, |left| self.clock.now().plus(left));
        if let Some(at) = of(key) {
            let counts = self.counts(at);
            let turned_away = self.tallies[at].turned_away.load(Ordering::Relaxed);
            self.keys[at] = KeyAccount { lives_until: Some(lives_until), generation, at_newest: counts, turned_away };
        }
        match expires_in {
            Some(left) => format!("generation {generation}, good for {}", rounded(left)),
            None => format!("generation {generation}, does not end"),
        }
    }

    fn lose(&mut self, key: &Key) {
        if let Some(at) = of(key) {
            self.keys[at].lives_until = None;
        }
    }

    fn is_alive(&self, key: &Key) -> bool {
        let lives_until = of(key).and_then(|at| self.keys[at].lives_until);
        lives_until.is_some_and(|end| !end.is_reached(self.clock.now()))
    }

    fn counts(&self, at: usize) -> Counts {
        let requests = match SYSTEMS[at].origin {
            Origin::Issuer(_) => self.sandbox.counters_of(SYSTEMS[at].provider()).token_requests,
            Origin::Program | Origin::File => 0,
        };
        Counts { served: self.tallies[at].served.load(Ordering::Relaxed), requests }
    }

    /// All keys in one line.
    fn sums(&self) -> String {
        let sum = |count: fn(&Tally) -> u64| self.tallies.iter().map(count).sum::<u64>();
        let served = sum(|tally| tally.served.load(Ordering::Relaxed));
        let turned_away = sum(|tally| tally.turned_away.load(Ordering::Relaxed));
        let refused = sum(|tally| tally.refused.load(Ordering::Relaxed));
        let requests = self.sandbox.counters().total.token_requests;
        let turned_away = if turned_away == 0 { String::new() } else { format!(", {turned_away} turned away") };
        format!(
            "{} keys, {served} calls served{turned_away}, {requests} requests to the issuer, {} of calls without one, \
             {refused} refused at the API",
            SYSTEMS.len(),
            share_without(requests, served),
        )
    }

    fn print(&self, who: &str, what: &str) -> Result<(), Failure> {
        output::data(&format!("{}  {who:<8}  {what}", self.elapsed()))
    }

    /// Minutes and seconds since the start.
    fn elapsed(&self) -> String {
        let seconds = self.clock.now().since(self.start).as_secs();
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }
}

fn of(key: &Key) -> Option<usize> {
    SYSTEMS.iter().position(|system| system.key == key.as_str())
}

fn rounded(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f32())
}

/// Which part of the calls needed no request, in whole tenths of a per cent, never rounded up to all of them.
fn share_without(requests: u64, calls: u64) -> String {
    let permille = calls.saturating_sub(requests).saturating_mul(1000).checked_div(calls).unwrap_or(0);
    format!("{}.{} %", permille / 10, permille % 10)
}

const LOOK_EVERY: Duration = Duration::from_millis(500);
const SUMMARY_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up() {
        for (requests, calls, share) in [(0, 0, "0.0 %"), (1, 3000, "99.9 %"), (9, 597, "98.4 %"), (5, 1, "0.0 %")] {
            assert_eq!(share_without(requests, calls), share);
        }
    }
}

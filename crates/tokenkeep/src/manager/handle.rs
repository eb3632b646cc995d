//! What a caller does with the token of one key: get it, refuse it, have it renewed, forget it, watch it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use tokio::sync::watch;

use super::demand::{Answer, Demand};
use super::flight::{Start, Trigger};
use super::slot::{FlightReceiver, Slot, State};
use super::sync::{can_spawn, time};
use super::ways::Choice;
use super::{Shared, declined, lost_flight};
use crate::clock::Moment;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::expiry::{Decision, Phase, classify, decide};
use crate::key::Key;
#[cfg(feature = "url")]
use crate::provider::ApiBase;
use crate::provider::{ApiSettings, TokenHeader};
use crate::source::Keep;
use crate::status::{Status, token_warnings};
use crate::subscriber::Subscriber;
use crate::token::{IssuedToken, Token};

/// The token of one key. Cheap to clone, and the fastest way to ask often.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sandbox, manager) = example().await?;
/// # let client = reqwest::Client::builder().build()?;
/// # let users = format!("{}/users", sandbox.api_url());
/// let graph = manager.handle("graph")?; // keep it: it is as good as the manager
/// let token = graph.token().await?;
/// let answer = client.get(users).header("authorization", token.authorization()).send().await?;
/// if answer.status() == 401 {
///     graph.reject(&token); // the next call of `token` brings another one
/// }
/// assert_eq!(answer.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenHandle {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl TokenHandle {
    pub(super) fn new(shared: Arc<Shared>, slot: Arc<Slot>) -> Self {
        Self { shared, slot }
    }

    /// The header that an API takes a token of this key in: `Authorization`, or what the provider's configuration says.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::TokenManager;
    /// # let toml = "[providers.vendor]\ngrant = \"static\"\ntoken = \"an-api-key\"\n\
    /// # header = { name = \"X-Auth-Token\" }";
    /// # let manager = TokenManager::builder().config_text(toml).build().await?;
    /// let vendor = manager.handle("vendor")?; // configured with header = { name = "X-Auth-Token" }
    /// let (name, value) = vendor.header(&vendor.token().await?);
    /// assert_eq!((name.as_str(), value.to_str()?), ("x-auth-token", "an-api-key"));
    /// assert!(value.is_sensitive()); // so that its Debug shows nothing
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(&self, token: &Token) -> (HeaderName, HeaderValue) {
        match &self.slot.provider().settings.api.header {
            TokenHeader::Authorization => (AUTHORIZATION, token.authorization()),
            TokenHeader::Own(header) => (header.name().clone(), header.value(token.expose_secret())),
        }
    }

    /// The key.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// assert_eq!(manager.handle("bluestakes:123")?.key().account(), "123");
    /// # Ok(())
    /// # }
    /// ```
    pub fn key(&self) -> &Key {
        self.slot.key()
    }

    /// The API that its tokens are for.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let api = manager.handle("graph")?.api();
    /// let users = api.base.as_ref().ok_or("no api_base")?.join("/users?top=10")?;
    /// assert!(users.as_str().ends_with("/api/users?top=10"));
    /// assert_eq!(api.reject_on, [401]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn api(&self) -> Arc<ApiSettings> {
        Arc::clone(&self.slot.provider().settings.api)
    }

    /// Where the API is that its tokens are for; an error with advice if configuration does not say.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let users = manager.handle("graph")?.api_base()?.join("/users?top=10")?;
    /// assert!(users.as_str().ends_with("/api/users?top=10"));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "url")]
    pub fn api_base(&self) -> Result<ApiBase, Error> {
        self.api().base.clone().ok_or_else(|| {
            let next = format!("write api_base = \"https://…\" in [providers.{}]", self.key().provider());
            let error = Error::new(Code::InvalidRequest, "it is not configured where its API is");
            error.with_key(self.key()).with_next(next)
        })
    }

    /// A token that can be used now; obtains one if there is none.
    ///
    /// A good token costs neither a lock nor an allocation. Otherwise the call waits, with all others, for the one
    /// flight of this key, as long as [`Demand::default`] allows. Cancel safe: dropping the future stops nothing.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// let first = graph.token().await?; // asks the issuer
    /// let again = graph.token().await?; // asks nobody
    /// assert_eq!(first.generation(), again.generation());
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub async fn token(&self) -> Result<Token, Error> {
        let now = self.shared.clock.now();
        if let Some(token) = self.slot.fresh(now) {
            return Ok(token);
        }
        match self.unrenewed(now) {
            Some(token) => Ok(token),
            None => Box::pin(self.obtain(Demand::default())).await.map(|answer| answer.token),
        }
    }

    /// The present token, if it is good. Never waits, asks nobody, and works outside of a runtime.
    ///
    /// In a manager that was started, whoever asks keeps the key in use, and its token is renewed in the background.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// assert!(graph.current().is_none()); // not even the store was asked
    /// graph.token().await?;
    /// assert!(graph.current().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn current(&self) -> Option<Token> {
        let now = self.shared.clock.now();
        if let Some(token) = self.slot.fresh(now) {
            return Some(token);
        }
        self.due(now)
    }

    /// The present token, if it is good though it is to be renewed; sees to that once a second.
    /// The greatest generation that this process knows to have been asked for: that of its newest token, or of the one
    /// that is being asked for now. A token of a greater one was asked for later than this call.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// let token = graph.token().await?; // and an API refuses it
    /// let known = graph.newest_generation();
    /// graph.reject(&token);
    /// assert!(graph.token().await?.generation() > known); // whatever withdrew the other one came before it
    /// # Ok(())
    /// # }
    /// ```
    pub fn newest_generation(&self) -> u64 {
        let state = self.slot.lock();
        let known = self.slot.live().map_or(0, |live| live.generation()).max(state.obsolete());
        known.saturating_add(state.flight().is_some().into())
    }

    #[cold]
    fn due(&self, now: Moment) -> Option<Token> {
        let live = self.slot.live().filter(|live| live.serves(now))?;
        if self.slot.touch(now) {
            self.shared.wake_soon(&self.slot, &mut self.slot.lock());
        }
        Some(Token::new(live, now))
    }

    /// The present token, if it is good and due where nobody renews ahead: there is nothing to be done for it.
    #[cold]
    fn unrenewed(&self, now: Moment) -> Option<Token> {
        if self.shared.scheduler.is_running() { None } else { self.due(now) }
    }

    /// A token that meets a demand, with warnings. Cancel safe.
    ///
    /// `invalid_request` if the issuer's tokens do not live as long as `min_valid`; nothing is requested then.
    /// `unavailable` if there is none within `max_wait`: it goes on being obtained all the same.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use std::time::Duration;
    /// use tokenkeep::{Code, Demand};
    ///
    /// let demand = Demand::default().with_min_valid(Duration::from_hours(2));
    /// let error = manager.handle("graph")?.get(demand).await.unwrap_err();
    /// assert_eq!(error.code(), Code::InvalidRequest); // its tokens live one hour
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, demand: Demand) -> Result<Answer, Error> {
        Box::pin(self.obtain(demand)).await
    }

    /// Obtains a new token now, whatever the present one is like, and passes over a back-off or a refusal. If it
    /// fails, the present token stays. Cancel safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// let before = graph.token().await?;
    /// let after = graph.refresh().await?; // a second after the last request at the soonest
    /// assert!(after.generation() > before.generation());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn refresh(&self) -> Result<Token, Error> {
        self.refresh_by(Choice::AsConfigured).await
    }

    /// As [`TokenHandle::refresh`], but by the fallbacks only, whether the first way works or not.
    ///
    /// `invalid_request` if none is configured.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let token = manager.handle("cloud")?.refresh_by_fallback().await?;
    /// assert_eq!(token.expose_secret(), "an-emergency-token");
    /// assert!(manager.handle("graph")?.refresh_by_fallback().await.is_err()); // it has none
    /// # Ok(())
    /// # }
    /// ```
    pub async fn refresh_by_fallback(&self) -> Result<Token, Error> {
        if !self.slot.provider().ways.has_fallback() {
            return Err(Error::new(Code::InvalidRequest, "this provider has no fallback")
                .with_key(self.key())
                .with_next(format!("configure [[providers.{}.fallback]]", self.key().provider())));
        }
        self.refresh_by(Choice::FallbackOnly).await
    }

    async fn refresh_by(&self, choice: Choice) -> Result<Token, Error> {
        if self.slot.provider().is_removed {
            return Err(self.shared.unknown_provider(self.key()));
        }
        let above = {
            let state = self.slot.lock();
            self.slot.live().map_or(0, |live| live.generation()).max(state.obsolete())
        };
        let under_way = self.slot.lock().flight().cloned();
        if let Some(flight) = under_way {
            // It may have been for less, e.g. to read the store, or turned away by what this call passes over.
            match self.landed(flight).await {
                Ok(issued) if issued.generation() > above && choice == Choice::AsConfigured => {
                    return Ok(Token::new(issued, self.shared.clock.now()));
                }
                Ok(_) | Err(_) => {}
            }
        }
        let flight = {
            let mut state = self.slot.lock();
            let start = Start { above, trigger: Trigger::ByHand, choice };
            state.flight().cloned().unwrap_or_else(|| self.shared.launch(&self.slot, &mut state, start, None))
        };
        self.landed(flight).await.map(|issued| Token::new(issued, self.shared.clock.now()))
    }

    /// Says that a resource server refused this token. If it is still the present one it is never handed out again
    /// and a new one is obtained; else nothing happens, so a thousand callers with the same 401 cause one refresh.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// let token = graph.token().await?;
    /// graph.reject(&token);
    /// graph.reject(&token); // comes too late, so nothing happens
    /// assert!(graph.current().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reject(&self, token: &Token) {
        self.reject_generation(token.generation());
    }

    /// As [`TokenHandle::reject`], for a caller that has only the generation. Whether it was the present one, as far as
    /// is known here.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// # let graph = manager.handle("graph")?;
    /// let generation = graph.token().await?.generation(); // all that another process was told, say
    /// assert!(graph.reject_generation(generation));
    /// assert!(!graph.reject_generation(generation)); // it is no longer the present one
    /// assert!(graph.current().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reject_generation(&self, generation: u64) -> bool {
        let mut state = self.slot.lock();
        let current = match self.slot.live() {
            Some(live) => live.generation() == generation,
            // What the store has is not known here; if it is this one, it will not count.
            None => generation > state.obsolete() && generation <= GREATEST_UNSEEN,
        };
        if current {
            self.slot.withdraw(&mut state);
            let busy = state.busy();
            busy.obsolete = busy.obsolete.max(generation);
            busy.rejected = true;
            self.shared.wake_soon(&self.slot, &mut state);
            // Others hand it out until the store says so, and the next token may take its time. Without a runtime the
            // background work sees to it.
            if can_spawn() {
                self.shared.see_to_rejected(&self.slot, &state);
            }
            drop(state);
            self.shared.emit(Event::Rejected { key: self.key().clone(), generation });
        }
        current
    }

    /// Forgets the token and the failure in force, here and in the store; the next who asks has a new token obtained.
    /// The refresh token stays: it is the login. The generations go on counting.
    ///
    /// `unavailable` if the store does not work: the token is forgotten here then, but not there. Cancel safe.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// graph.token().await?;
    /// graph.clear().await?; // e.g. after its rights were changed at the issuer
    /// assert!(graph.current().is_none());
    /// assert_eq!(graph.token().await?.generation(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn clear(&self) -> Result<(), Error> {
        self.shared.clear(&self.slot).await
    }

    /// The state of this key. A key that is not in memory is looked up in the store; if its tokens are kept in memory
    /// only, it is obtained.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// use tokenkeep::KeyState;
    ///
    /// let graph = manager.handle("graph")?;
    /// assert_eq!(graph.status().await.state, KeyState::Absent);
    /// graph.token().await?;
    /// assert_eq!(graph.status().await.state, KeyState::Fresh);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn status(&self) -> Status {
        if self.slot.provider().source().keep() == Keep::InMemory {
            self.have_for_nothing().await;
        }
        self.shared.status(&self.slot).await
    }

    /// Has a token obtained that costs nothing, so that a status knows it, or why there is none. No caller is turned away
    /// by that.
    pub(super) async fn have_for_nothing(&self) {
        time::timeout(Demand::default().max_wait, self.wait_for(Duration::ZERO)).await.ok();
    }

    /// The present token at once, if there is one, and each new one. While its provider is not configured there is none.
    ///
    /// While somebody subscribes, the key counts as in use: in a manager that was started its token is obtained if there is
    /// none, once for however many subscribe, and renewed. In one that was not, a subscriber waits for what others cause.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/example.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (_sandbox, manager) = example().await?;
    /// let graph = manager.handle("graph")?;
    /// graph.token().await?;
    /// let mut tokens = graph.subscribe();
    /// let token = tokens.next().await.ok_or("the manager is gone")?;
    /// assert_eq!(token.generation(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self) -> Subscriber {
        let now = self.shared.clock.now();
        let mut state = self.slot.lock();
        let present = self.slot.live().map(|live| Token::new(live, now));
        let subscribers = state.busy().subscribers.get_or_insert_with(|| watch::channel(present).0);
        let tokens = subscribers.subscribe();
        self.shared.wake_soon(&self.slot, &mut state);
        Subscriber::new(tokens, Arc::clone(&self.shared.clock))
    }

    async fn obtain(&self, demand: Demand) -> Result<Answer, Error> {
        let waiting = self.wait_for(demand.min_valid);
        let answer = time::timeout(demand.max_wait, waiting).await.unwrap_or_else(|_| {
            Err(Error::new(Code::Unavailable, format!("no token within {} s", demand.max_wait.as_secs_f32()))
                .with_key(self.key())
                .with_next("it goes on being obtained; try again, or allow a longer max_wait")
                .with_retry_after(Duration::from_secs(1)))
        });
        if let Err(error) = &answer {
            self.note_turned_away(error);
        }
        answer
    }

    /// Notes that a caller goes away without a token, unless it was wrong to ask.
    fn note_turned_away(&self, error: &Error) {
        if matches!(error.code(), Code::Unavailable | Code::Refused | Code::LoginRequired | Code::Internal) {
            let now = self.shared.clock.now();
            let said = self.slot.lock().lately_mut().note_turned_away(now);
            if let Some(count) = said {
                self.shared.emit(Event::NoTokenForCallers { key: self.key().clone(), count });
            }
        }
    }

    async fn wait_for(&self, min_valid: Duration) -> Result<Answer, Error> {
        // Once for what the store has, once for what the issuer gives, once for a token that was rejected meanwhile.
        for _ in 0..MAX_FLIGHTS_OF_A_CALL {
            match self.step(min_valid)? {
                Step::HandOut(answer) => return Ok(answer),
                Step::Wait(flight) => {
                    let issued = self.landed(flight).await?;
                    self.check_life(&issued, min_valid)?;
                }
            }
        }
        match self.step(min_valid)? {
            Step::HandOut(answer) => Ok(answer),
            Step::Wait(_) if min_valid.is_zero() => {
                Err(Error::new(Code::Unavailable, "tokens are obtained, but are refused or over at once")
                    .with_key(self.key())
                    .with_next("look whether the API accepts them, and at the life that the issuer gives")
                    .with_retry_after(Duration::from_secs(1)))
            }
            Step::Wait(_) => Err(Error::new(
                Code::InvalidRequest,
                format!("min_valid is {} s, and new tokens come with less", min_valid.as_secs_f32()),
            )
            .with_key(self.key())
            .with_next("ask for less")),
        }
    }

    /// Waits for a flight to end.
    async fn landed(&self, mut flight: FlightReceiver) -> Result<Arc<IssuedToken>, Error> {
        let _waiter = self.slot.provider().meters.waiters.enter();
        match flight.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or_else(|| Err(lost_flight())),
            Err(_) => Err(lost_flight()),
        }
    }

    /// Decides what this caller gets now, and starts a flight if one is needed.
    fn step(&self, min_valid: Duration) -> Result<Step, Error> {
        let now = self.shared.clock.now();
        self.slot.touch(now);
        let mut state = self.slot.lock();
        if self.slot.provider().is_removed {
            return Err(self.shared.unknown_provider(self.key()));
        }
        let live = self.slot.live();
        let phase = classify(live.as_deref(), now, min_valid);
        let provider = self.slot.provider();
        let decision = decide(phase, state.gate(&provider, now));
        if let (Decision::HandOut | Decision::HandOutAndRefresh, Some(live)) = (decision, &live) {
            if decision == Decision::HandOutAndRefresh && self.shared.scheduler.is_running() {
                self.shared.launch_ahead(&self.slot, &mut state);
            }
            return Ok(Step::HandOut(self.shared.answer(&self.slot, &state, live, now)));
        }
        if let Some(live) = &live {
            self.check_life(live, min_valid)?;
        }
        // Whoever asks while a flight is under way shares its answer, also a probe's after a refusal.
        if let Some(flight) = state.flight() {
            return Ok(Step::Wait(flight.clone()));
        }
        let above = live.as_ref().map_or(0, |live| live.generation());
        if decision == Decision::Decline
            && let Some(failure) = state.obstacle(&provider, now)
        {
            if !self.shared.may_look(&mut state, now) {
                return Err(declined(self.key(), &failure, now));
            }
            let start = Start::new(above, Trigger::Look);
            return Ok(Step::Wait(self.shared.launch(&self.slot, &mut state, start, None)));
        }
        if let (Phase::MustWait | Phase::Expired, Some(live)) = (phase, &live) {
            self.shared.emit(Event::Expired { key: self.key().clone(), generation: live.generation() });
        }
        Ok(Step::Wait(self.shared.launch(&self.slot, &mut state, Start::new(above, Trigger::Caller), None)))
    }

    /// No request helps a caller who needs more life than the issuer ever gives.
    fn check_life(&self, issued: &IssuedToken, min_valid: Duration) -> Result<(), Error> {
        match issued.life() {
            Some(life) if min_valid > Duration::ZERO && life <= min_valid => Err(Error::new(
                Code::InvalidRequest,
                format!("min_valid is {} s, but the issuer's tokens live {} s", min_valid.as_secs(), life.as_secs()),
            )
            .with_key(self.key())
            .with_next("ask for less")),
            _ => Ok(()),
        }
    }
}

/// What a caller gets now.
enum Step {
    HandOut(Answer),
    Wait(FlightReceiver),
}

impl Shared {
    /// Whether a caller who is turned away may have the store looked at first: a manager that was not started does not
    /// notice by itself that another process has overcome the failure, and one that was knows nothing of what was stored
    /// before anybody asked it for this key.
    fn may_look(&self, state: &mut State, now: Moment) -> bool {
        let is_unseen = state.version == 0 && state.failure().is_none();
        let notices = self.scheduler.is_running();
        let busy = state.busy();
        let may = match busy.looked_at {
            None => is_unseen || !notices,
            Some(looked) => !notices && now.since(looked) >= LOOK_INTERVAL,
        };
        if may {
            busy.looked_at = Some(now);
        }
        may
    }

    fn answer(&self, slot: &Slot, state: &State, live: &Arc<IssuedToken>, now: Moment) -> Answer {
        let provider = slot.provider();
        let mut warnings = self.warnings(slot.key(), &provider, Some(state), now);
        warnings.extend(token_warnings(Some(live), state.failure(), provider.policy(), now));
        Answer { token: Token::new(Arc::clone(live), now), warnings }
    }
}

impl fmt::Debug for TokenHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHandle({})", self.key())
    }
}

/// Nobody has had so many tokens: a greater generation that this process did not see is a mistake of whoever names it, and
/// must not become the one that the next are counted from.
const GREATEST_UNSEEN: u64 = 1 << 48;
/// How many flights a call may wait for.
const MAX_FLIGHTS_OF_A_CALL: u32 = 3;
/// How often the store is looked at for callers who are turned away.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

//! What the handlers share, and the one way from a name in a request to a key.
//!
//! A caller must not learn of keys that it may not see. So the question whether it may is put before anything is looked
//! up, and what it may not see is answered in the same words as what is not there. A provider that a caller may not see
//! is none for it, so its name can be that of an account.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use http::request::Parts;
use tokenkeep::config::{Action, ServerSettings, WebhookSettings};
use tokenkeep::{Code, Error, Key, TokenHandle, TokenManager};
use tokenkeep_api::ProblemCode;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::audit::Strangers;
use crate::caller::{Caller, Callers, News};
use crate::metrics::Metrics;
use crate::problem::{Problem, shortened};
use crate::routes::Health;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) manager: TokenManager,
    pub(crate) stopping: CancellationToken,
    /// Tells this process from others, and from itself before it was started again.
    pub(crate) run: u32,
    pub(crate) metrics: Metrics,
    pub(crate) strangers: Strangers,
    pub(crate) health: Health,
    access: ArcSwap<Access>,
    changes: watch::Sender<()>,
    webhooks: watch::Sender<Arc<[WebhookSettings]>>,
}

/// Who may ask for what; another one after a change of the configuration.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) callers: Callers,
    pub(crate) default_provider: Option<String>,
}

impl App {
    pub(crate) fn new(manager: TokenManager, settings: &ServerSettings, stopping: CancellationToken) -> Self {
        let metrics = Metrics::new();
        metrics.name(settings);
        Self {
            manager,
            stopping,
            run: fastrand::u32(..),
            metrics,
            strangers: Strangers::default(),
            health: Health::default(),
            access: ArcSwap::from_pointee(Access::new(settings, None)),
            changes: watch::Sender::new(()),
            webhooks: watch::Sender::new(settings.webhooks.clone().into()),
        }
    }

    /// Who may ask now.
    pub(crate) fn access(&self) -> Guard<Arc<Access>> {
        self.access.load()
    }

    /// Takes over who may ask from now on, and says what is new.
    pub(crate) fn take_over(&self, settings: &ServerSettings) -> News {
        let before = self.access.load_full();
        self.access.store(Arc::new(Access::new(settings, Some(&before.callers))));
        self.metrics.name(settings);
        self.changes.send_replace(());
        self.access().callers.news_since(&before.callers)
    }

    /// Tells of each change of who may ask.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Takes over who is told of trouble from now on.
    pub(crate) fn take_over_webhooks(&self, settings: &ServerSettings) {
        self.webhooks.send_replace(settings.webhooks.clone().into());
    }

    /// Who is told of trouble, now and after each reload.
    pub(crate) fn webhooks(&self) -> watch::Receiver<Arc<[WebhookSettings]>> {
        self.webhooks.subscribe()
    }

    /// The handle of the key that a request names, for a caller who may do this with it.
    pub(crate) fn handle(&self, caller: &Caller, action: Action, name: &str) -> Result<TokenHandle, Problem> {
        self.handle_if(caller, name, |key| caller.may(action, key))
    }

    /// The same for a caller who may see the key, whatever it may do with it.
    pub(crate) fn visible(&self, caller: &Caller, name: &str) -> Result<TokenHandle, Problem> {
        self.handle_if(caller, name, |_| true)
    }

    fn handle_if(&self, caller: &Caller, name: &str, may: impl Fn(&Key) -> bool) -> Result<TokenHandle, Problem> {
        let key = self.key(caller, name)?;
        if !may(&key) {
            return Err(Problem::not_allowed(&key));
        }
        self.manager.handle(key.as_str()).map_err(|error| match caller.sight() {
            // The engine's words name what is configured.
            Some(_) if error.code() == Code::UnknownKey => Problem::unknown(name),
            _ => error.into(),
        })
    }

    /// The key that a request names, if its caller may see it.
    pub(crate) fn key(&self, caller: &Caller, name: &str) -> Result<Key, Problem> {
        let access = self.access();
        let key = match &access.default_provider {
            Some(default) if self.is_account(caller, name) => Key::parse(&format!("{default}:{name}")),
            _ => Key::parse(name),
        };
        let key = key.map_err(|error| match (caller.sight(), Key::parse(name)) {
            (Some(_), Err(error)) if !is_account(name) => Error::invalid_key(name, &error).into(),
            // Whether it is one, and how long it may be, depends on the default provider.
            (Some(_), _) => Problem::unknown(name),
            (None, _) => Problem::from(Error::invalid_key(name, &error)),
        })?;
        if caller.may_see(&key) { Ok(key) } else { Err(Problem::unknown(name)) }
    }

    /// Whether a key is known to be there: to the engine, or because the configuration of a caller names it.
    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.manager.knows(key) || self.metrics.names(key)
    }

    /// A problem with the key that a request names. Whoever sees everything is told if the name was taken as an account,
    /// for it may be a provider's that is misspelt.
    pub(crate) fn explained(&self, caller: &Caller, name: &str, problem: Problem) -> Problem {
        match &self.access().default_provider {
            Some(default)
                if problem.code() == ProblemCode::UnknownKey
                    && caller.sight().is_none()
                    && self.is_account(caller, name) =>
            {
                let name = shortened(name);
                let name = name.escape_debug();
                problem.after(&format!("`{name}` is no provider, so it was taken as an account of {default}"))
            }
            _ => problem,
        }
    }

    /// Whether a name is that of an account of the default provider, where there is one.
    pub(crate) fn is_account(&self, caller: &Caller, name: &str) -> bool {
        !name.contains(':') && !self.is_provider(caller, name)
    }

    /// The provider that a parameter names, if it is there and the caller may see it.
    pub(crate) fn provider(&self, caller: &Caller, name: Option<&str>) -> Result<Option<Key>, Problem> {
        let Some(name) = name else { return Ok(None) };
        let key = Key::parse(name).map_err(|error| Error::invalid_key(name, &error))?;
        match caller.sight() {
            // The engine's words name what is configured.
            None => self.manager.check_provider(name)?,
            Some(_) if self.is_provider(caller, name) => {}
            Some(_) => return Err(Problem::unknown(name)),
        }
        Ok(Some(key))
    }

    /// Nobody knows who made this request.
    pub(crate) fn unauthenticated(&self, request: &Parts) -> Problem {
        self.strangers.refused(request, self.manager.now());
        if self.access().callers.is_empty() { Problem::outlasted(request) } else { Problem::unauthenticated() }
    }

    /// Whether a bare name is a provider for this caller.
    fn is_provider(&self, caller: &Caller, name: &str) -> bool {
        caller.may_see_provider(name) && self.manager.has_provider(name)
    }
}

/// Whether a bare name can be that of an account.
fn is_account(name: &str) -> bool {
    !name.contains(':') && Key::parse(&format!("x:{name}")).is_ok()
}

impl Access {
    fn new(settings: &ServerSettings, before: Option<&Callers>) -> Self {
        Self { callers: Callers::new(settings, before), default_provider: settings.default_provider.clone() }
    }
}

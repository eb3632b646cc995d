//! What the handlers share, and the one way from a name in a request to a key.
//!
//! A caller must not learn of keys that it may not see. So the question whether it may is put before anything is looked
//! up, and what it may not see is answered in the same words as what is not there. A provider that a caller may not see
//! is none for it, so its name can be that of an account.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use http::request::Parts;
use tokenkeep::config::{Action, ServerSettings};
use tokenkeep::{Code, Key, TokenHandle, TokenManager};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::audit::Strangers;
use crate::caller::{Caller, Callers};
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
}

/// Who may ask for what; another one after a change of the configuration.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) callers: Callers,
    pub(crate) default_provider: Option<String>,
}

impl App {
    pub(crate) fn new(manager: TokenManager, settings: &ServerSettings, stopping: CancellationToken) -> Self {
        Self {
            manager,
            stopping,
            run: fastrand::u32(..),
            metrics: Metrics::new(),
            strangers: Strangers::default(),
            health: Health::default(),
            access: ArcSwap::from_pointee(Access::new(settings)),
            changes: watch::Sender::new(()),
        }
    }

    /// Who may ask now.
    pub(crate) fn access(&self) -> Guard<Arc<Access>> {
        self.access.load()
    }

    /// Takes over who may ask from now on.
    pub(crate) fn take_over(&self, settings: &ServerSettings) {
        self.access.store(Arc::new(Access::new(settings)));
        self.changes.send_replace(());
    }

    /// Tells of each change of who may ask.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
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
        let key = Key::parse(name);
        let access = self.access();
        let key = match &access.default_provider {
            Some(default) if !name.contains(':') && !self.is_provider(caller, name) => {
                Key::parse(&format!("{default}:{name}"))
            }
            _ => key,
        };
        let key = key
            .map_err(|error| Problem::invalid(format!("`{}` is not a key: {error}", shortened(name).escape_debug())))?;
        if caller.may_see(&key) { Ok(key) } else { Err(Problem::unknown(name)) }
    }

    /// The provider that a parameter names, if it is there and the caller may see it.
    pub(crate) fn provider(&self, caller: &Caller, name: Option<&str>) -> Result<Option<Key>, Problem> {
        let Some(name) = name else { return Ok(None) };
        if self.is_provider(caller, name)
            && let Ok(key) = Key::parse(name)
        {
            return Ok(Some(key));
        }
        let detail = format!("parameter `provider`: there is no provider `{}`", shortened(name).escape_debug());
        let detail = match caller.sight() {
            None => format!("{detail}; configured are: {}", self.manager.providers().join(", ")),
            Some(_) => format!("{detail}, or it is not for this caller"),
        };
        Err(Problem::invalid(detail))
    }

    /// Nobody knows who made this request.
    pub(crate) fn unauthenticated(&self, request: &Parts) -> Problem {
        self.strangers.refused(request, self.manager.now());
        Problem::unauthenticated()
    }

    /// Whether a bare name is a provider for this caller.
    fn is_provider(&self, caller: &Caller, name: &str) -> bool {
        caller.may_see_provider(name) && self.manager.has_provider(name)
    }
}

impl Access {
    fn new(settings: &ServerSettings) -> Self {
        Self { callers: Callers::new(settings), default_provider: settings.default_provider.clone() }
    }
}

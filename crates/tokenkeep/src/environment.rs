//! Variables that settings come from, as an argument: a manager reads the process's own only when it is told to.

pub(crate) mod overrides;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Where variables are looked up: `${VAR}` and `{ env = "VAR" }` of a configuration, and those of
/// [`crate::ManagerBuilder::env_prefix`].
///
/// A map is one, and so is a function.
///
/// ```
/// use std::collections::HashMap;
/// use tokenkeep::environment::Environment;
///
/// let map = HashMap::from([("TENANT".to_owned(), "contoso".to_owned())]);
/// let function = |name: &str| (name == "TENANT").then(|| "contoso".to_owned());
/// assert_eq!(map.variable("TENANT"), function.variable("TENANT"));
/// ```
pub trait Environment: Send + Sync {
    /// The value of a variable, `None` if it is not set.
    ///
    /// ```
    /// use tokenkeep::environment::Environment;
    ///
    /// let environment = |name: &str| (name == "TENANT").then(|| "contoso".to_owned());
    /// assert_eq!(environment.variable("REGION"), None);
    /// ```
    fn variable(&self, name: &str) -> Option<String>;

    /// What a person has to set for this variable, for messages.
    ///
    /// ```
    /// use tokenkeep::environment::{Environment, Prefixed, ProcessEnvironment};
    ///
    /// assert_eq!(ProcessEnvironment.full_name("TENANT"), "TENANT");
    /// assert_eq!(Prefixed::new("MYAPP_", ProcessEnvironment).full_name("TENANT"), "MYAPP_TENANT");
    /// ```
    fn full_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(name)
    }
}

impl<S: BuildHasher + Send + Sync> Environment for HashMap<String, String, S> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

impl<F: Fn(&str) -> Option<String> + Send + Sync> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}

impl<E: Environment + ?Sized> Environment for Arc<E> {
    fn variable(&self, name: &str) -> Option<String> {
        (**self).variable(name)
    }

    fn full_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        (**self).full_name(name)
    }
}

/// The environment that this process was started with. A variable that is not UTF-8 counts as one that is not set.
///
/// ```
/// use tokenkeep::environment::{Environment, ProcessEnvironment};
///
/// assert_eq!(ProcessEnvironment.variable("NOBODY_SETS_THIS"), None);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Those variables of an environment that begin with a prefix; others are not there, so that two managers in one
/// process do not find each other's, unless one prefix begins with the other (`APP_`, `APP_B_`). A name stands for the
/// one with the prefix, and may have it already.
///
/// ```
/// use std::collections::HashMap;
/// use tokenkeep::environment::{Environment, Prefixed};
///
/// let all = HashMap::from([("MYAPP_TENANT".to_owned(), "contoso".to_owned()), ("HOME".to_owned(), "/root".to_owned())]);
/// let mine = Prefixed::new("MYAPP_", all);
/// assert_eq!(mine.variable("TENANT").as_deref(), Some("contoso"));
/// assert_eq!(mine.variable("MYAPP_TENANT").as_deref(), Some("contoso"));
/// assert_eq!(mine.variable("HOME"), None);
/// ```
#[derive(Clone)]
pub struct Prefixed<E> {
    prefix: Box<str>,
    inner: E,
}

impl<E: Environment> Prefixed<E> {
    /// The part of an environment that begins with this prefix. With an empty one that is all of it.
    ///
    /// ```
    /// # use tokenkeep::environment::{Environment, Prefixed};
    /// let all = |name: &str| (name == "MYAPP_TENANT").then(|| "contoso".to_owned());
    /// assert_eq!(Prefixed::new("MYAPP_", all).variable("TENANT").as_deref(), Some("contoso"));
    /// assert_eq!(Prefixed::new("OTHER_", all).variable("TENANT"), None);
    /// ```
    pub fn new(prefix: &str, inner: E) -> Self {
        Self { prefix: prefix.into(), inner }
    }
}

impl<E: Environment> Environment for Prefixed<E> {
    fn variable(&self, name: &str) -> Option<String> {
        self.inner.variable(&self.full_name(name))
    }

    fn full_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if name.starts_with(&*self.prefix) { Cow::Borrowed(name) } else { format!("{}{name}", self.prefix).into() }
    }
}

// What is in an environment can be secret.
impl<E> fmt::Debug for Prefixed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefixed").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Whether a variable can have this name, or begin with it.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What a variable says that switches something on or off.
pub(crate) fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

//! Which names a template can use at this point of a recipe, and which were used.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use toml::de::DeValue;

use crate::config::document::Field;
use crate::config::problem::Finding;
use crate::config::suggest;
use crate::credentials::{LIFETIME, PASSWORD, USERNAME, is_name};
use crate::provider::Accounts;
use crate::provider::login::{REFRESH_TOKEN, Template, escaped};

/// The names that are known.
pub(super) struct Names {
    accounts: Accounts,
    api_base: Option<String>,
    given: Vec<String>,
    captured: Vec<String>,
    /// Those that some step captures, whether it has come or not.
    of_steps: Vec<String>,
    used: RefCell<BTreeSet<String>>,
}

impl Names {
    /// Those that the configuration gives values for; accounts in the store may have any others.
    pub(super) fn new(accounts: Accounts, api_base: Option<String>, given: impl Iterator<Item = String>) -> Self {
        Self {
            accounts,
            api_base,
            given: given.collect(),
            captured: Vec::new(),
            of_steps: Vec::new(),
            used: RefCell::default(),
        }
    }

    /// Those that steps are going to capture: before that, and in a refresh, nobody gives them a value.
    pub(super) fn announce(&mut self, names: impl Iterator<Item = String>) {
        self.of_steps.extend(names.filter(|name| is_name(name)));
    }

    /// One more, which the requests after this one can use.
    pub(super) fn capture(&mut self, name: &str) -> Result<(), &'static str> {
        if !is_name(name) {
            return Err("a name to capture has letters, digits and '_', 64 at most");
        }
        if self.has_value(name) || [USERNAME, PASSWORD, API_BASE, REFRESH_TOKEN].contains(&name) {
            return Err("this name has another value already; choose another one");
        }
        self.captured.push(name.to_owned());
        Ok(())
    }

    /// A refresh comes without the steps before the login.
    pub(super) fn forget_captured(&mut self) {
        self.captured.clear();
    }

    pub(super) fn add_refresh_token(&mut self) {
        self.captured.push(REFRESH_TOKEN.to_owned());
    }

    /// Whether a template has used it.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// Reads a text with names in it. What comes from a variable is no template.
    pub(super) fn template(&self, field: &Field<'_>) -> Option<Template> {
        self.template_of_variables(field).map(|(template, _)| template)
    }

    /// The same, with the values of the variables in it.
    pub(super) fn template_of_variables(&self, field: &Field<'_>) -> Option<(Template, Vec<String>)> {
        if matches!(field.value, DeValue::String(text) if text.is_empty()) {
            return Some(Default::default());
        }
        let env = field.context().env;
        let variables = Mutex::new(Vec::new());
        let text = field.text_in(&|name: &str| {
            let value = env.variable(name)?;
            let escaped = escaped(&value).into_owned();
            variables.lock().unwrap_or_else(PoisonError::into_inner).push(value);
            Some(escaped)
        })?;
        let template = Template::parse(&text.value);
        let template =
            template.map_err(|error| text.report(Finding::error(format!("`{}` {error}", field.name)))).ok()?;
        let template = match &self.api_base {
            Some(api_base) => template.with(API_BASE, api_base),
            None => template,
        };
        let mut unknown = template.names().filter(|name| !self.is_known(name)).peekable();
        let is_sound = unknown.peek().is_none();
        unknown.for_each(|name| text.report(self.explain(name)));
        template.names().filter_map(|name| self.doubt(name)).for_each(|doubt| text.report(doubt));
        self.used.borrow_mut().extend(template.names().map(ToOwned::to_owned));
        is_sound.then(|| (template, variables.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The one place that decides whether a recipe can use a name. What credentials in the store are called is known
    /// when a token is obtained.
    fn is_known(&self, name: &str) -> bool {
        match self.accounts {
            Accounts::Stored => {
                let is_own = [API_BASE, REFRESH_TOKEN, LIFETIME].contains(&name) || self.is_of_step(name);
                self.has_value(name) || !is_own
            }
            Accounts::Default | Accounts::Any => self.has_value(name),
        }
    }

    fn has_value(&self, name: &str) -> bool {
        self.given.iter().chain(&self.captured).any(|known| known == name)
    }

    fn is_of_step(&self, name: &str) -> bool {
        self.of_steps.iter().any(|captured| captured == name)
    }

    /// What credentials in the store are called can be anything, also what was meant to be something else.
    fn doubt(&self, name: &str) -> Option<Finding> {
        if self.accounts != Accounts::Stored || self.has_value(name) || [USERNAME, PASSWORD].contains(&name) {
            return None;
        }
        let meant = suggest::closest(name, [USERNAME, PASSWORD]).filter(|_| self.is_known(name))?;
        let finding = Finding::warning(format!("what stands in braces is nearly {{{meant}}}, and is not the same"));
        Some(finding.help(format!("write {{{meant}}}, unless each account has a value of the other name")))
    }

    /// Names nothing of the text but what is known: what stands in braces may be a part of a secret.
    fn explain(&self, name: &str) -> Finding {
        if [USERNAME, PASSWORD, API_BASE].contains(&name) {
            let finding = Finding::error(format!("`{{{name}}}` is used, but `{name}` is missing"));
            return finding.help(match name {
                API_BASE => "write api_base = \"https://…\" beside `grant`",
                USERNAME => "write username = \"…\" beside `grant`",
                _ => "write password = { env = \"NAME\" } beside `grant`",
            });
        }
        if self.is_of_step(name) {
            let finding = Finding::error(format!("`{{{name}}}` is used where no step has captured it"));
            return finding.help("only requests after that step can use it, and a refresh comes without the steps");
        }
        if name == LIFETIME {
            return Finding::error("`{lifetime}` is how long a token lives, and is not sent").help("leave it out");
        }
        let known = || self.given.iter().chain(&self.captured).map(String::as_str);
        let finding = Finding::error("what stands in braces is not known here");
        let list: Vec<_> = known().map(|name| format!("{{{name}}}")).collect();
        finding.help(match (suggest::closest(name, known()), list.is_empty()) {
            (Some(meant), _) => format!("did you mean {{{meant}}}?"),
            (None, false) => format!(
                "known are {}; give others in `credentials` beside `grant`, or capture them in a step before",
                list.join(", ")
            ),
            (None, true) => "give its value in `credentials` beside `grant`, or capture it in a step before".to_owned(),
        })
    }
}

/// The name of the address that requests go to.
pub(super) const API_BASE: &str = "api_base";

//! The values that the names of a recipe stand for, in one attempt.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;
use url::Url;

use super::request;
use crate::credentials::Credentials;
use crate::provider::login::LoginRequest;
use crate::secret::Secret;
use crate::source::echo::Echoes;

/// What names stand for.
pub(super) struct Values<'a> {
    /// Captured, and the refresh token.
    own: Vec<(Box<str>, Secret)>,
    /// Which step has captured a value, by its name.
    captured: Vec<(Box<str>, usize)>,
    /// The account's, then the provider's.
    given: [Option<&'a Credentials>; 2],
}

impl<'a> Values<'a> {
    /// Those of the account, and those of the configuration where the account has none.
    pub(super) fn new(account: Option<&'a Credentials>, configured: Option<&'a Credentials>) -> Self {
        Self { own: Vec::new(), captured: Vec::new(), given: [account, configured] }
    }

    /// One more; it stands for this name from now on.
    pub(super) fn add(&mut self, name: &str, value: Secret) {
        self.own.push((name.into(), value));
    }

    /// One more that the answer to this step has brought.
    pub(super) fn capture(&mut self, name: &str, value: Secret, step: usize) {
        self.captured.push((name.into(), step));
        self.add(name, value);
    }

    /// Which step has brought the value of a name.
    pub(super) fn step_of(&self, name: &str) -> Option<usize> {
        self.captured.iter().find(|(own, _)| **own == *name).map(|(_, step)| *step)
    }

    /// What a name stands for.
    pub(super) fn get(&self, name: &str) -> Option<&Secret> {
        let own = self.own.iter().rev().find(|(own, _)| **own == *name).map(|(_, value)| value);
        own.or_else(|| self.given.iter().flatten().find_map(|given| given.get(name)))
    }

    /// Everything of a request that must not be shown when the vendor repeats it: all values, and what the recipe says
    /// literally where secrets are usual.
    pub(super) fn echoes<'c>(
        &self,
        request: &LoginRequest,
        cookies: impl Iterator<Item = &'c str>,
        headers: &HeaderMap,
        url: &Url,
    ) -> Echoes {
        let given = self.given.iter().flatten().flat_map(|given| given.iter().map(|(_, value)| value));
        let values = self.own.iter().map(|(_, value)| value).chain(given);
        let literals = request.literals().into_iter();
        let literals = literals.filter(|text| text.expose_secret().len() >= SHORTEST_LITERAL);
        let secrets: Vec<_> = values.cloned().chain(cookies.map(Secret::new)).chain(literals).collect();
        let escaped: Vec<_> = secrets.iter().flat_map(|secret| escaped_forms(secret.expose_secret())).collect();
        Echoes::of(secrets.iter().chain(&escaped), headers.get(AUTHORIZATION), url)
    }
}

/// As the text stands in JSON, written here and elsewhere, and in XML, where that differs from the text.
fn escaped_forms(text: &str) -> impl Iterator<Item = Secret> {
    let (mut sent, mut xml) = (String::new(), String::new());
    request::json_text(text, &mut sent);
    // What XML cannot hold was not sent in it.
    request::xml_text(text, &mut xml).ok();
    let json = Value::from(text).to_string();
    let json = [sent, json].map(|quoted| quoted[1..quoted.len() - 1].to_owned());
    json.into_iter().chain([xml]).filter(move |form| form != text).map(Secret::new)
}

/// What is shorter is no secret, but could be a part of any word.
const SHORTEST_LITERAL: usize = 6;

//! An address with names in it, which no value can lead elsewhere.
//!
//! In the path and the query a value is percent-encoded. In the host it can only be one label in front of a domain that
//! is written out, so that whoever gives credentials does not choose who gets them.

use std::fmt;

use url::Url;

use super::template::{Segment, Template};
use crate::provider::{InvalidUrl, TokenUrl, Transport};

/// An address with names in it, as in `https://{tenant}.vendor.example/login`.
#[derive(Clone, PartialEq)]
pub(crate) struct UrlTemplate {
    template: Template,
    transport: Transport,
    /// How many of its segments make scheme and host; the last of them may go on to the path.
    origin: usize,
    host: Box<str>,
    /// What came from variables, which can be secret.
    variables: Vec<Box<str>>,
}

impl UrlTemplate {
    /// Takes what [`TokenUrl::parse`] takes, with names in path and query, and in front of the host.
    pub(crate) fn new(template: Template, transport: Transport) -> Result<Self, InvalidUrlTemplate> {
        let origin = origin(template.segments())?;
        let sample = |in_origin: &str| -> String {
            let part = |(at, segment): (usize, &Segment)| match segment {
                Segment::Text(text) => text.to_string(),
                Segment::Value(_) if at < origin => in_origin.to_owned(),
                Segment::Value(_) => "x".to_owned(),
            };
            template.segments().iter().enumerate().map(part).collect()
        };
        let text = sample(LABEL);
        if has_dots(&text) {
            return Err(InvalidUrlTemplate("has '.' or '..' in its path; write the path that is meant"));
        }
        let host = TokenUrl::parse(&text, transport)?.host().replace(LABEL, "*").into();
        Ok(Self { template, transport, origin, host, variables: Vec::new() })
    }

    /// The same, with texts in it that came from variables and are not shown behind the host.
    #[must_use]
    pub(crate) fn with_variables(mut self, texts: impl IntoIterator<Item = String>) -> Self {
        for text in texts {
            // Of an address, what stands behind its host.
            let behind = text.split_once("://").map_or(&*text, |(_, behind)| behind);
            let path = behind.find('/').map(|at| &behind[at..]).filter(|path| path.len() > 1);
            self.variables.extend(path.map(Into::into));
            self.variables.push(text.into());
        }
        self.variables.retain(|text| !text.is_empty());
        self.variables.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        self
    }

    /// The address as it can be shown but for its query: with `name` in place of each name, and `…` for what came from
    /// variables.
    pub(crate) fn shown(&self, name: impl Fn(&str) -> String) -> String {
        let mut shown = String::new();
        for (at, segment) in self.template.segments().iter().enumerate() {
            match segment {
                Segment::Value(own) => shown.push_str(&name(own)),
                Segment::Text(text) => {
                    let start = if at < self.origin { end_of_host(text, at == 0) } else { 0 };
                    let (host, path) = text.split_at(start);
                    shown.push_str(host);
                    let path = self.variables.iter().fold(path.to_owned(), |path, text| path.replace(&**text, "…"));
                    shown.push_str(&path);
                }
            }
        }
        shown
    }

    /// The texts of the path that can be secret: what came from variables, and what is no plain word.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        let texts = self.template.segments().iter().enumerate().filter_map(|(at, segment)| match segment {
            Segment::Text(text) if at < self.origin => Some(&text[end_of_host(text, at == 0)..]),
            Segment::Text(text) => Some(&**text),
            Segment::Value(_) => None,
        });
        let parts = texts.flat_map(|text| text.split(['/', '?', '&', '='])).filter(|part| !is_word(part));
        parts.chain(self.variables.iter().map(|text| &**text))
    }

    /// The segments of the host, which take a label, and those of path and query, which take anything.
    pub(crate) fn parts(&self) -> (&[Segment], &[Segment]) {
        self.template.segments().split_at(self.origin)
    }

    /// Whether it may be http to another machine.
    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// The host with `*` for a name in it, and its port if it names one: what messages show.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port, if no account chooses a part of them.
    pub(crate) fn origin(&self) -> Option<Url> {
        match self.template.segments().first()? {
            Segment::Text(text) if self.origin == 1 => Url::parse(&text[..end_of_host(text, true)]).ok(),
            Segment::Text(_) | Segment::Value(_) => None,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.template.names()
    }

    pub(super) fn to_text(&self) -> String {
        self.template.to_text()
    }
}

/// Whether a part of the path is a step to another one, however it is written (WHATWG URL).
pub(crate) fn has_dots(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\']).any(|part| matches!(&*part.to_ascii_lowercase().replace("%2e", "."), "." | ".."))
}

/// Where the path begins in a text that holds a part of the host; `is_first` says whether it begins with the scheme.
fn end_of_host(text: &str, is_first: bool) -> usize {
    let start = if is_first { text.find("://").map_or(0, |scheme| scheme + 3) } else { 0 };
    text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at)
}

/// Whether a text is a word. What has digits or is long may be a value.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-".contains(&byte))
}

/// How many segments make scheme and host.
fn origin(segments: &[Segment]) -> Result<usize, InvalidUrlTemplate> {
    let not_a_url = InvalidUrlTemplate("is not a URL; write e.g. https://api.example.com/login");
    let Some(Segment::Text(first)) = segments.first() else { return Err(not_a_url) };
    let (_, host) = first.split_once("://").ok_or(not_a_url)?;
    let ends = |text: &str| text.contains(['/', '?', '#']);
    if ends(host) || segments.len() == 1 {
        return Ok(1);
    }
    let label_first =
        InvalidUrlTemplate("can have one name in its host, in front of a domain, as in https://{tenant}.example.com/");
    match &segments[1..] {
        [Segment::Value(_), Segment::Text(domain), rest @ ..]
            if host.is_empty() && (ends(domain) || rest.is_empty()) && is_domain(domain) =>
        {
            Ok(3)
        }
        _ => Err(label_first),
    }
}

/// Whether what follows a label leaves no choice of the domain.
fn is_domain(text: &str) -> bool {
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
    host.strip_prefix('.').is_some_and(|domain| domain.split('.').filter(|label| !label.is_empty()).count() >= 2)
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

/// What is wrong with an address; reads on after the name of the option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidUrlTemplate(&'static str);

impl From<InvalidUrl> for InvalidUrlTemplate {
    fn from(InvalidUrl(what): InvalidUrl) -> Self {
        Self(what)
    }
}

/// Stands for a label while an address is checked.
const LABEL: &str = "a-name-stands-here";
const MAX_WORD: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_host_is_known_unless_an_account_chooses_it() {
        for (text, root) in [
            ("https://a.example/{b}?c={d}", Some("https://a.example/")),
            ("http://127.0.0.1:81/login", Some("http://127.0.0.1:81/")),
            ("https://{a}.b.example/c", None),
        ] {
            let template = UrlTemplate::new(Template::parse(text).unwrap(), Transport::Secure).unwrap();
            assert_eq!(template.origin().map(String::from).as_deref(), root, "{text}");
        }
    }

    #[test]
    fn no_value_can_choose_the_domain() {
        for (text, host) in [
            ("https://a.example/{b}?c={d}", Some("a.example")),
            ("https://{a}.b.example/c", Some("*.b.example")),
            ("https://{a}.b.example:8443", Some("*.b.example:8443")),
            ("http://127.0.0.1:1/{a}", Some("127.0.0.1:1")),
            ("https://{a}/b", None),
            ("https://{a}.example/b", None),
            ("https://{a}.example./b", None),
            ("https://{a}b.c.example/", None),
            ("https://a.{b}.example/", None),
            ("https://a.example{b}/", None),
            ("https://{a}@b.c.example/", None),
            ("https://{a}.b.example{c}/", None),
            ("{a}/b", None),
            ("http://a.example/{b}", None),
            ("https://a.example/#{b}", None),
            ("https://a.example/../{b}", None),
            ("https://a.example/%2E%2e/b", None),
            ("https://a.example/b?c=/../d", Some("a.example")),
        ] {
            let url = UrlTemplate::new(Template::parse(text).unwrap(), Transport::Secure);
            assert_eq!(url.as_ref().map(UrlTemplate::host).ok(), host, "{text}");
        }
    }
}

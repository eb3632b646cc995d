//! Texts with names in them. A name's value is put in once, escaped for where it stands, and is not looked at again.

use std::borrow::Cow;
use std::fmt;

use crate::credentials::is_name;

/// A text with names in braces: `Token {api_key}`. `{{` is a plain `{`.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Template(Vec<Segment>);

/// A part of a template.
#[derive(Clone, PartialEq)]
pub(crate) enum Segment {
    /// A text that stands there as it is.
    Text(Box<str>),
    /// The name of a value.
    Value(Box<str>),
}

impl Template {
    /// Takes a text apart.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let mut segments = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(escaped) = after.strip_prefix('{') {
                plain.push('{');
                rest = escaped;
                continue;
            }
            let (name, after) =
                after.split_once('}').ok_or(InvalidTemplate("has a `{` without `}`; write `{{` to mean `{` itself"))?;
            if !is_name(name) {
                return Err(InvalidTemplate("has braces around what is no name; write `{{` to mean `{` itself"));
            }
            if !plain.is_empty() {
                segments.push(Segment::Text(std::mem::take(&mut plain).into()));
            }
            segments.push(Segment::Value(name.into()));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            segments.push(Segment::Text(plain.into()));
        }
        Ok(Self(segments))
    }

    /// The same with a text in place of a name.
    #[must_use]
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        let mut segments: Vec<Segment> = Vec::with_capacity(self.0.len());
        for segment in self.0 {
            let segment = match segment {
                Segment::Value(own) if *own == *name => Segment::Text(text.into()),
                segment => segment,
            };
            match (segments.last_mut(), segment) {
                (Some(Segment::Text(before)), Segment::Text(text)) => *before = format!("{before}{text}").into(),
                (_, segment) => segments.push(segment),
            }
        }
        Self(segments)
    }

    /// Its parts in their order.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The names in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Value(name) => Some(&**name),
            Segment::Text(_) => None,
        })
    }

    /// The texts between them.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Text(text) => Some(&**text),
            Segment::Value(_) => None,
        })
    }

    /// What was parsed. It can hold a secret.
    pub(super) fn to_text(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Text(text) => escaped(text).into_owned(),
            Segment::Value(name) => format!("{{{name}}}"),
        };
        self.0.iter().map(part).collect()
    }
}

/// The text as a template that stands for it.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains('{') { text.replace('{', "{{").into() } else { text.into() }
}

// What a template says literally can be secret too.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.names().collect::<Vec<_>>()).finish()
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Value(name) => write!(f, "Value({name})"),
        }
    }
}

/// What is wrong with a template; reads on after the name of the option. It holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidTemplate(pub(super) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_names() {
        for (text, shown) in
            [("a {b} c", "a {b} c"), ("{a}{b}", "{a}{b}"), ("{{a} {{{a}", "{{a} {{{a}"), ("}", "}"), ("", "")]
        {
            assert_eq!(Template::parse(text).unwrap().to_text(), shown, "{text}");
        }
        assert_eq!(Template::parse("{{a} {{{b}").unwrap().names().collect::<Vec<_>>(), ["b"]);
        for text in ["{", "{a", "{}", "{a b}", "{a{b}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}

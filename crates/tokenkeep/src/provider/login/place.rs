//! Where something stands in an answer.

use std::fmt;
use std::time::Duration;

use http::HeaderName;

/// Where something stands in an answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The part of the answer.
    pub(crate) part: Part,
    /// Only what follows the first such text in it; letter case does not matter.
    pub(crate) after: Option<Box<str>>,
    /// Only what comes before the first such text in what is left.
    pub(crate) before: Option<Box<str>>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A JSON pointer (RFC 6901) to a text or a number.
    Json(Box<str>),
    /// A header.
    Header(HeaderName),
    /// A cookie that the answer sets.
    Cookie(Box<str>),
    /// The text of an element, or an attribute.
    Xml(XmlPath),
    /// The whole body, without white space around it.
    Body,
}

impl Place {
    /// Whether it is the body as it came, with nothing that tells a token from anything else.
    pub(crate) fn is_whole_body(&self) -> bool {
        self.part == Part::Body && self.after.is_none() && self.before.is_none()
    }
}

impl Part {
    /// A JSON pointer: empty, or `/` before each member.
    pub(crate) fn json(pointer: &str) -> Result<Self, InvalidPlace> {
        if pointer.starts_with('/') && pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1'])) {
            return Ok(Self::Json(pointer.into()));
        }
        Err(InvalidPlace("is no JSON pointer; write e.g. \"/data/token\""))
    }

    /// A header by its name.
    pub(crate) fn header(name: &str) -> Result<Self, InvalidPlace> {
        name.parse().map(Self::Header).map_err(|_| InvalidPlace("is not the name of a header"))
    }

    /// A cookie by its name (RFC 6265 section 4.1.1).
    pub(crate) fn cookie(name: &str) -> Result<Self, InvalidPlace> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        if !name.is_empty() && name.bytes().all(fits) {
            return Ok(Self::Cookie(name.into()));
        }
        Err(InvalidPlace("is not the name of a cookie"))
    }
}

/// The way from a document's root to an element by local names, and perhaps on to an attribute: `Envelope/Body/Token`,
/// `tsResponse/credentials/@token`. Namespaces do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XmlPath {
    elements: Vec<Box<str>>,
    attribute: Option<Box<str>>,
}

impl XmlPath {
    /// Takes a path apart.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPlace> {
        let invalid =
            InvalidPlace("is no path of elements; write e.g. \"Envelope/Body/Token\" or \"response/user/@token\"");
        let mut elements: Vec<Box<str>> = text.trim_start_matches('/').split('/').map(Into::into).collect();
        let attribute = elements.pop_if(|last| last.starts_with('@')).map(|last| last[1..].into());
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
        };
        if elements.is_empty() || !elements.iter().chain(&attribute).all(|name| is_name(name)) {
            return Err(invalid);
        }
        Ok(Self { elements, attribute })
    }

    /// The elements from the root on.
    pub(crate) fn elements(&self) -> &[Box<str>] {
        &self.elements
    }

    /// The attribute of the last one, unless its text is meant.
    pub(crate) fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }
}

/// What a number counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    #[default]
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
    /// Days.
    Days,
}

impl Unit {
    /// Its name in configuration.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(name, _)| name)
    }

    /// So many of it; `None` if that is no length of time above zero.
    pub(crate) fn times(self, number: f64) -> Option<Duration> {
        let seconds = match self {
            Self::Milliseconds => 0.001,
            Self::Seconds => 1.0,
            Self::Minutes => 60.0,
            Self::Hours => 3600.0,
            Self::Days => 86400.0,
        };
        Duration::try_from_secs_f64(number * seconds).ok().filter(|duration| !duration.is_zero())
    }

    /// All of them with their names.
    pub(crate) const ALL: [(&str, Self); 5] = [
        ("ms", Self::Milliseconds),
        ("s", Self::Seconds),
        ("min", Self::Minutes),
        ("h", Self::Hours),
        ("d", Self::Days),
    ];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if let Some(after) = &self.after {
            write!(f, " after {after:?}")?;
        }
        self.before.iter().try_for_each(|before| write!(f, " before {before:?}"))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(pointer) => f.write_str(pointer),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Xml(path) => write!(f, "element {path}"),
            Self::Body => f.write_str("the body"),
        }
    }
}

impl fmt::Display for XmlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.elements.join("/"))?;
        self.attribute.iter().try_for_each(|attribute| write!(f, "/@{attribute}"))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

/// What is wrong with a place; reads on after the name of the option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidPlace(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_place_is_refused() {
        for (text, good) in [("/a/b~0c/0", true), ("/", true), ("a", false), ("", false), ("/a~2", false)] {
            assert_eq!(Part::json(text).is_ok(), good, "{text}");
        }
        for (text, good) in
            [("a/b", true), ("/a", true), ("a/@b", true), ("@b", false), ("a//b", false), ("s:a", false)]
        {
            assert_eq!(XmlPath::parse(text).is_ok(), good, "{text}");
        }
        for (text, good) in [("__Host-id", true), ("a b", false), ("a=b", false), ("", false)] {
            assert_eq!(Part::cookie(text).is_ok(), good, "{text}");
        }
    }
}

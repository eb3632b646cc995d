//! Texts with names in them. A name's value is put in once, escaped for where it stands, and is not looked at again.

use std::borrow::Cow;
use std::fmt;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Number, Value};

use crate::credentials::is_name;

/// A text with names in braces: `Token {api_key}`. `{{` is a plain `{`.
#[derive(Clone, Default, PartialEq)]
pub struct Template(Vec<Segment>);

/// A part of a template.
#[derive(Clone, PartialEq)]
pub enum Segment {
    /// A text that stands there as it is.
    Text(Box<str>),
    /// The name of a value.
    Value(Box<str>),
}

impl Template {
    /// Takes a text apart.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
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
    pub fn with(self, name: &str, text: &str) -> Self {
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
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
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

/// JSON with templates as its texts. It keeps its shape, whatever the values are.
#[derive(Clone, PartialEq)]
pub enum JsonTemplate {
    /// A text.
    Text(Template),
    /// A number.
    Number(Number),
    /// A truth value.
    Bool(bool),
    /// An array.
    Array(Vec<Self>),
    /// An object, its members in the order of the file.
    Object(Vec<(String, Self)>),
}

impl JsonTemplate {
    /// The names in it.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.names().collect(),
            Self::Number(_) | Self::Bool(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.names()).collect(),
        }
    }

    /// Its texts but for the names in them.
    pub(super) fn literals(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.literals().collect(),
            Self::Number(_) | Self::Bool(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::literals).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.literals()).collect(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => Value::from(text.to_text()).to_string(),
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Array(items) => format!("[{}]", items.iter().map(Self::to_text).collect::<Vec<_>>().join(",")),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| format!("{}:{}", Value::from(&**name), value.to_text());
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// A well-formed XML document with names in its texts and attributes only.
#[derive(Debug, Clone, PartialEq)]
pub struct XmlTemplate(Template);

impl XmlTemplate {
    /// Checks that a template is well-formed whatever the values are.
    pub fn new(template: Template) -> Result<Self, InvalidTemplate> {
        let template = Self(template);
        check_xml(&template.sample()).map(|()| template)
    }

    /// The document as a text.
    pub fn as_template(&self) -> &Template {
        &self.0
    }

    /// Its texts and attributes but for the names in them and for namespaces.
    pub(super) fn literals(&self) -> Vec<String> {
        let sample = self.sample();
        let mut reader = Reader::from_str(&sample);
        let mut literals = Vec::new();
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Eof => break,
                Event::Text(text) => literals.push(text.to_string()),
                Event::CData(text) => literals.push(text.to_string()),
                Event::Start(tag) | Event::Empty(tag) => {
                    let attributes = tag.attributes().flatten();
                    let own = attributes.filter(|attribute| !attribute.key.as_ref().starts_with("xmlns"));
                    literals.extend(own.map(|attribute| attribute.value.to_string()));
                }
                _ => {}
            }
        }
        let parts = literals.iter().flat_map(|literal| literal.split(STAND_IN));
        parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    }

    /// The document with something in place of each value.
    fn sample(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Text(text) => text.to_string(),
            Segment::Value(_) => STAND_IN.to_owned(),
        };
        self.0.0.iter().map(part).collect()
    }
}

fn check_xml(sample: &str) -> Result<(), InvalidTemplate> {
    let broken = InvalidTemplate("is not well-formed XML");
    let mut reader = Reader::from_str(sample);
    let (mut depth, mut roots) = (0_usize, 0_usize);
    loop {
        let event = reader.read_event().map_err(|_| broken)?;
        match &event {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().collect::<Result<Vec<_>, _>>().map_err(|_| broken)?;
                let names = attributes.iter().map(|attribute| attribute.key.as_ref());
                if names.chain([tag.name().as_ref()]).any(|name| name.contains(STAND_IN)) {
                    return Err(MISPLACED);
                }
                roots += usize::from(depth == 0);
                depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) if depth == 0 && !text.trim().is_empty() => return Err(broken),
            Event::Text(_) | Event::GeneralRef(_) => {}
            Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                if sample_of(&event).contains(STAND_IN) {
                    return Err(MISPLACED);
                }
            }
        }
    }
    if depth == 0 && roots == 1 { Ok(()) } else { Err(broken) }
}

fn sample_of<'e>(event: &'e Event<'_>) -> &'e str {
    event
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

impl fmt::Debug for JsonTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonTemplate").field(&self.names()).finish()
    }
}

/// What is wrong with a template; reads on after the name of the option. It holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTemplate(pub(super) &'static str);

const MISPLACED: InvalidTemplate =
    InvalidTemplate("has a name where none can stand: names stand in texts and in attributes' values");
/// Stands for a value while XML is checked: a character that means nothing to anybody.
const STAND_IN: &str = "\u{e000}";

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

    #[test]
    fn what_xml_says_literally_is_known() {
        let text = "<a xmlns='urn:x' b='key {c}'> one <d>two{c}three</d><![CDATA[four]]></a>";
        let template = XmlTemplate::new(Template::parse(text).unwrap()).unwrap();
        assert_eq!(template.literals(), ["key", "one", "two", "three", "four"]);
    }

    #[test]
    fn names_stand_in_the_texts_and_attributes_of_xml_only() {
        for (text, good) in [
            ("<a>{b}</a>", true),
            ("<?xml version=\"1.0\"?>\n<a c='{b}'>x {b}<d/></a>\n", true),
            ("<a><![CDATA[{b}]]></a>", false),
            ("<a><!-- {b} --></a>", false),
            ("<{b}/>", false),
            ("<a {b}='c'/>", false),
            ("<a c={b}/>", false),
            ("<a>{b}", false),
            ("<a/><a/>", false),
            ("{b}", false),
            ("", false),
        ] {
            assert_eq!(XmlTemplate::new(Template::parse(text).unwrap()).is_ok(), good, "{text}");
        }
    }
}

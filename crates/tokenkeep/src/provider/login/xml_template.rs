//! XML with names in its texts.
//!
//! A value is escaped as XML, so a name can only stand where escapes are read: in a text or in an attribute's value, and
//! neither in CDATA nor in a comment. That, and that the document is well-formed, is checked with a character in place of
//! each value that means nothing to anybody.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

use super::{InvalidTemplate, Segment, Template};

/// A well-formed XML document with names in its texts and attributes only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct XmlTemplate(Template);

impl XmlTemplate {
    /// Checks that a template is well-formed whatever the values are.
    pub(crate) fn new(template: Template) -> Result<Self, InvalidTemplate> {
        let template = Self(template);
        check_xml(&template.sample()).map(|()| template)
    }

    /// The document as a text.
    pub(crate) fn as_template(&self) -> &Template {
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
        self.0.segments().iter().map(part).collect()
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
                // `&{name};` would make an entity of a value.
                if attributes.iter().any(|attribute| unescape(&attribute.value).is_err()) {
                    return Err(broken);
                }
                roots += usize::from(depth == 0);
                depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) if depth == 0 && !text.trim().is_empty() => return Err(broken),
            Event::Text(_) => {}
            // CDATA, comments, entities and all else that stands outside of texts.
            other if other.contains(STAND_IN) => return Err(MISPLACED),
            _ => {}
        }
    }
    if depth == 0 && roots == 1 { Ok(()) } else { Err(broken) }
}

const MISPLACED: InvalidTemplate =
    InvalidTemplate("has a name where none can stand: names stand in texts and in attributes' values");
/// Stands for a value.
const STAND_IN: &str = "\u{e000}";

#[cfg(test)]
mod tests {
    use super::*;

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
            ("<a>&{b};</a>", false),
            ("<a c='&{b};'/>", false),
            ("<a c='&amp;{b};'>&lt;{b};</a>", true),
            ("<a><?p {b}?></a>", false),
            ("<!DOCTYPE a [{b}]><a/>", false),
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

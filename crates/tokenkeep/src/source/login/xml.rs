//! Finds an element or an attribute in XML. No entity is expanded, nothing is loaded.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use zeroize::Zeroizing;

use crate::provider::login::XmlPath;

/// The first text at a path, without white space around it; `None` if there is none, or the XML is broken before it.
pub(super) fn find(text: &str, path: &XmlPath) -> Option<Zeroizing<String>> {
    let mut reader = Reader::from_str(text);
    let mut open = Way::default();
    let mut found: Option<Zeroizing<String>> = None;
    loop {
        let event = reader.read_event().ok()?;
        match (&event, &mut found) {
            (Event::Start(tag) | Event::Empty(tag), _) => {
                open.enter(tag, path)?;
                if open.is_there(path) {
                    match path.attribute() {
                        Some(attribute) => return attribute_of(tag, attribute),
                        None => found = Some(Zeroizing::default()),
                    }
                }
                if matches!(event, Event::Empty(_)) {
                    open.leave();
                }
            }
            (Event::End(_), _) if open.is_there(path) => {
                return found.map(|found| Zeroizing::new(found.trim().to_owned()));
            }
            (Event::End(_), _) => open.leave(),
            (Event::Text(text), Some(found)) if open.is_there(path) => found.push_str(&text.xml10_content()),
            (Event::CData(text), Some(found)) if open.is_there(path) => found.push_str(text),
            (Event::GeneralRef(entity), Some(found)) if open.is_there(path) => {
                let known = quick_xml::escape::resolve_predefined_entity(entity);
                match (entity.resolve_char_ref().ok()?, known) {
                    (Some(c), _) => found.push(c),
                    (None, Some(text)) => found.push_str(text),
                    // One of the document's own: it would be expanded.
                    (None, None) => return None,
                }
            }
            (Event::Eof, _) => return None,
            _ => {}
        }
    }
}

/// How far the reader is on the way.
#[derive(Default)]
struct Way {
    depth: usize,
    /// How many of the open elements, from the root on, are on the path.
    matched: usize,
}

impl Way {
    /// `None` where the document is deeper than any that is meant seriously.
    fn enter(&mut self, tag: &BytesStart<'_>, path: &XmlPath) -> Option<()> {
        let is_next = self.matched == self.depth
            && path.elements().get(self.depth).is_some_and(|name| **name == *tag.local_name().as_ref());
        self.matched += usize::from(is_next);
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.matched = self.matched.min(self.depth);
    }

    fn is_there(&self, path: &XmlPath) -> bool {
        self.matched == self.depth && self.depth == path.elements().len()
    }
}

fn attribute_of(tag: &BytesStart<'_>, name: &str) -> Option<Zeroizing<String>> {
    let attribute = tag.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(Zeroizing::new(value.trim().to_owned()))
}

const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &str) -> Option<String> {
        find(text, &XmlPath::parse(path).unwrap()).map(|found| found.to_string())
    }

    #[test]
    fn an_element_is_found_by_the_way_that_leads_to_it() {
        let text = "<?xml version='1.0'?><s:E xmlns:s='urn:s'><s:H><T>no</T></s:H><s:B a='1' x:b='&lt;2'>\
                    <!-- c --><T> o&amp;<![CDATA[<k>]]>&#33;<u>no</u> </T><T>late</T><V/></s:B></s:E>";
        assert_eq!(at(text, "E/B/T").as_deref(), Some("o&<k>!"));
        assert_eq!(at(text, "/E/B/@b").as_deref(), Some("<2"));
        assert_eq!(at(text, "E/H/T").as_deref(), Some("no"));
        for path in ["T", "B/T", "E/T", "E/B/V", "E/B/@c", "E/B/T/u/v"] {
            assert_eq!(at(text, path).filter(|found| !found.is_empty()), None, "{path}");
        }
    }

    #[test]
    fn nothing_is_expanded_and_what_is_broken_holds_nothing() {
        assert_eq!(at("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "a"), None);
        assert_eq!(at("<a><b>x</c></a>", "a/b"), None);
        assert_eq!(at("<a>x", "a"), None);
        assert_eq!(at(&format!("{}<t>x</t>", "<a>".repeat(70)), "a/t"), None);
        assert_eq!(at("{\"a\":1}", "a"), None);
    }
}

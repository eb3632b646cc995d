//! `${VAR}`, `${VAR|OTHER_NAME}` and `${VAR:-default}` in strings; `$${` stands for `${`.

use std::ops::Range;

use super::variables::{Lookup, look_up};
use crate::environment::{Environment, is_variable_name};

/// The text with its references replaced, or everything that is wrong with them. What a variable holds is not looked
/// at for further references.
pub(super) fn interpolate(text: &str, env: &dyn Environment) -> Result<String, Vec<BadReference>> {
    let mut value = String::with_capacity(text.len());
    let mut bad = Vec::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find("${").map(|found| at + found) {
        if text[at..dollar].ends_with('$') {
            value.push_str(&text[at..dollar]);
            value.push('{');
            at = dollar + 2;
            continue;
        }
        value.push_str(&text[at..dollar]);
        let Some(end) = text[dollar..].find('}').map(|found| dollar + found + 1) else {
            let place = dollar..text.len();
            bad.push(BadReference { place, message: "`${` without `}`; write `$${` to mean `${` itself".into() });
            break;
        };
        match resolve(&text[dollar + 2..end - 1], env) {
            Ok(resolved) => value.push_str(&resolved),
            Err(message) => bad.push(BadReference { place: dollar..end, message }),
        }
        at = end;
    }
    if bad.is_empty() {
        value.push_str(&text[at..]);
        Ok(value)
    } else {
        Err(bad)
    }
}

/// The variables that a text refers to if it is one reference and nothing else.
pub(super) fn sole_reference(text: &str) -> Option<Vec<&str>> {
    let reference = text.strip_prefix("${")?.strip_suffix('}')?;
    let names: Vec<_> = reference.split(":-").next()?.split('|').collect();
    names.iter().all(|name| is_variable_name(name)).then_some(names)
}

fn resolve(reference: &str, env: &dyn Environment) -> Result<String, String> {
    let (names, default) = match reference.split_once(":-") {
        Some((names, default)) => (names, Some(default)),
        None => (reference, None),
    };
    let names: Vec<_> = names.split('|').collect();
    if !names.iter().all(|name| is_variable_name(name)) {
        return Err(
            "this is not the name of a variable; write `${VAR}`, `${VAR|OTHER_NAME}` or `${VAR:-default}`".into()
        );
    }
    match (look_up(&names, env), default) {
        (Lookup::Found(value), _) => Ok(value.to_string()),
        (Lookup::Missing(_), Some(default)) => Ok(default.to_owned()),
        (Lookup::Missing(message), None) | (Lookup::Differing(message), _) => Err(message),
    }
}

/// A reference that leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadReference {
    /// Where in the text.
    pub(super) place: Range<usize>,
    /// What is wrong.
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpolated(text: &str) -> Result<String, Vec<BadReference>> {
        let env = |name: &str| match name {
            "HOST" | "SAME" => Some("a.example".to_owned()),
            "OTHER" => Some("b.example".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOST}".to_owned()),
            _ => None,
        };
        interpolate(text, &env)
    }

    #[test]
    fn references_are_replaced_once_and_escapes_are_kept() {
        for (text, value) in [
            ("https://${HOST}/t", "https://a.example/t"),
            ("${HOST}${HOST}", "a.examplea.example"),
            ("${NO:-x-${HOST}", "x-${HOST"),
            ("${EMPTY:-default}", "default"),
            ("${NO:-}", ""),
            ("${TRICK}", "${HOST}"),
            ("$${HOST} costs $5 and $$", "${HOST} costs $5 and $$"),
            ("${NO|HOST}", "a.example"),
            ("${HOST|EMPTY|SAME}", "a.example"),
            ("${NO|EMPTY:-x|y}", "x|y"),
            ("ü${HOST}ü", "üa.exampleü"),
        ] {
            assert_eq!(interpolated(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn every_bad_reference_is_reported_at_its_place() {
        let bad = interpolated("${A}-${HOST}-${B C}-${HOST|OTHER:-c}-${A|}-${D").unwrap_err();
        let places: Vec<_> = bad.iter().map(|bad| bad.place.clone()).collect();
        assert_eq!(places, [0..4, 13..19, 20..36, 37..42, 43..46]);
        assert_eq!(bad[0].message, "the environment variable `A` is not set");
    }
}

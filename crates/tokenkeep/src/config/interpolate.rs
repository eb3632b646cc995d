//! `${VAR}` and `${VAR:-default}` in strings; `$${` stands for `${`.

use std::ops::Range;

use super::Environment;

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

/// The variable that a text refers to if it is one reference and nothing else.
pub(super) fn sole_reference(text: &str) -> Option<&str> {
    let reference = text.strip_prefix("${")?.strip_suffix('}')?;
    Some(reference.split(":-").next().unwrap_or_default()).filter(|name| is_variable_name(name))
}

/// Whether a variable can have this name.
pub(super) fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn resolve(reference: &str, env: &dyn Environment) -> Result<String, String> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_variable_name(name) {
        return Err("this is not the name of a variable; write `${VAR}` or `${VAR:-default}`".into());
    }
    match (env.variable(name), default) {
        (Some(value), _) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (Some(_), None) => Err(format!("the environment variable `{name}` is empty")),
        (None, None) => Err(format!("the environment variable `{name}` is not set")),
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
            "HOST" => Some("a.example".to_owned()),
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
            ("ü${HOST}ü", "üa.exampleü"),
        ] {
            assert_eq!(interpolated(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn every_bad_reference_is_reported_at_its_place() {
        let bad = interpolated("${A}-${HOST}-${B C}-${D").unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.place.clone()).collect::<Vec<_>>(), [0..4, 13..19, 20..23]);
        assert_eq!(bad[0].message, "the environment variable `A` is not set");
    }
}

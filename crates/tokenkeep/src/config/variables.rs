//! A value that stands in one variable of the environment, or in any one of several: names that mean the same.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::environment::Environment;

/// What the environment holds under one of several names. An empty variable counts as one that is not set.
pub(super) enum Lookup {
    /// Every variable that is set holds this.
    Found(Zeroizing<String>),
    /// None is set; the message names them.
    Missing(String),
    /// They hold different values; the message names those that do, and shows none.
    Differing(String),
}

/// Looks up a value that any of these variables may hold.
pub(super) fn look_up(names: &[&str], env: &dyn Environment) -> Lookup {
    let set: Vec<_> = names
        .iter()
        .filter_map(|name| Some((*name, env.variable(name).map(Zeroizing::new).filter(|value| !value.is_empty())?)))
        .collect();
    if set.windows(2).any(|pair| pair[0].1 != pair[1].1) {
        let names: Vec<_> = set.iter().map(|(name, _)| env.full_name(name)).collect();
        return Lookup::Differing(format!(
            "the environment variables {} mean the same and hold different values; set one of them",
            listed(&names)
        ));
    }
    match set.into_iter().next() {
        Some((_, value)) => Lookup::Found(value),
        None => Lookup::Missing(missing(names, env)),
    }
}

fn missing(names: &[&str], env: &dyn Environment) -> String {
    let full_names: Vec<_> = names.iter().map(|name| env.full_name(name)).collect();
    match (names, &full_names[..]) {
        ([name], [shown]) if env.variable(name).is_some() => format!("the environment variable `{shown}` is empty"),
        (_, [shown]) => format!("the environment variable `{shown}` is not set"),
        (_, shown) => format!("none of the environment variables {} is set", listed(shown)),
    }
}

/// Names as a sentence shows them: `A`, `B` and `C`.
fn listed(names: &[Cow<'_, str>]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

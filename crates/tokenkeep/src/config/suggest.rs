//! What somebody meant who wrote something close to it.

/// The candidate that differs from `text` in the fewest letters, if they are few.
pub(super) fn closest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > MAX_LEN {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, letter case aside: how many letters must be added, removed or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Nobody misspells an option at more than this length.
const MAX_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_the_right_one() {
        let known = ["client_id", "client_secret", "client_auth", "scope"];
        for (text, meant) in [
            ("clientid", Some("client_id")),
            ("client-id", Some("client_id")),
            ("clinet_secret", Some("client_secret")),
            ("scopes", Some("scope")),
            ("Scope", Some("scope")),
            ("audience", None),
            ("", None),
        ] {
            assert_eq!(closest(text, known), meant, "{text}");
        }
    }
}

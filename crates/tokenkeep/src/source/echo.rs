//! Takes what was sent to an issuer out of what it answers.
//!
//! Some issuers repeat what they refuse, and an error's text goes to logs and callers. So before any of it is shown, or
//! even shortened, every form in which a secret left this process is cut out.

use form_urlencoded::byte_serialize;
use http::HeaderValue;
use url::Url;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The texts that must not be shown.
pub(super) struct Echoes(Vec<Zeroizing<String>>);

impl Echoes {
    /// Those of a request with these secrets, this `Authorization` and this address.
    pub(super) fn of<'a>(
        secrets: impl IntoIterator<Item = &'a Secret>,
        authorization: Option<&HeaderValue>,
        url: &Url,
    ) -> Self {
        let mut texts = Vec::new();
        for secret in secrets {
            texts.extend(forms_of(secret.expose_secret()));
        }
        let authorization = authorization.and_then(|value| value.to_str().ok());
        texts.extend(authorization.and_then(|text| text.split_once(' ')).map(|(_, pair)| pair.to_owned().into()));
        texts.extend(url.query().map(|query| query.to_owned().into()));
        for (_, value) in url.query_pairs().filter(|(_, value)| value.len() >= SHORTEST_IN_QUERY) {
            texts.extend(forms_of(&value));
        }
        texts.retain(|text| !text.is_empty());
        // The longest first: one may be a part of another.
        texts.sort_unstable_by_key(|text: &Zeroizing<String>| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    /// The text without them, on one line of at most so many characters.
    pub(super) fn line_without(&self, text: &str, longest: usize) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, echo| without(&text, echo));
        printable(&text, longest)
    }
}

/// The text without an echo. A short one is a part of many a word, which would tell of it by what is missing: it counts
/// only where it stands by itself.
fn without(text: &str, echo: &str) -> String {
    if echo.len() >= SHORTEST_IN_WORDS {
        return text.replace(echo, "…");
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(echo) {
        let (before, after) = (&rest[..at], &rest[at + echo.len()..]);
        let stands_alone = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        shown.push_str(before);
        shown.push_str(if stands_alone { "…" } else { echo });
        rest = after;
    }
    shown + rest
}

/// A text as it is, in a form, and in a URL.
fn forms_of(text: &str) -> [Zeroizing<String>; 3] {
    let form: String = byte_serialize(text.as_bytes()).collect();
    let url = form.replace('+', "%20");
    [text.to_owned().into(), form.into(), url.into()]
}

/// One line of at most so many characters.
pub(super) fn printable(text: &str, longest: usize) -> String {
    let line: String = text.chars().take(longest).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > longest { format!("{line}…") } else { line }
}

/// What is shorter can be a part of any word.
const SHORTEST_IN_WORDS: usize = 4;
/// What is shorter in a URL's query is no secret, but could be a part of any word.
const SHORTEST_IN_QUERY: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_is_taken_out_as_a_word_and_not_out_of_words() {
        let url = Url::parse("https://a.example/").unwrap();
        let shown = |secret: &str, text: &str| Echoes::of([&Secret::new(secret)], None, &url).line_without(text, 100);
        assert_eq!(
            shown("a", "cannot reach a host; user 'a' (a) is unknown"),
            "cannot reach … host; user '…' (…) is unknown"
        );
        assert_eq!(shown("hunter2", "no xhunter2x"), "no x…x");
        assert_eq!(shown("é", "né é"), "né …");
    }
}

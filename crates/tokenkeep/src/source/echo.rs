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
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let end = at + length_at(&text[at..], echo).unwrap_or_default();
        let is_part = || text[..at].ends_with(char::is_alphanumeric) || text[end..].starts_with(char::is_alphanumeric);
        if end > at && (echo.len() >= SHORTEST_IN_WORDS || !is_part()) {
            shown.push('…');
            at = end;
        } else {
            shown.push(c);
            at += c.len_utf8();
        }
    }
    shown
}

/// How much of the start of a text is the echo, as it is or with any of its bytes percent-encoded: which ones are
/// depends on who encodes, and so does the case of the digits.
fn length_at(text: &str, echo: &str) -> Option<usize> {
    if text.starts_with(echo) {
        return Some(echo.len());
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    for byte in echo.bytes() {
        at += match bytes.get(at..at + 3).and_then(percent_decoded) {
            Some(decoded) if decoded == byte => 3,
            _ if bytes.get(at) == Some(&byte) => 1,
            _ => return None,
        };
    }
    text.is_char_boundary(at).then_some(at)
}

fn percent_decoded(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match text {
        [b'%', high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    }
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

    #[test]
    fn a_secret_is_taken_out_whichever_of_its_characters_are_percent_encoded() {
        let url = Url::parse("https://a.example/").unwrap();
        let secret = Secret::new("se*cret/k~y é%2b");
        let echoes = Echoes::of([&secret], None, &url);
        for text in [
            "se*cret/k~y é%2b",
            "se*cret%2Fk%7Ey+%C3%A9%252b",
            "se%2Acret%2Fk~y%20%C3%A9%252b",
            "se%2acret%2fk%7ey%20%c3%a9%252b",
            "%73e*cret/k%7ey é%252b",
        ] {
            assert_eq!(echoes.line_without(&format!("no /{text}/é%c3"), 100), "no /…/é%c3", "{text}");
        }
    }
}

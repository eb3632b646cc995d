//! Where an answer came from when the client below follows redirects, and whether the token went there.
//!
//! `reqwest` follows redirects by itself, below any middleware. To another server it takes all headers along but those
//! in [`KEPT_FROM_OTHERS`], so an `X-Api-Key` goes wherever an API, or whoever can make it redirect, points. The way to
//! prevent that is the client's redirect policy; a middleware sees only where the last answer came from.

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderName, Uri};
use reqwest::Url;
use reqwest::redirect::Policy;

use crate::authorizer::Authorizer;

/// From where an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// From the address that was asked.
    Asked,
    /// From another address that the token may go to, and went to.
    Covered,
    /// From an address that the client sent no token to.
    WithoutToken,
    /// From an address that the token went to, and may not go to.
    Outside,
}

impl Landing {
    /// Says so of an answer from `answered` to a request for `asked`, with a token in this header.
    pub(crate) fn of(asked: &Uri, answered: &Uri, header: &HeaderName, covers: impl FnOnce(&Uri) -> bool) -> Self {
        if asked == answered {
            Self::Asked
        } else if KEPT_FROM_OTHERS.contains(header) && !is_same_server(asked, answered) {
            Self::WithoutToken
        } else if covers(answered) {
            Self::Covered
        } else {
            Self::Outside
        }
    }
}

/// Follows redirects that stay at the same server and where the token may go; the answer to any other is the redirect.
pub(crate) fn policy(authorizer: Authorizer) -> Policy {
    Policy::custom(move |attempt| {
        let from = attempt.previous().last().and_then(address);
        let to = address(attempt.url());
        let stays = from.zip(to).is_some_and(|(from, to)| is_same_server(&from, &to) && authorizer.covers(&to));
        match stays {
            true if attempt.previous().len() > MAX_REDIRECTS => attempt.error("there are too many redirects"),
            true => attempt.follow(),
            false => attempt.stop(),
        }
    })
}

/// The address as it is sent, without its fragment; `None` if HTTP cannot carry it.
pub(crate) fn address(url: &Url) -> Option<Uri> {
    url.as_str().parse().ok()
}

/// Addresses of URLs: they name a port only if it is not that of the scheme.
fn is_same_server(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme() && one.authority() == other.authority()
}

/// What `reqwest` takes off before it follows a redirect to another server.
const KEPT_FROM_OTHERS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
/// As many as `reqwest` follows by itself.
const MAX_REDIRECTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_whether_the_token_went_where_it_came_from() {
        let own = HeaderName::from_static("x-api-key");
        let covers = |uri: &Uri| uri.path().starts_with("/api/") && uri.host() != Some("c.example");
        for (answered, with_authorization, with_own) in [
            ("https://a.example/api/1", Landing::Asked, Landing::Asked),
            ("https://a.example/api/2", Landing::Covered, Landing::Covered),
            ("https://a.example/login", Landing::Outside, Landing::Outside),
            ("http://a.example/login", Landing::WithoutToken, Landing::Outside),
            ("https://a.example:8443/login", Landing::WithoutToken, Landing::Outside),
            ("https://b.example/api/1", Landing::WithoutToken, Landing::Covered),
            ("https://c.example/api/1", Landing::WithoutToken, Landing::Outside),
        ] {
            let landing = |header| {
                Landing::of(&Uri::from_static("https://a.example/api/1"), &Uri::from_static(answered), header, covers)
            };
            assert_eq!((landing(&AUTHORIZATION), landing(&own)), (with_authorization, with_own), "{answered}");
        }
    }
}

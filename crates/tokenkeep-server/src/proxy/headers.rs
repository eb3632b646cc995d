//! Which headers travel: pure functions.
//!
//! What belongs to one connection stays on it (RFC 9110 section 7.6.1), what proves who the caller is stays here, and
//! what a caller says about where it comes from would be taken for our word. That holds for each name that a server may
//! take for one of these: those that make variables of headers do not tell `_` from `-` (RFC 3875 section 4.1.18).

use std::slice;

use http::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::request::Parts;
use http::{Method, Version};
use tokenkeep_api::headers::API_KEY;

use crate::problem::TOKENKEEP_PROBLEM;

/// Whether a header has the API take the request for one with one of these methods.
pub(super) fn overrides_method(headers: &HeaderMap, methods: &[&str]) -> bool {
    let mut overriding = headers.iter().filter(|(name, _)| are_alike(name, &METHOD_OVERRIDES));
    overriding.any(|(_, value)| methods.iter().any(|method| lists(value, method)))
}

/// Makes the headers of a caller's request those of a request to an API that takes tokens under this name.
pub(super) fn to_api(parts: &mut Parts, has_body: bool, token: &HeaderName) {
    let headers = &mut parts.headers;
    let takes_trailers = headers.get_all(TE).iter().any(|value| lists(value, "trailers"));
    remove_those_of_connection(headers);
    remove_those_of_caller(headers, token);
    join_cookies(headers);
    if takes_trailers {
        // RFC 9110 section 10.1.4; the option is left out where a connection knows none.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    // The body of a GET whose length is not known would be taken for none.
    if has_body && !headers.contains_key(CONTENT_LENGTH) && [Method::GET, Method::HEAD].contains(&parts.method) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    headers.append(VIA, via(parts.version));
}

/// Makes the trailers of a caller's request those of a request to an API that takes tokens under this name.
pub(super) fn trailers_to_api(trailers: &mut HeaderMap, token: &HeaderName) {
    remove_those_of_connection(trailers);
    remove_those_of_head(trailers);
    remove_those_of_caller(trailers, token);
    remove(trailers, &METHOD_OVERRIDES, None);
}

/// Makes the headers of an API's answer those of an answer to the caller.
pub(super) fn to_caller(headers: &mut HeaderMap, version: Version) {
    remove_those_of_connection(headers);
    remove_those_of_api(headers);
    // A page of the API that somebody opens in a browser must not act as a page of this server.
    headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.append(VIA, via(version));
}

/// Makes the trailers of an API's answer those of an answer to the caller.
pub(super) fn trailers_to_caller(trailers: &mut HeaderMap) {
    remove_those_of_connection(trailers);
    remove_those_of_head(trailers);
    remove_those_of_api(trailers);
}

/// Whether the connection encodes the body in no way, or in the only one that is undone here.
pub(super) fn is_encoding_known(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = encodings.next();
    first.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"chunked")) && encodings.next().is_none()
}

fn remove_those_of_caller(headers: &mut HeaderMap, token: &HeaderName) {
    remove(headers, &OF_CALLER, Some(X_FORWARDED));
    remove(headers, slice::from_ref(token), None);
}

fn remove_those_of_api(headers: &mut HeaderMap) {
    remove(headers, &OF_API, Some(X_ACCEL));
}

/// Removes what a recipient must have before the body (RFC 9110 section 6.5.1).
fn remove_those_of_head(trailers: &mut HeaderMap) {
    remove(trailers, &OF_HEAD, None);
}

/// Removes what has one of these names or begins with this, or can be taken for that.
fn remove(headers: &mut HeaderMap, names: &[HeaderName], prefix: Option<&str>) {
    for name in names {
        headers.remove(name);
    }
    let is_one = |name: &&HeaderName| {
        are_alike(name, names)
            || prefix.is_some_and(|prefix| {
                name.as_str().get(..prefix.len()).is_some_and(|beginning| is_alike(beginning, prefix))
            })
    };
    let others: Vec<_> = headers.keys().filter(is_one).cloned().collect();
    for name in others {
        headers.remove(name);
    }
}

fn are_alike(name: &HeaderName, names: &[HeaderName]) -> bool {
    names.iter().any(|known| is_alike(name.as_str(), known.as_str()))
}

/// Whether a name can be taken for another one.
fn is_alike(name: &str, other: &str) -> bool {
    let letter = |byte| if byte == b'_' { b'-' } else { byte };
    name.len() == other.len() && name.bytes().map(letter).eq(other.bytes().map(letter))
}

/// Removes what is for the next hop only, and what `Connection` says is.
fn remove_those_of_connection(headers: &mut HeaderMap) {
    // It says where the body ends, whatever length is stated (RFC 9112 section 6.3).
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    remove(headers, &OF_CONNECTION, None);
}

/// HTTP/2 may carry a cookie in parts (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_some() {
        let parts: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(mut whole) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
            whole.set_sensitive(true);
            headers.insert(COOKIE, whole);
        }
    }
}

/// Whether a list, e.g. `gzip, trailers;q=0.5`, has this member.
fn lists(value: &HeaderValue, member: &str) -> bool {
    let mut members = value.to_str().unwrap_or_default().split(',');
    members.any(|found| found.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(member))
}

/// RFC 9110 section 7.6.3: the protocol in which the message came, and a name for us.
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 tokenkeep",
        Version::HTTP_2 => "2 tokenkeep",
        _ => "1.1 tokenkeep",
    })
}

const OF_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What proves who the caller is, says where it comes from, or was meant for this server; and what makes a server take
/// the request for another one than was judged here. `Expect` is fulfilled here, by reading the body.
const OF_CALLER: [HeaderName; 12] = [
    AUTHORIZATION,
    HeaderName::from_static(API_KEY),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("client-cert-chain"),
    EXPECT,
    FORWARDED,
    HOST,
    HeaderName::from_static("x-real-ip"),
    TOKENKEEP_PROBLEM,
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];
const X_FORWARDED: &str = "x-forwarded-";

/// What some servers take the method from.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-http-method"),
];

/// What would be taken for our word, would lead a caller past this server, or would hold for all that it answers.
const OF_API: [HeaderName; 6] = [
    ALT_SVC,
    HeaderName::from_static("proxy-authentication-info"),
    TOKENKEEP_PROBLEM,
    STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("service-worker-allowed"),
];
/// What an nginx between here and the caller would obey.
const X_ACCEL: &str = "x-accel-";

const OF_HEAD: [HeaderName; 5] = [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, TRAILER];

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(method: Method, has_body: bool, headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = method;
        for (name, value) in headers {
            parts.headers.append(*name, HeaderValue::from_static(value));
        }
        to_api(&mut parts, has_body, &HeaderName::from_static("x-own"));
        listed(&parts.headers)
    }

    fn answered(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        to_caller(&mut map, Version::HTTP_2);
        listed(&map)
    }

    /// Sorted by name; what has the same name keeps its order.
    fn listed(headers: &HeaderMap) -> Vec<String> {
        let mut fields: Vec<_> = headers.iter().collect();
        fields.sort_by_key(|(name, _)| name.as_str());
        fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn what_is_for_the_api_reaches_it_and_nothing_else() {
        let headers = [
            ("accept", "text/csv"),
            ("cookie", "a=1"),
            ("connection", "X-One, x-two"),
            ("connection", "keep-alive"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("http2-settings", "AAMAAABkAAQAoAAA"),
            ("expect", "100-continue"),
            ("host", "localhost:8640"),
            ("authorization", "Bearer key"),
            ("x-api-key", "key"),
            ("proxy-authorization", "Basic key"),
            ("client-cert", ":MIIB:"),
            ("client-cert-chain", ":MIIB:"),
            ("forwarded", "for=10.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-client-cert", "Hash=1"),
            ("x-real-ip", "10.0.0.1"),
            ("tokenkeep-problem", "internal"),
            ("x-http-method-override", "PATCH"),
            ("x-original-url", "/admin"),
            ("x_original-url", "/admin"),
            ("x_forwarded_for", "10.0.0.1"),
            ("transfer_encoding", "chunked"),
            ("x_own", "mine"),
            ("x-rewrite-url", "/admin"),
            ("cookie", "b=2"),
            ("via", "1.0 fred"),
        ];
        assert_eq!(
            sent(Method::POST, true, &headers),
            [
                "accept: text/csv",
                "cookie: a=1; b=2",
                "via: 1.0 fred",
                "via: 1.1 tokenkeep",
                "x-http-method-override: PATCH",
                "x-three: 3",
            ]
        );
    }

    #[test]
    fn who_takes_trailers_still_says_so() {
        for te in ["trailers", "gzip, Trailers", "deflate;q=0.5, trailers;q=1"] {
            let sent = sent(Method::GET, false, &[("te", te)]);
            assert_eq!(sent, ["connection: te", "te: trailers", "via: 1.1 tokenkeep"]);
        }
    }

    #[test]
    fn a_body_of_unknown_length_is_one_for_every_method() {
        let chunked = ["transfer-encoding: chunked", "via: 1.1 tokenkeep"];
        assert_eq!(sent(Method::GET, true, &[]), chunked);
        assert_eq!(sent(Method::HEAD, true, &[("transfer-encoding", "chunked")]), chunked);
        assert_eq!(sent(Method::GET, true, &[("content-length", "3")])[0], "content-length: 3");
        assert_eq!(sent(Method::GET, false, &[]), ["via: 1.1 tokenkeep"]);
    }

    #[test]
    fn an_encoding_of_the_connection_outweighs_a_length() {
        let headers = [("content-length", "2"), ("transfer-encoding", "chunked")];
        assert_eq!(sent(Method::POST, true, &headers), ["via: 1.1 tokenkeep"]);
        assert_eq!(answered(&headers), ["content-security-policy: sandbox", "via: 2 tokenkeep"]);
    }

    #[test]
    fn what_is_for_the_caller_reaches_it_and_nothing_else() {
        let headers = [
            ("content-type", "text/html"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("connection", "close, X-One"),
            ("x-one", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "a"),
            ("alt-svc", "h3=\":443\""),
            ("tokenkeep-problem", "forbidden"),
            ("strict-transport-security", "max-age=31536000"),
            ("clear-site-data", "\"*\""),
            ("service-worker-allowed", "/"),
            ("x-accel-redirect", "/internal"),
            ("x-accel-buffering", "no"),
            ("retry-after", "7"),
            ("location", "https://elsewhere.example/"),
            ("www-authenticate", "Bearer error=\"invalid_token\""),
            ("content-security-policy", "default-src 'none'"),
        ];
        assert_eq!(
            answered(&headers),
            [
                "content-security-policy: default-src 'none'",
                "content-security-policy: sandbox",
                "content-type: text/html",
                "location: https://elsewhere.example/",
                "retry-after: 7",
                "set-cookie: a=1",
                "set-cookie: b=2",
                "via: 2 tokenkeep",
                "www-authenticate: Bearer error=\"invalid_token\"",
            ]
        );
    }
}

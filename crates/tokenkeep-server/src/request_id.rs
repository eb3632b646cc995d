//! A name for each request, so that what the caller, this log and an API's log say of it can be laid side by side.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The name of a request. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The one that the caller gave, if it is 1 to [`MAX_LENGTH`] visible ASCII characters, else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(REQUEST_ID).iter();
        match (given.next(), given.next()) {
            // A copy: the header is a part of what was read from the connection, all of which it would keep.
            (Some(id), None) if is_usable(id) => {
                HeaderValue::from_bytes(id.as_bytes()).map_or_else(|_| Self::random(), Self)
            }
            _ => Self::random(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As the value of [`REQUEST_ID`].
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// A new one.
    pub(crate) fn random() -> Self {
        let id = format!("{:032x}", fastrand::u128(..));
        Self(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none")))
    }
}

fn is_usable(id: &HeaderValue) -> bool {
    (1..=MAX_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 128;

//! What an answer says of the token that was sent: a pure function.

use http::StatusCode;

/// Whether a request can be sent a second time.
///
/// ```
/// use tokenkeep_middleware::{Repeat, Verdict};
///
/// // A stream is gone after the first time.
/// let verdict = Verdict::of(http::StatusCode::UNAUTHORIZED, &[401], Repeat::Impossible);
/// assert_eq!(verdict, Verdict::RejectAndPassOn);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Yes: its body was kept, or there is none.
    Possible,
    /// No: its body is gone, or what it asks for may have been done.
    Impossible,
}

impl Repeat {
    /// Possible if there is a second copy of the request.
    ///
    /// ```
    /// # use tokenkeep_middleware::Repeat;
    /// let request = http::Request::new("a text");
    /// assert_eq!(Repeat::of(Some(&request.clone())), Repeat::Possible);
    /// ```
    pub fn of<T>(copy: Option<&T>) -> Self {
        if copy.is_some() { Self::Possible } else { Self::Impossible }
    }
}

/// What becomes of an answer; the example of [`crate::Authorizer`] acts on each.
///
/// ```
/// use tokenkeep_middleware::{Repeat, Verdict};
///
/// assert_eq!(Verdict::of(http::StatusCode::OK, &[401], Repeat::Possible), Verdict::PassOn);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is for the caller.
    PassOn,
    /// It is for the caller, but no other request is to be sent with this token.
    RejectAndPassOn,
    /// The same request is sent once more, with another token.
    RejectAndRepeat,
}

impl Verdict {
    /// Judges an answer to a request with a token by the statuses that refuse one; see
    /// [`tokenkeep::provider::ApiSettings::reject_on`].
    ///
    /// ```
    /// use http::StatusCode;
    /// use tokenkeep_middleware::{Repeat, Verdict};
    ///
    /// assert_eq!(Verdict::of(StatusCode::UNAUTHORIZED, &[401], Repeat::Possible), Verdict::RejectAndRepeat);
    /// assert_eq!(Verdict::of(StatusCode::UNAUTHORIZED, &[401], Repeat::Impossible), Verdict::RejectAndPassOn);
    /// assert_eq!(Verdict::of(StatusCode::FORBIDDEN, &[401], Repeat::Possible), Verdict::PassOn);
    /// ```
    pub fn of(status: StatusCode, reject_on: &[u16], repeat: Repeat) -> Self {
        match (reject_on.contains(&status.as_u16()), repeat) {
            (false, _) => Self::PassOn,
            (true, Repeat::Impossible) => Self::RejectAndPassOn,
            (true, Repeat::Possible) => Self::RejectAndRepeat,
        }
    }
}

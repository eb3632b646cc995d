//! Why a call came to nothing: the broker said no, or there was no answer.

use std::error::Error as _;
use std::time::Duration;

use crate::{Problem, ProblemCode};

/// Why a call came to nothing. It holds no secret, and no URL's query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The broker answered no.
    #[error("{}{}", problem.key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default(), problem.detail)]
    Answered {
        /// The HTTP status.
        status: u16,
        /// What went wrong, and what to do about it.
        problem: Problem,
    },
    /// There is no connection to the broker.
    #[error("{server} cannot be reached: {cause}")]
    Unreachable {
        /// The broker.
        server: String,
        /// What the system says.
        cause: String,
    },
    /// What answers there shows a certificate that is not trusted. Nothing was sent.
    #[error("the certificate of {server} is not trusted: {cause}")]
    Untrusted {
        /// The broker.
        server: String,
        /// What is wrong with the certificate, as the TLS library names it, e.g. `UnknownIssuer`.
        cause: String,
    },
    /// The broker took the call and did not answer it whole: whether it did what it was told is not known.
    #[error("{server} did not answer: {cause}")]
    Interrupted {
        /// The broker.
        server: String,
        /// What happened to the connection, or that the time was over.
        cause: String,
    },
    /// Something answered that does not speak as a broker does.
    #[error("{server} answered {status} in a form that no tokenkeep server uses; is it one, and not too old?")]
    Unexpected {
        /// Where the broker should be.
        server: String,
        /// The HTTP status.
        status: u16,
        /// What `Retry-After` says, in seconds.
        retry_after: Option<u64>,
    },
    /// The settings of the client, or what it was asked for, cannot be. Nothing was sent.
    #[error("{0}")]
    Invalid(String),
}

impl ClientError {
    /// What the broker said, if it said no.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Answered { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// What the caller will do about it.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Answered { problem, .. } => problem.code,
            // Answers in another form are mostly those of a gateway before the broker.
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Interrupted { .. }
            | Self::Unexpected { status: 408 | 429 | 500.., .. } => ProblemCode::Unavailable,
            Self::Unexpected { status: 401, .. } => ProblemCode::Unauthenticated,
            Self::Unexpected { status: 403, .. } => ProblemCode::Forbidden,
            Self::Unexpected { .. } | Self::Invalid(_) => ProblemCode::InvalidRequest,
        }
    }

    /// When trying again can help, if that was said.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Answered { problem, .. } => problem.retry_after,
            Self::Unexpected { retry_after, .. } => *retry_after,
            _ => None,
        };
        seconds.map(Duration::from_secs)
    }

    /// Whether the same call, made later, may succeed without anybody changing it or the caller's rights. That an issuer
    /// refuses, or that a person must log in, is mended elsewhere.
    pub fn can_mend(&self) -> bool {
        use ProblemCode::{Forbidden, Internal, InvalidRequest, LoginRequired, Refused, Unauthenticated, UnknownKey};
        match self.code() {
            Refused | LoginRequired | ProblemCode::Unavailable | Internal => true,
            InvalidRequest | Unauthenticated | Forbidden | UnknownKey => false,
            ProblemCode::Unknown => matches!(self, Self::Answered { status: 408 | 429 | 500.., .. }),
        }
    }
}

impl ClientError {
    /// There is no connection to this broker, because of this.
    pub(super) fn not_connected(server: String, cause: String) -> Self {
        match cause.strip_prefix(BAD_CERTIFICATE) {
            Some(cause) => Self::Untrusted { server, cause: cause.to_owned() },
            None => Self::Unreachable { server, cause },
        }
    }
}

/// The first cause, which says most; the ones around it repeat the URL.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = if error.is_timeout() { "the time was over" } else { "the connection failed" }.to_owned();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    if text == NO_TLS { "what listens there does not speak TLS".to_owned() } else { text }
}

/// What rustls says of an answer that is none of TLS.
const NO_TLS: &str = "received corrupt message of type InvalidContentType";
/// What rustls begins each error with that is about a certificate.
const BAD_CERTIFICATE: &str = "invalid peer certificate: ";

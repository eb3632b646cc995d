//! The refusals that the sandbox can answer, with their words on the wire.

use serde::{Deserialize, Serialize};

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The form cannot be read, or lacks a parameter.
    InvalidRequest,
    /// No such client, or a wrong secret.
    InvalidClient,
    /// A wrong password, or a refresh token that is unknown or revoked.
    InvalidGrant,
    /// A refresh token that was used before; `invalid_grant` on the wire.
    SpentRefreshToken,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// No such grant.
    UnsupportedGrantType,
    /// More scope than the client may have.
    InvalidScope,
    /// A wrong name or password at `POST /login`.
    BadLogin,
    /// Anything but a live token at the protected API.
    InvalidToken,
}

impl Refusal {
    /// The `error` of the answer.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant | Self::SpentRefreshToken => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::BadLogin => "bad_login",
            Self::InvalidToken => "invalid_token",
        }
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::BadLogin | Self::InvalidToken => 401,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::SpentRefreshToken
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope => 400,
        }
    }

    /// The `WWW-Authenticate` of the answer, if it has one.
    pub(crate) fn challenge(self) -> Option<&'static str> {
        match self {
            // RFC 6749 section 5.2: the scheme that the client may use.
            Self::InvalidClient => Some(r#"Basic realm="sandbox""#),
            // RFC 6750 section 3.
            Self::InvalidToken => Some(r#"Bearer error="invalid_token""#),
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::SpentRefreshToken
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::BadLogin => None,
        }
    }

    /// This refusal with the sentence that goes out as `error_description`.
    pub(crate) fn because(self, description: &'static str) -> Refused {
        Refused { refusal: self, description }
    }
}

/// A refusal and its `error_description`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) description: &'static str,
}

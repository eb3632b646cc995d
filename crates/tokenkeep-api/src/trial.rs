//! `POST /tokens/{key}/credentials/test`: a login that was tried out, step by step.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// What a login that was tried out came to. It holds no secret: `‹name›` stands where a value was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialAnswer {
    /// Whose login it was: `provider` or `provider:account`.
    pub key: String,
    /// Who was asked: a host, or what stands for it.
    pub issuer: String,
    /// Whether it brought a token.
    pub ok: bool,
    /// Each request of a recipe, in order; empty for a grant that makes the one of its protocol.
    pub steps: Vec<TrialStep>,
    /// What is told of the token; `null` if there is none.
    pub token: Option<TrialToken>,
    /// Why there is no token; `null` if there is one.
    pub problem: Option<Problem>,
}

/// One request of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialStep {
    /// Which one it is: `step 1`, `login`, `refresh`.
    pub name: String,
    /// Its method.
    pub method: String,
    /// Its address, with `‹name›` for each value, and of a query only what the recipe names.
    pub url: String,
    /// Headers that the recipe adds, values as `‹name›`.
    pub headers: Vec<String>,
    /// Its body in one line, values as `‹name›`; `null` if it has none.
    pub body: Option<String>,
    /// What came; `null` if nothing did.
    pub answer: Option<TrialReply>,
    /// What was found in it, and where.
    pub found: Vec<String>,
}

/// What is told of the answer to one request of a login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialReply {
    /// The HTTP status.
    pub status: u16,
    /// What it says it is; `null` if it does not.
    pub content_type: Option<String>,
    /// The size of its body.
    pub bytes: u64,
    /// What it is.
    pub kind: String,
}

/// What is told of the token of a login that was tried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrialToken {
    /// `Bearer`, or what the issuer said instead.
    pub token_type: String,
    /// The scope that the issuer granted; `null` if it named none.
    pub scope: Option<String>,
    /// Seconds of its life; `null` for a token that does not end.
    pub life: Option<u64>,
    /// Whether the issuer says so; if not, configuration does.
    pub life_is_stated: bool,
    /// Whether a refresh token came with it.
    pub has_refresh_token: bool,
}

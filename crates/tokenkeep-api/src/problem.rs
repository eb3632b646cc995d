//! Every answer that is no success: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};

/// What went wrong, and what to do about it. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// What the caller will do about it.
    pub code: ProblemCode,
    /// The code in words; the same for every problem of this code.
    pub title: String,
    /// What happened this time, and the next thing to try.
    pub detail: String,
    /// The next thing to try by itself; left out if `detail` says nothing of it, or does so in one sentence. With it,
    /// `detail` is what happened, `; ` and this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Which key it is about; left out if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Seconds after which trying again can help, rounded up; the same as the header `Retry-After`. Always there with
    /// [`ProblemCode::Unavailable`], unless what was asked may have been done, and mostly left out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// What the caller will do about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// Fix the call.
    InvalidRequest,
    /// Send the right API key.
    Unauthenticated,
    /// Not allowed to this caller, or from there.
    Forbidden,
    /// There is no such provider or account.
    UnknownKey,
    /// A person must log in or give credentials again.
    LoginRequired,
    /// The issuer says no: fix configuration or credentials.
    Refused,
    /// Try later.
    Unavailable,
    /// A fault of the broker.
    Internal,
    /// A word that this version does not know; the HTTP status says more.
    #[serde(other)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    Unknown,
}

impl Problem {
    /// What happened, without the advice of [`Problem::next`].
    ///
    /// ```
    /// # use tokenkeep_api::Problem;
    /// let problem: Problem = serde_json::from_str(
    ///     r#"{"code":"refused","title":"t","detail":"it says no; check client_id","next":"check client_id"}"#,
    /// )?;
    /// assert_eq!(problem.what(), "it says no");
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    pub fn what(&self) -> &str {
        let without = |next: &String| self.detail.strip_suffix(next.as_str())?.strip_suffix("; ");
        self.next.as_ref().and_then(without).unwrap_or(&self.detail)
    }
}

impl ProblemCode {
    /// The word as it stands in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::UnknownKey => "unknown_key",
            Self::LoginRequired => "login_required",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_newer_broker_is_unknown_and_no_error() {
        let problem: Problem =
            serde_json::from_str(r#"{"code":"on_holiday","title":"t","detail":"d","more":{}}"#).unwrap();
        assert_eq!((problem.code, problem.key, problem.retry_after), (ProblemCode::Unknown, None, None));
    }

    #[test]
    fn a_code_is_the_same_word_in_json_and_in_text() {
        for code in [
            ProblemCode::InvalidRequest,
            ProblemCode::Unauthenticated,
            ProblemCode::Forbidden,
            ProblemCode::UnknownKey,
            ProblemCode::LoginRequired,
            ProblemCode::Refused,
            ProblemCode::Unavailable,
            ProblemCode::Internal,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn what_a_problem_does_not_say_is_left_out() {
        let problem = Problem {
            code: ProblemCode::UnknownKey,
            title: "Unknown key".to_owned(),
            detail: "there is no such provider".to_owned(),
            next: None,
            key: None,
            retry_after: None,
        };
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"code":"unknown_key","title":"Unknown key","detail":"there is no such provider"}"#
        );
    }
}

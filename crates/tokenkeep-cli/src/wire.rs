//! Tokens and statuses as JSON: the same that the server answers.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokenkeep::status::FailureStatus;
use tokenkeep::{Answer, Key, KeyState, Status, Warning};
use tokenkeep_api::{FailureAnswer, State, StatusAnswer, TokenAnswer, WarningAnswer};

/// As `GET /tokens/{key}` answers.
pub(crate) fn token(key: &Key, answer: &Answer) -> TokenAnswer {
    let token = &answer.token;
    TokenAnswer {
        key: key.to_string(),
        access_token: token.expose_secret().to_owned(),
        token_type: token.token_type().to_owned(),
        expires_in: token.expires_in().map(|left| left.as_secs()),
        expires_at: instant(token.expires_at()),
        scope: token.scope().map(ToOwned::to_owned),
        generation: token.generation(),
        warnings: answer.warnings.iter().map(warning).collect(),
    }
}

/// As `GET /tokens/{key}/status` answers.
pub(crate) fn status(status: &Status) -> StatusAnswer {
    StatusAnswer {
        key: status.key.to_string(),
        issuer: status.issuer.clone(),
        state: state(status.state),
        reason: status.reason.clone(),
        generation: status.generation,
        expires_in: status.expires_in.map(|left| left.as_secs()),
        expires_at: instant(status.expires_at),
        obtained_at: instant(status.obtained_at),
        life: status.life.map(|life| life.as_secs()),
        refresh_in: status.refresh_in.map(|left| left.as_secs()),
        consecutive_failures: status.consecutive_failures,
        failure: status.failure.as_ref().map(failure),
        warnings: status.warnings.iter().map(warning).collect(),
    }
}

/// Whole seconds of a wait, rounded up: an attempt at the time that was said must not come too early.
pub(crate) fn seconds_to_wait(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn state(state: KeyState) -> State {
    State::ALL.into_iter().find(|known| known.as_str() == state.as_str()).unwrap_or(State::Unknown)
}

fn failure(failure: &FailureStatus) -> FailureAnswer {
    FailureAnswer {
        kind: failure.kind.as_str().to_owned(),
        detail: failure.what.clone(),
        next: failure.next.clone(),
        since: instant(failure.since),
        retry_in: failure.retry_in.map(seconds_to_wait),
    }
}

fn warning(warning: &Warning) -> WarningAnswer {
    let code = match warning {
        Warning::RefreshFailing { .. } => "refresh_failing",
        Warning::BufferClamped { .. } => "buffer_clamped",
        Warning::Unsaved => "unsaved",
        Warning::StoreFailing { .. } => "store_failing",
        _ => "other",
    };
    WarningAnswer { code: code.to_owned(), detail: warning.to_string() }
}

fn instant(time: Option<SystemTime>) -> Option<String> {
    let seconds = time?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Timestamp::from_second(seconds.try_into().ok()?).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_whole_seconds_and_a_wait_never_too_short() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_999);
        assert_eq!(instant(Some(time)).as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(seconds_to_wait(Duration::from_millis(3001)), 4);
        assert_eq!(seconds_to_wait(Duration::from_secs(3)), 3);
    }
}

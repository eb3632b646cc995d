//! From what the engine says to what travels: for the routes, and for whoever else answers in the same form.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokenkeep::source;
use tokenkeep::status::FailureStatus;
use tokenkeep::{Answer, Error, Key, KeyState, Obstacle, Stats, Status, Trial, TrialLife, Warning};
use tokenkeep_api::{
    FailureAnswer, Problem, State, StatsAnswer, StatusAnswer, TokenAnswer, TrialAnswer, TrialReply, TrialStep,
    TrialToken, WarningAnswer,
};

use crate::caller::Caller;

/// A token that was just handed out.
pub fn token(key: &Key, answer: &Answer) -> TokenAnswer {
    let token = &answer.token;
    TokenAnswer {
        key: key.to_string(),
        access_token: token.expose_secret().to_owned(),
        token_type: token.token_type().to_owned(),
        expires_in: token.expires_in().map(|left| left.as_secs()),
        expires_at: token.expires_at().and_then(time),
        scope: token.scope().map(ToOwned::to_owned),
        generation: token.generation(),
        warnings: answer.warnings.iter().map(warning).collect(),
    }
}

/// How many tokens are kept.
pub fn stats(stats: &Stats) -> StatsAnswer {
    StatsAnswer {
        total_cached: stats.total_cached,
        valid_tokens: stats.valid_tokens,
        expired_tokens: stats.expired_tokens,
        expiring_soon: stats.expiring_soon,
    }
}

/// The status of a key.
pub fn status(status: &Status) -> StatusAnswer {
    StatusAnswer {
        key: status.key.to_string(),
        issuer: status.issuer.clone(),
        state: state(status.state),
        reason: status.reason.clone(),
        generation: status.generation,
        expires_in: status.expires_in.map(|left| left.as_secs()),
        expires_at: status.expires_at.and_then(time),
        obtained_at: status.obtained_at.and_then(time),
        life: status.life.map(|life| life.as_secs()),
        refresh_in: status.refresh_in.map(|left| left.as_secs()),
        consecutive_failures: status.consecutive_failures,
        failure: status.failure.as_ref().map(failure),
        obstacle: status.obstacle.map(obstacle),
        warnings: status.warnings.iter().map(warning).collect(),
    }
}

/// A login that was tried out.
pub fn trial(trial: &Trial) -> TrialAnswer {
    TrialAnswer {
        key: trial.key.to_string(),
        issuer: trial.issuer.clone(),
        ok: trial.outcome.is_ok(),
        steps: trial.steps.iter().map(step).collect(),
        token: trial.outcome.as_ref().ok().map(trial_token),
        problem: trial.outcome.as_ref().err().map(problem),
    }
}

/// What went wrong.
pub fn problem(error: &Error) -> Problem {
    crate::problem::Problem::from(error.clone()).into_body()
}

/// A state in the word that travels.
pub(crate) fn state(state: KeyState) -> State {
    match state {
        KeyState::Fresh => State::Fresh,
        KeyState::Due => State::Due,
        KeyState::Expiring => State::Expiring,
        KeyState::Expired => State::Expired,
        KeyState::Absent => State::Absent,
        KeyState::BackingOff => State::BackingOff,
        KeyState::Refused => State::Refused,
        KeyState::LoginRequired => State::LoginRequired,
        _ => State::Unknown,
    }
}

/// A warning with its word for programs.
fn warning(warning: &Warning) -> WarningAnswer {
    WarningAnswer { code: warning.code().to_owned(), detail: warning.to_string() }
}

/// A token for this caller.
pub(crate) fn token_for(caller: &Caller, key: &Key, answer: &Answer) -> TokenAnswer {
    let warnings = answer.warnings.iter().map(|warning| warning_for(caller, warning)).collect();
    TokenAnswer { warnings, ..token(key, answer) }
}

/// A status for this caller.
pub(crate) fn status_for(caller: &Caller, of: &Status) -> StatusAnswer {
    let warnings = of.warnings.iter().map(|warning| warning_for(caller, warning)).collect();
    StatusAnswer { warnings, ..status(of) }
}

/// A warning for this caller: how a store fails names keys and paths, which are for who may see everything.
pub(crate) fn warning_for(caller: &Caller, of: &Warning) -> WarningAnswer {
    match of {
        Warning::StoreFailing { .. } if caller.sight().is_some() => {
            WarningAnswer { detail: STORE_FAILING.to_owned(), ..warning(of) }
        }
        of => warning(of),
    }
}

fn obstacle(obstacle: Obstacle) -> tokenkeep_api::Obstacle {
    match obstacle {
        Obstacle::NoCredentials => tokenkeep_api::Obstacle::NoCredentials,
        Obstacle::Unreadable => tokenkeep_api::Obstacle::Unreadable,
        _ => tokenkeep_api::Obstacle::Unknown,
    }
}

fn step(step: &source::TrialStep) -> TrialStep {
    TrialStep {
        name: step.name.clone(),
        method: step.method.to_owned(),
        url: step.url.clone(),
        headers: step.headers.clone(),
        body: step.body.clone(),
        answer: step.answer.as_ref().map(|answer| TrialReply {
            status: answer.status,
            content_type: answer.content_type.as_deref().map(ToOwned::to_owned),
            bytes: answer.bytes as u64,
            kind: answer.kind.clone(),
        }),
        found: step.found.clone(),
    }
}

fn trial_token(token: &tokenkeep::TrialToken) -> TrialToken {
    let (life, life_is_stated) = match token.life {
        TrialLife::Stated(life) => (Some(life), true),
        TrialLife::Assumed(life) => (Some(life), false),
        TrialLife::Endless => (None, true),
    };
    TrialToken {
        token_type: token.token_type.clone().into(),
        scope: token.scope.as_deref().map(ToOwned::to_owned),
        life: life.map(|life| life.as_secs()),
        life_is_stated,
        has_refresh_token: token.has_refresh_token,
    }
}

fn failure(failure: &FailureStatus) -> FailureAnswer {
    FailureAnswer {
        kind: failure.kind.as_str().to_owned(),
        detail: failure.what.clone(),
        next: failure.next.clone(),
        since: failure.since.and_then(time),
        retry_in: failure.retry_in.map(seconds_up),
    }
}

/// Whole seconds, rounded up: who waits so long has waited long enough.
pub(crate) fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// RFC 3339 in UTC with whole seconds, rounded down.
pub(crate) fn time(time: SystemTime) -> Option<String> {
    let seconds = Timestamp::try_from(time).ok()?.as_millisecond().div_euclid(1000);
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

const STORE_FAILING: &str = "the store does not work; the broker's log says why";

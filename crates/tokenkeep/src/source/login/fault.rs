//! Whether an answer is a good one, and what to do if it is not.

use std::fmt;

use super::answer::{Answer, ErrorText};
use super::unfit::Unfit;
use super::values::Values;
use crate::key::Key;
use crate::provider::login::{Part, Sign, Verdict};
use crate::source::{Fault, FetchError};

/// What an answer is.
pub(super) enum Judgement {
    /// It can be looked into.
    Good,
    /// It says no, in these words if any.
    Bad(Reason),
}

/// Why an answer is no good one.
pub(super) enum Reason {
    /// Its status.
    Status(Option<String>),
    /// What it says, whatever its status is.
    Said(Option<String>),
}

/// Judges an answer by the recipe's signs.
pub(super) fn judge(answer: &Answer, verdict: &Verdict) -> Judgement {
    let status = answer.status();
    let error = verdict.error.as_ref().and_then(|place| answer.error(place));
    let has_error = error.is_some();
    let message = error.and_then(|error| match error {
        ErrorText::Text(text) => Some(text),
        ErrorText::None => None,
    });
    let is_good_status = match verdict.ok {
        Some(Sign::Status(good)) => status.as_u16() == good,
        Some(Sign::Value(..)) | None => status.is_success(),
    };
    // SOAP 1.1 section 6.2: a fault comes with 500, also that of a wrong password.
    let is_fault =
        status.as_u16() == 500 && verdict.error.as_ref().is_some_and(|place| matches!(place.part, Part::Xml(_)));
    if !(is_good_status || is_fault && has_error) {
        return Judgement::Bad(Reason::Status(message));
    }
    let is_good = match &verdict.ok {
        Some(Sign::Value(place, expected)) => answer.is(place, expected),
        Some(Sign::Status(_)) | None => !has_error,
    };
    if is_good { Judgement::Good } else { Judgement::Bad(Reason::Said(message)) }
}

/// Which request of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// This one of those before the login.
    Step(usize),
    /// The one that brings the token.
    Login,
    /// The one that brings the next token.
    Refresh,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(number) => write!(f, "step {number}"),
            Self::Login => f.write_str("login"),
            Self::Refresh => f.write_str("refresh"),
        }
    }
}

/// One request, for the errors about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange<'a> {
    pub(super) key: &'a Key,
    pub(super) host: &'a str,
    pub(super) asked: Asked,
    /// Whether there is no other request that it could be taken for.
    pub(super) is_alone: bool,
}

impl Exchange<'_> {
    /// No answer came.
    pub(super) fn unanswered(self, what: &str) -> FetchError {
        FetchError::new(Fault::Unavailable, format!("{} {what}", self.host))
    }

    /// A good answer came that is of no use.
    pub(super) fn broken(self, answer: &Answer, what: &str) -> FetchError {
        FetchError::new(self.fault(Fault::Unavailable), format!("{} {what}", self.answered(answer)))
    }

    /// No request could be made. Nothing was asked.
    pub(super) fn unfit(self, unfit: Unfit, values: &Values<'_>) -> FetchError {
        let error = unfit.into_error(self.key, values);
        FetchError { fault: self.fault(error.fault), ..error }
    }

    /// What a failure means that lasts. That a refresh brings no token does not say that the login would bring none.
    fn fault(self, fault: Fault) -> Fault {
        match self.asked {
            Asked::Step(_) | Asked::Login => fault,
            Asked::Refresh => Fault::RefreshTokenRefused,
        }
    }

    /// An answer came that is no good one.
    pub(super) fn refused(self, answer: &Answer, reason: Reason) -> FetchError {
        let status = answer.status().as_u16();
        let (message, said) = match reason {
            Reason::Status(message) => (message, ""),
            Reason::Said(message) => (message, " with an error"),
        };
        let (fault, advice) = if said.is_empty() { of_status(status) } else { (Fault::Refused, Advice::Credentials) };
        let mut what = format!("{}{said}", self.answered(answer));
        if let Some(message) = message {
            what = format!("{what}: {}", answer.echoes().line_without(&message, MAX_MESSAGE));
        }
        let fault = if fault == Fault::Refused { self.fault(fault) } else { fault };
        let next = match advice {
            Advice::Wait => None,
            Advice::Credentials => Some(format!("check the credentials of {}", self.key)),
            Advice::Address => Some(format!("check the address of the {}", self.asked)),
            Advice::Redirect => Some(format!(
                "redirects are not followed: give the {} its final address, or, if good answers look like this, \
                 ok = {{ status = {status} }}",
                self.asked
            )),
            Advice::Recipe => Some(format!("check what the {} sends", self.asked)),
        };
        FetchError { fault, what, next, retry_after: answer.http().retry_after, rotated: None }
    }

    fn answered(self, answer: &Answer) -> String {
        let status = answer.status().as_u16();
        match (self.is_alone, self.asked) {
            (true, _) => format!("{} answered {status}", self.host),
            (false, Asked::Step(number)) => format!("{} answered {status} to step {number}", self.host),
            (false, asked) => format!("{} answered {status} to the {asked}", self.host),
        }
    }
}

/// What a person could try.
#[derive(Clone, Copy)]
enum Advice {
    Wait,
    Credentials,
    Address,
    Redirect,
    Recipe,
}

fn of_status(status: u16) -> (Fault, Advice) {
    match status {
        429 => (Fault::RateLimited, Advice::Wait),
        500.. | 408 | 425 => (Fault::Unavailable, Advice::Wait),
        300..400 => (Fault::Refused, Advice::Redirect),
        400 | 401 | 403 | 422 => (Fault::Refused, Advice::Credentials),
        404 | 405 | 410 => (Fault::Refused, Advice::Address),
        400.. => (Fault::Refused, Advice::Recipe),
        // A good answer, but not the one that the recipe waits for.
        _ => (Fault::Refused, Advice::Credentials),
    }
}

const MAX_MESSAGE: usize = 200;

//! What an operator does by hand.

use tokenkeep::Code;
use tokenkeep_api::{CleanupAnswer, StatsAnswer};

use super::operation::Access::Permission;
use super::operation::{Form, Operation, Subject};
use super::tokens::{FETCHING, KEY, status};

pub(super) fn operations() -> Vec<Operation> {
    let of = |method, path, id, summary| Operation::new(Subject::Management, method, path, id, summary);
    vec![
        of("POST", "/tokens/{key}/refresh", "refreshToken", "A new token now, whatever the present one is like")
            .about(
                "Passes over the back-off after failures, but not over the provider's budget, and not faster than once \
                 a second. If it fails, the present token stays.",
            )
            .access(Permission("refresh"))
            .path("key", Form::Key, KEY)
            .query("fallback", Form::Flag, "By the provider's fallback, where one is configured.")
            .answers(200, "The status afterwards.", &status())
            .problems(&FETCHING),
        of("DELETE", "/tokens/{key}", "clearToken", "Forget a token")
            .about("The next who asks has a new one obtained. Generations go on counting.")
            .access(Permission("refresh"))
            .path("key", Form::Key, KEY)
            .answers_nothing("It is forgotten, or there was none.")
            .problems(&[Code::UnknownKey, Code::Unavailable]),
        of("GET", "/tokens/stats", "getStats", "How many tokens are kept, and how many of them are good")
            .about("Counts those that the caller may see.")
            .query("provider", Form::Provider, "Only keys of this provider.")
            .answers(200, "The counts.", &stats())
            .problems(&[Code::UnknownKey]),
        of("POST", "/tokens/cleanup", "cleanUp", "Throw out tokens that have been over for a while")
            .about("Happens by itself too. Only for callers who may administer all keys.")
            .access(Permission("admin"))
            .answers(200, "How many it were.", &CleanupAnswer { removed: 1 })
            .problems(&[Code::Unavailable]),
    ]
}

pub(super) fn stats() -> StatsAnswer {
    StatsAnswer { total_cached: 5, valid_tokens: 3, expired_tokens: 1, expiring_soon: 1 }
}

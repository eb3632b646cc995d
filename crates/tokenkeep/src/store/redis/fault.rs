//! From the errors of the server and of the way to it to words that say what to do.
//!
//! What a server says can repeat the arguments of a command, so it is only searched for codes and never shown.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::url::Host;

/// Why the server did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// What happened, in a lowercase fragment without any record's content.
    pub(super) what: String,
    /// Whether the server is well, so that trying again may help.
    pub(super) is_busy: bool,
    /// What it says of the connection.
    pub(super) then: Then,
    /// Whether only this key is not what it should be.
    pub(super) is_about_the_key: bool,
    /// Where the cluster has the slot.
    pub(super) moved_to: Option<Box<str>>,
}

/// What a fault says of the connection and of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The connection is well.
    Stay,
    /// It is over; whether the call was done is not known.
    Lost,
    /// The same, and the time of the call is used up.
    TimedOut,
    /// The call was not done; another server would, if one is found.
    LookElsewhere,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        let (what, then) = (what.into(), Then::Stay);
        Self { what, is_busy: false, then, is_about_the_key: false, moved_to: None }
    }

    /// The same with the place where it happened.
    pub(super) fn at(mut self, place: Option<&Host>) -> Self {
        if let Some(place) = place {
            self.what = format!("{place}: {}", self.what);
        }
        self
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let then = |what: &str, then| Self { then, ..Self::new(what) };
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self { is_busy: true, ..then(NO_ANSWER, Then::TimedOut) },
            ErrorKind::Io if error.is_connection_refusal() => then(REFUSED, Then::Lost),
            ErrorKind::Io if error.is_connection_dropped() => then("the connection was lost", Then::Lost),
            // The words of the system and of TLS, which know nothing of what was sent.
            ErrorKind::Io => then(&format!("no connection: {error}"), Then::Lost),
            ErrorKind::AuthenticationFailed => then(WRONG_PASSWORD, Then::Lost),
            ErrorKind::Parse => then(NO_REDIS, Then::Lost),
            ErrorKind::RESP3NotSupported => Self::new(TOO_OLD),
            ErrorKind::UnexpectedReturnType => Self { is_about_the_key: true, ..Self::new(NOT_OURS) },
            ErrorKind::Server(ServerErrorKind::Moved) => {
                let moved_to = error.redirect_node().map(|(node, _)| node.into());
                Self { moved_to, ..then("the slot of the store has moved to another node", Then::LookElsewhere) }
            }
            _ => of_server(error.code().unwrap_or_default(), error.detail().unwrap_or_default()),
        }
    }
}

/// What a server's answer says. Before Redis 7 the answers to commands in a script stand within another one, so a code is
/// looked for everywhere.
fn of_server(code: &str, detail: &str) -> Fault {
    let words = || std::iter::once(code).chain(detail.split_whitespace()).map(|word| word.trim_matches(['-', ':']));
    if let Some((_, what, is_busy, then)) = words().find_map(|word| CODES.iter().find(|(code, ..)| *code == word)) {
        return Fault { is_busy: *is_busy, then: *then, is_about_the_key: *what == NOT_OURS, ..Fault::new(*what) };
    }
    if code == LATER_FORM {
        return Fault::new(WRITTEN_LATER);
    }
    if let Some((_, what)) = TEXTS.iter().find(|(text, _)| detail.contains(text)) {
        return Fault::new(*what);
    }
    // A code is one of the server's own words, if it looks like one.
    let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase());
    Fault::new(format!("the server answered with the error {}; look into its log", if is_code { code } else { "ERR" }))
}

/// Codes of servers, what they mean, whether the server is well, and what becomes of the connection.
const CODES: [(&str, &str, bool, Then); 18] = [
    ("WRONGPASS", WRONG_PASSWORD, false, Then::Lost),
    ("NOAUTH", "the server wants a password; write redis://USER:PASSWORD@HOST, or :PASSWORD", false, Then::Lost),
    ("NOPERM", FORBIDDEN, false, Then::Stay),
    (
        "READONLY",
        "the server is a replica, and cannot be written to; name the master, or the Sentinels that know it",
        true,
        Then::LookElsewhere,
    ),
    ("LOADING", "the server has just started, and is still reading what it has on its disk", true, Then::Stay),
    (
        "OOM",
        "the server's memory is full (maxmemory); give it more, or let others than this store be evicted",
        false,
        Then::Stay,
    ),
    (
        "MISCONF",
        "the server cannot write to its disk, and takes no writes until it can; look at its disk and its log",
        false,
        Then::Stay,
    ),
    ("MASTERDOWN", "the server is a replica that has lost its master", false, Then::LookElsewhere),
    (
        "NOREPLICAS",
        "the server has fewer replicas than it wants before it writes (min-replicas-to-write)",
        false,
        Then::Stay,
    ),
    ("CLUSTERDOWN", "the cluster is down: nobody has the slot of the store", false, Then::LookElsewhere),
    ("ASK", MOVING, true, Then::Stay),
    ("TRYAGAIN", MOVING, true, Then::Stay),
    ("CROSSSLOT", "the server takes the keys of one store for those of several slots", false, Then::Stay),
    ("BUSY", "another script keeps the server busy", true, Then::Stay),
    ("UNKILLABLE", "another script keeps the server busy", true, Then::Stay),
    ("NOSCRIPT", "the server forgets scripts as soon as it has them", false, Then::Stay),
    ("WRONGTYPE", NOT_OURS, false, Then::Stay),
    (
        "DENIED",
        "the server is in protected mode: it has no password, and answers its own machine alone",
        false,
        Then::Lost,
    ),
];

/// Parts of what servers say without a code.
const TEXTS: [(&str, &str); 7] = [
    ("ACL failure in script", FORBIDDEN),
    ("The user executing the script can't", FORBIDDEN),
    ("max number of clients", "the server has as many connections as it allows (maxclients)"),
    // What remains of NOPERM when the client makes its connection.
    ("has no permissions to run", FORBIDDEN),
    ("DB index is out of range", "the server has no database of this number"),
    ("SELECT is not allowed", "a cluster has no databases but 0"),
    (
        "unknown command",
        "the server does not know a command; tokenkeep needs Redis 6.2 or newer, or Valkey, with none renamed",
    ),
];

/// As `save.lua` says it.
const LATER_FORM: &str = "LATERFORM";
pub(super) const WRITTEN_LATER: &str = "what is there was written by a later tokenkeep; use that";
const FORBIDDEN: &str = "the user may not do it; give it the rights that docs/stores.md lists (ACL SETUSER), on the keys and \
                         the channel of this prefix, and +select for another database than 0";
const WRONG_PASSWORD: &str = "the server does not know this user with this password";
const REFUSED: &str = "the connection was refused; look whether the server runs there";
const NO_ANSWER: &str = "the server did not answer in time";
const NO_REDIS: &str = "what answers there is no Redis server, or one by TLS only (rediss:)";
const TOO_OLD: &str = "the server is older than Redis 6; tokenkeep needs 6.2 or newer, or Valkey";
const NOT_OURS: &str = "another program has keys with the names of this store; give the store a prefix of its own";
const MOVING: &str = "the cluster is just moving the slot of the store to another node";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_where_servers_before_7_put_it() {
        let nested = "Error running script (call to f_6b1b): @user_script:20: @user_script: 20: -READONLY You can't write \
                      against a read only replica.";
        assert_eq!(of_server("ERR", nested).then, Then::LookElsewhere);
        assert_eq!(of_server("ERR", nested), of_server("READONLY", "You can't write against a read only replica."));
        let full = "Error running script (call to f_6b1b): @user_script:20: @user_script: 20: -OOM command not allowed";
        assert!(of_server("ERR", full).what.contains("maxmemory"));
    }

    #[test]
    fn what_a_server_repeats_of_a_command_is_not_shown() {
        for (code, detail) in [
            ("ERR", "unknown command 'EVALSHA', with args beginning with: 'hunter2'"),
            ("ERR", "something about hunter2"),
            ("hunter2", "is no code"),
            ("NOPERM", "User hunter2 has no permissions"),
        ] {
            let fault = of_server(code, detail);
            assert!(!fault.what.contains("hunter2"), "{}", fault.what);
            assert!(!fault.is_busy && fault.then == Then::Stay);
        }
    }
}

//! The scripts by which several keys change in one step.
//!
//! They are sent by their hash (`EVALSHA`), and whole when the server does not have them, as after its start. Functions
//! (Redis 7) would have to be installed, and an older tokenkeep would have to live with those of a newer one.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));)+
    };
}

scripts![
    SAVE = "save.lua",
    CLAIM = "claim.lua",
    ACQUIRE = "acquire.lua",
    RENEW = "renew.lua",
    RELEASE = "release.lua",
    SAVE_CREDENTIALS = "save_credentials.lua",
    REMOVE_CREDENTIALS = "remove_credentials.lua",
    SPEND = "spend.lua",
];

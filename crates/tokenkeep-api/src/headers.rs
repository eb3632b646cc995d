//! The names of the headers that are this server's own.

/// Has the key of the caller, in a request.
pub const API_KEY: &str = "x-api-key";

/// Has the code of a problem. No answer of an API that is passed on has it, so it tells whose an answer is.
pub const PROBLEM: &str = "tokenkeep-problem";

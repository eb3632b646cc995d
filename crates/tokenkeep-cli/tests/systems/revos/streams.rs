//! Long-lived clients that stream while tokens come and go: `examples/revos/chat.py`, with a client that we did not write.

use std::path::{Path, PathBuf};

/// R8: clients of which some stream never send an old token, and are never restarted for a new one.
#[tokio::test]
#[ignore = "needs python: run ./test"]
async fn clients_of_a_language_model_stream_on_while_tokens_end_and_are_withdrawn() {
    let python = std::env::var_os("TOKENKEEP_OPENAI").map(PathBuf::from);
    let python = python.unwrap_or_else(|| panic!("TOKENKEEP_OPENAI is not set; run this by ./test")).join("bin/python");
    let mut lines = Vec::new();
    let tell = |line: &str| lines.push(line.to_owned());
    let chatted = revos::chat(&python, Path::new(env!("CARGO_BIN_EXE_tokenkeep")), tell).await.unwrap();

    // Four clients, five answers each, in the process that was started.
    let process = chatted.process.unwrap();
    assert_eq!(chatted.summary, format!("20 answers, 0 failed, in process {process}"));
    for words in [10, 20, 40, 80] {
        let whole = format!("an answer of {words} words");
        assert_eq!(lines.iter().filter(|line| **line == whole).count(), 5, "{lines:#?}");
    }
    let counters = chatted.counters;
    assert_eq!(counters.api_served, 20, "each question was answered once");
    assert_eq!(counters.api_expired, 0, "no token was sent after its end");
    assert_eq!(chatted.withdrawals, 4);
    // A client that asks as a token is withdrawn finds out by asking; what it asked is sent again with another.
    assert!((1..=4 * chatted.withdrawals).contains(&counters.api_refused), "{counters:?}");
    assert!(counters.issued > 2 * chatted.withdrawals, "tokens changed all the time: {counters:?}");
}

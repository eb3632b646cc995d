//! What the tests with programs of others share: `interop/README.md`.

use std::path::PathBuf;

/// Where `./test` has put something, by the variable that says so.
pub(crate) fn brought(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set; run this by ./test")).into()
}

/// An example that users read: the first block of code under a heading of a page, with each of these replaced that must be there.
pub(crate) fn example(page: &str, heading: &str, replaced: &[(&str, &str)]) -> String {
    let (_, below) = page.split_once(&format!("\n{heading}\n")).unwrap();
    let below = below.split("\n## ").next().unwrap();
    let (_, fenced) = below.split_once("\n```").unwrap();
    let (_, code) = fenced.split_once('\n').unwrap();
    let (code, _) = code.split_once("\n```").unwrap();
    replaced.iter().fold(code.to_owned(), |code, (shown, real)| {
        assert!(code.contains(shown), "{heading}: {shown}");
        code.replace(shown, real)
    })
}

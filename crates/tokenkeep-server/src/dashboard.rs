//! A page for people that shows how keys, callers and issuers are doing, for `GET /dashboard`.
//!
//! It holds nothing but its script, which asks the routes that programs ask, as the caller whose key is typed into it.
//! So it is for everybody, and what it shows is what that caller may see.

use std::sync::LazyLock;

use crate::openapi::policy;

/// The page; it loads nothing.
pub(crate) fn page() -> &'static str {
    &PAGE.html
}

/// What a browser may do with it, for the header `Content-Security-Policy`.
pub(crate) fn page_policy() -> &'static str {
    &PAGE.policy
}

struct Page {
    html: String,
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
    html: FRAME.replacen("STYLE", STYLE, 1).replacen("SCRIPT", SCRIPT, 1),
    policy: policy(STYLE, SCRIPT),
});

const FRAME: &str = include_str!("dashboard/dashboard.html");
const STYLE: &str = include_str!("dashboard/dashboard.css");
const SCRIPT: &str = include_str!("dashboard/dashboard.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_nothing_in_it_escapes_its_policy() {
        for outward in ["://", "src=", "@import", "url(", "style=\"", "onclick", "<iframe", "innerHTML", "Storage"] {
            assert!(!page().contains(outward), "{outward}");
        }
        assert_eq!((page().matches("<script").count(), page().matches("<style").count()), (1, 1));
        assert!(page().contains(&format!("<style>{STYLE}</style>")));
        assert!(page().contains(&format!("<script>{SCRIPT}</script>")));
        assert!(!page_policy().contains("unsafe"));
    }
}

//! The process's environment: read here and nowhere else.

use std::path::PathBuf;

use tokenkeep::config::Environment;

/// The environment that this process was started with, for `${VAR}` and `{ env = "VAR" }` in configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// A variable that is set and not empty.
pub(crate) fn text(name: &str) -> Option<String> {
    ProcessEnvironment.variable(name).filter(|text| !text.is_empty())
}

/// A variable that holds a path.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// A folder of the XDG Base Directory Specification, which has relative paths ignored; else this one below the home
/// folder; `None` if there is no home either.
pub(crate) fn xdg_folder(name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let home = || path("HOME").filter(absolute).map(|home| home.join(below_home));
    path(name).filter(absolute).or_else(home)
}

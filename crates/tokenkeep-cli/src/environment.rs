//! What the command line itself takes from the process's environment: read here and nowhere else.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use tokenkeep::environment::{Environment as _, ProcessEnvironment};

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

/// The time zone of this machine: that of `TZ`, else the system's.
pub(crate) fn time_zone() -> TimeZone {
    TimeZone::system()
}

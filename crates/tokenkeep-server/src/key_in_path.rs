//! The key in a path that also has somebody else's, which may be no UTF-8: such a path is not read as a whole.

use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// What a segment says.
pub(crate) fn decoded(segment: &str) -> Result<String, Problem> {
    let key = percent_decode_str(segment).decode_utf8().map_err(|_| Problem::undecodable_key())?;
    Ok(key.into_owned())
}

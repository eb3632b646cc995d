//! What a token that is a JWT says of itself (RFC 7519).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::Value;

use super::timestamp::absolute;
use crate::secret::Secret;

/// When it ends (section 4.1.4); `None` if it does not say. The signature is for whoever the token is for. The error is a
/// noun phrase.
pub(crate) fn exp(token: &Secret) -> Result<Option<SystemTime>, String> {
    let mut parts = token.expose_secret().split('.');
    let (Some(_), Some(claims), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("a token that is no JWT".to_owned());
    };
    let claims = BASE64.decode(claims.trim_end_matches('=')).ok();
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let claims = claims.ok_or("a token that is no JWT")?;
    match claims.get("exp") {
        None | Some(Value::Null) => Ok(None),
        Some(exp) => absolute(exp).map(Some).ok_or_else(|| "an exp that is no time".to_owned()),
    }
}

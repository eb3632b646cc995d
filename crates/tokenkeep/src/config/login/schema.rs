//! What a JSON Schema says of a login: see [`crate::config::schema`].

use serde_json::{Value, json};

use crate::config::schema::{OptionSchema, one_of, option, secret_ref, table, text};
use crate::provider::login::{MAX_STEPS, Unit};

/// The definitions that the options refer to, by name.
pub(in crate::config) fn definitions() -> [(&'static str, Value); 7] {
    let steps = json!({ "type": "array", "maxItems": MAX_STEPS, "items": reference("login_step") });
    let capture = json!({ "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": place() });
    let login = [
        option("step", steps, "Requests before the one that brings the token."),
        option("refresh", reference("login_refresh"), "The request that brings the next token for a refresh token."),
    ];
    let step = [option("capture", capture, "Names for later requests, each with its place in the answer.")];
    [
        ("login", one_address(request().into_iter().chain(token_step()).chain(login))),
        ("login_step", one_address(request().into_iter().chain(step))),
        ("login_refresh", one_address(request().into_iter().chain(token_step()))),
        ("place", place_or(parts())),
        (
            "place_of_length",
            place_or(
                parts().into_iter().chain([option("unit", one_of(&UNITS), "What the number counts.").default("s")]),
            ),
        ),
        (
            "place_of_time",
            place_or(parts().into_iter().chain([option("jwt", json!({ "const": true }), "The token says it itself.")])),
        ),
        ("ok", table(&parts().into_iter().chain(sign()).collect::<Vec<_>>())),
    ]
}

/// The option `login` of a provider, and the one for further credentials.
pub(in crate::config) fn options() -> [OptionSchema; 2] {
    let credentials =
        json!({ "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": secret_ref() });
    [
        option("login", reference("login"), "A vendor's own login: what is sent, and where the token stands.")
            .required(),
        option("credentials", credentials, "More secrets by name, for the recipe."),
    ]
}

fn request() -> Vec<OptionSchema> {
    let texts = || json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let basic = table(&[
        option("username", text(&["{username}"]), "The name.").required(),
        option("password", json!({ "type": "string", "examples": ["{password}"] }), "The password.").required(),
    ]);
    vec![
        option("get", text(&["{api_base}/login"]), "Where a GET goes to."),
        option("post", text(&["{api_base}/login"]), "Where a POST goes to."),
        option("put", text(&["{api_base}/login"]), "Where a PUT goes to."),
        option("query", texts(), "Added to the address."),
        option("headers", texts(), "More headers."),
        option("basic", basic, "An Authorization: Basic header."),
        option("json", json!({}), "A body of JSON."),
        option("form", texts(), "A form as the body."),
        option("xml", text(&[]), "An XML document as the body."),
        option("ok", reference("ok"), "What a good answer looks like."),
        option("error", place(), "Where the vendor says what is wrong."),
    ]
}

fn token_step() -> Vec<OptionSchema> {
    vec![
        option("token", place(), "Where the token stands in the answer.").required(),
        option("token_type", place(), "Where its type stands; it is Bearer without."),
        option("scope", place(), "Where its scope stands."),
        option("expires_in", reference("place_of_length"), "Where the length of its life stands."),
        option("expires_at", reference("place_of_time"), "Where its end stands."),
        option("refresh_token", place(), "Where a token stands that the next one is had with."),
    ]
}

fn parts() -> Vec<OptionSchema> {
    vec![
        option("json", text(&["/data/token"]), "A JSON pointer."),
        option("header", text(&["X-Auth-Token"]), "A header."),
        option("cookie", text(&["session"]), "A cookie that the answer sets."),
        option("xml", text(&["Envelope/Body/Token"]), "An element, or an attribute with @."),
        option("body", json!({ "const": true }), "The whole body."),
        option("after", text(&[]), "Only what follows this text."),
        option("before", text(&[]), "Only what comes before this text."),
    ]
}

fn sign() -> [OptionSchema; 2] {
    let scalar = json!({ "type": ["string", "integer", "boolean"] });
    let status = json!({ "type": "integer", "minimum": 200, "maximum": 399 });
    [option("is", scalar, "What must stand there."), option("status", status, "The HTTP status of a good answer.")]
}

/// A table that has one of the three methods.
fn one_address(options: impl Iterator<Item = OptionSchema>) -> Value {
    let mut table = table(&options.collect::<Vec<_>>());
    table["oneOf"] = json!(["get", "post", "put"].map(|method| json!({ "required": [method] })));
    table
}

fn place_or(parts: impl IntoIterator<Item = OptionSchema>) -> Value {
    let pointer = json!({ "type": "string", "pattern": r"^/|\$\{" });
    json!({ "anyOf": [pointer, table(&parts.into_iter().collect::<Vec<_>>())] })
}

fn place() -> Value {
    reference("place")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

const UNITS: [&str; 5] = [Unit::ALL[0].0, Unit::ALL[1].0, Unit::ALL[2].0, Unit::ALL[3].0, Unit::ALL[4].0];
const NAME: &str = "^[A-Za-z0-9_]{1,64}$";

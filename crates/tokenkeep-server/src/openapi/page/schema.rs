//! Schemas on the page: each a table of its members.

use std::fmt::Write as _;

use serde_json::Value;

use super::{escape, inline, prose, text};

/// All that are named.
pub(super) fn section(document: &Value) -> String {
    let mut html = "<section id=\"schemas\"><h2>Schemas</h2>".to_owned();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let about = prose(text(&schema["description"]));
        _ = write!(html, "<article id=\"schema-{name}\"><h3><a href=\"#schema-{name}\">{name}</a></h3>{about}");
        _ = write!(html, "<div class=\"table\"><table>{}{}</table></div></article>", members(schema), words(schema));
    }
    html + "</section>\n"
}

/// What a value is, in a few words; a schema with a name is linked.
pub(super) fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>", name = escape(name));
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return either.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    let one = |name: &str| match (name, text(&schema["format"])) {
        ("string", "date-time") => "time".to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "whole number".to_owned(),
        ("boolean", _) => "<code>true</code> or <code>false</code>".to_owned(),
        ("null", _) => "<code>null</code>".to_owned(),
        ("array", _) => format!("list of {}", shape(&schema["items"])),
        (other, _) => escape(other),
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => names.iter().map(|name| one(text(name))).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

/// What a parameter can be.
pub(super) fn limits(schema: &Value) -> String {
    let mut limits = match schema["enum"].as_array() {
        Some(words) => {
            words.iter().map(|word| format!("<code>{}</code>", escape(text(word)))).collect::<Vec<_>>().join(" ")
        }
        None => shape(schema),
    };
    if let (Some(least), Some(most)) = (schema["minimum"].as_u64(), schema["maximum"].as_u64())
        && most < u64::MAX
    {
        _ = write!(limits, " from {least} to {most}");
    }
    format!("<small>{limits}</small>")
}

fn members(schema: &Value) -> String {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|other| other == name));
    let mut rows = String::new();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let optional = if is_required(name) { "" } else { "; may be left out" };
        _ = write!(
            rows,
            "<tr><th scope=\"row\"><code>{}</code><small>{}{optional}</small></th><td>{}</td></tr>",
            escape(name),
            shape(member),
            inline(text(&member["description"])),
        );
    }
    if schema["additionalProperties"].is_object() {
        let shape = shape(&schema["additionalProperties"]);
        _ = write!(rows, "<tr><th scope=\"row\">any name<small>{shape}</small></th><td></td></tr>");
    }
    rows
}

/// The words that a value can be.
fn words(schema: &Value) -> String {
    let words = schema["oneOf"].as_array().into_iter().flatten();
    words
        .map(|word| {
            let (name, about) = (escape(text(&word["const"])), inline(text(&word["description"])));
            format!("<tr><th scope=\"row\"><code>{name}</code></th><td>{about}</td></tr>")
        })
        .collect::<Vec<_>>()
        .concat()
}

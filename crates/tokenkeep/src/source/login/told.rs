//! A request as somebody may see it who tries a recipe out: made of the recipe alone, with names for values.
//!
//! What the recipe says literally can be secret too, so of texts only the names in them are shown.

use http::HeaderName;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};

use super::fault::Asked;
use crate::provider::login::{Body, JsonTemplate, LoginRequest, Segment, Template, UrlTemplate};
use crate::source::trial::TrialStep;

/// What is about to be sent.
pub(super) fn step(asked: Asked, request: &LoginRequest) -> TrialStep {
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| header(name, value)).collect();
    if let Some((username, password)) = &request.basic {
        headers.push(format!("authorization: Basic {}:{}", masked(username), masked(password)));
    }
    TrialStep {
        name: asked.to_string(),
        method: request.method.as_str(),
        url: url(&request.url, &request.query),
        headers,
        body: body(&request.body),
        answer: None,
        found: Vec::new(),
    }
}

fn url(url: &UrlTemplate, query: &[(String, Template)]) -> String {
    let text = url.shown(masked_name);
    let own = text.split_once('?').map(|(path, _)| path.to_owned());
    let own_query = own.is_some().then(|| "…".to_owned());
    let query: Vec<_> = own_query.into_iter().chain(query.iter().map(pair)).collect();
    let path = own.unwrap_or(text);
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

fn header(name: &HeaderName, value: &Template) -> String {
    match value.segments() {
        [Segment::Text(text)] if [ACCEPT, CONTENT_TYPE, USER_AGENT].contains(name) => format!("{name}: {text}"),
        _ => format!("{name}: {}", masked(value)),
    }
}

fn body(body: &Body) -> Option<String> {
    match body {
        Body::Empty => None,
        Body::Json(template) => Some(json(template)),
        Body::Form(pairs) => Some(pairs.iter().map(pair).collect::<Vec<_>>().join("&")),
        Body::Xml(template) => {
            let names: Vec<_> = template.as_template().names().map(masked_name).collect();
            Some(if names.is_empty() { "XML".to_owned() } else { format!("XML with {}", names.join(", ")) })
        }
    }
}

fn json(template: &JsonTemplate) -> String {
    match template {
        JsonTemplate::Text(text) => format!("\"{}\"", masked(text)),
        JsonTemplate::Number(_) => "…".to_owned(),
        JsonTemplate::Bool(value) => value.to_string(),
        JsonTemplate::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        JsonTemplate::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name:?}: {}", json(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn pair((name, value): &(String, Template)) -> String {
    format!("{name}={}", masked(value))
}

fn masked(template: &Template) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Text(_) => "…".to_owned(),
        Segment::Value(name) => masked_name(name),
    };
    template.segments().iter().map(part).collect()
}

fn masked_name(name: &str) -> String {
    format!("‹{name}›")
}

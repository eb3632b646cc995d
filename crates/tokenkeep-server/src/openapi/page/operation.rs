//! One operation on the page: what it takes, what it answers, how to ask for it.

use std::fmt::Write as _;

use form_urlencoded::byte_serialize;
use serde_json::Value;

use super::{escape, inline, pretty, prose, schema, text};

/// One method of one path.
pub(super) struct Operation<'d> {
    pub(super) method: &'d str,
    pub(super) path: &'d str,
    pub(super) json: &'d Value,
}

impl Operation<'_> {
    /// Its line in the table of contents.
    pub(super) fn link(&self) -> String {
        let (id, summary) = (escape(text(&self.json["operationId"])), escape(text(&self.json["summary"])));
        format!(
            "<li><a href=\"#{id}\" title=\"{summary}\">{badge} {path}</a></li>",
            badge = self.badge(),
            path = self.route()
        )
    }

    pub(super) fn section(&self, document: &Value) -> String {
        let json = self.json;
        let id = escape(text(&json["operationId"]));
        format!(
            "<article id=\"{id}\"><h3><a href=\"#{id}\">{badge} <code>{path}</code></a></h3>\
             <p class=\"summary\">{summary}. {access}</p>{about}{parameters}{body}{answers}{curl}{form}</article>\n",
            badge = self.badge(),
            path = self.route(),
            summary = inline(text(&json["summary"])),
            access = access(json),
            about = prose(text(&json["description"])),
            parameters = self.parameters(),
            body = body(json),
            answers = answers(document, &json["responses"]),
            curl = self.curl(),
            form = self.form(),
        )
    }

    fn badge(&self) -> String {
        format!("<span class=\"method {0}\">{1}</span>", escape(self.method), escape(&self.method.to_uppercase()))
    }

    /// Its path, which may be broken before each segment.
    fn route(&self) -> String {
        escape(self.path).replace('/', "<wbr>/")
    }

    fn parameters(&self) -> String {
        let parameters = self.json["parameters"].as_array().into_iter().flatten();
        let rows = parameters
            .map(|parameter| {
                format!(
                    "<tr><th scope=\"row\"><code>{name}</code><small>{place}</small></th><td>{about}{form}</td></tr>",
                    name = escape(text(&parameter["name"])),
                    place = escape(text(&parameter["in"])),
                    about = inline(text(&parameter["description"])),
                    form = schema::limits(&parameter["schema"]),
                )
            })
            .collect::<Vec<_>>()
            .concat();
        if rows.is_empty() {
            rows
        } else {
            format!("<h4>Parameters</h4><div class=\"table\"><table>{rows}</table></div>")
        }
    }

    /// A line for a terminal.
    fn curl(&self) -> String {
        let mut line = "curl".to_owned();
        let body = &self.json["requestBody"]["content"];
        let (content, form) = (&body["application/json"], &body["application/x-www-form-urlencoded"]);
        match (self.method, content.is_object()) {
            ("get", _) | ("post", true) => {}
            ("post", _) if form.is_object() => {}
            _ => _ = write!(line, " -X {}", self.method.to_uppercase()),
        }
        if self.json["security"] != Value::Array(Vec::new()) {
            line.push_str(" -H \"X-API-Key: $TOKENKEEP_API_KEY\"");
        }
        if content.is_object() {
            _ = write!(line, " --json '{}'", content["example"]);
        }
        for (name, value) in form["example"].as_object().into_iter().flatten() {
            _ = write!(line, " -d {name}={}", text(value));
        }
        let mut path = self.path.to_owned();
        for parameter in self.json["parameters"].as_array().into_iter().flatten() {
            let value: String = byte_serialize(text(&parameter["example"]).as_bytes()).collect();
            path = path.replace(&format!("{{{}}}", text(&parameter["name"])), &value);
        }
        format!(
            "<h4>On the command line</h4><pre class=\"curl\" tabindex=\"0\">{} <span class=\"base\">{BASE}</span>{}</pre>",
            escape(&line),
            escape(&path)
        )
    }

    /// Fields to try it with. Only what changes nothing can be tried, and only what answers at once and in text.
    fn form(&self) -> String {
        let answer = self.json["responses"]["200"]["content"].as_object().and_then(|content| content.keys().next());
        let is_tried = self.method == "get" && answer.is_some_and(|media| TRIED.contains(&&**media));
        if !is_tried {
            return String::new();
        }
        let mut fields = String::new();
        for parameter in self.json["parameters"].as_array().into_iter().flatten() {
            let (name, place) = (escape(text(&parameter["name"])), escape(text(&parameter["in"])));
            let required = if parameter["required"] == true { " required" } else { "" };
            let example = match &parameter["example"] {
                Value::Null => String::new(),
                Value::String(example) => escape(example),
                other => other.to_string(),
            };
            _ = write!(
                fields,
                "<label>{name} <input name=\"{name}\" data-in=\"{place}\" placeholder=\"{example}\" autocomplete=\"off\" \
                 spellcheck=\"false\"{required}></label>"
            );
        }
        format!(
            "<form hidden data-path=\"{}\"><h4>Try it</h4><div class=\"fields\">{fields}<button>Send</button></div>\
             <output></output></form>",
            escape(self.path)
        )
    }
}

fn access(json: &Value) -> String {
    match (&json["x-permission"], &json["security"]) {
        (Value::String(word), _) => format!("<span class=\"access\">needs <code>{}</code></span>", escape(word)),
        (_, Value::Array(security)) if security.iter().any(|scheme| scheme["Client"].is_array()) => {
            "<span class=\"access\">needs <code>get</code></span>".to_owned()
        }
        (_, Value::Array(security)) if security.is_empty() => "<span class=\"access\">open</span>".to_owned(),
        (_, Value::Array(_)) => "<span class=\"access\">open, says more to callers</span>".to_owned(),
        _ => "<span class=\"access\">any caller</span>".to_owned(),
    }
}

fn body(json: &Value) -> String {
    let body = &json["requestBody"];
    if body.is_null() {
        return String::new();
    }
    let need = if body["required"] == true { "" } else { " <small>may be left out</small>" };
    format!("<h4>Body{need}</h4>{}", content(&body["content"]))
}

fn answers(document: &Value, responses: &Value) -> String {
    let mut answers = String::new();
    let mut problems = String::new();
    for (status, response) in responses.as_object().into_iter().flatten() {
        let Some(name) = response["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) else {
            let open = if status == "200" { " open" } else { "" };
            _ = write!(
                answers,
                "<details{open}><summary><b>{status}</b> {}</summary>{}</details>",
                inline(text(&response["description"])),
                content(&response["content"])
            );
            continue;
        };
        let code = &document["components"]["responses"][name]["content"]["application/problem+json"]["example"]["code"];
        _ = write!(
            problems,
            "<li><a href=\"#problem-{name}\"><b>{status}</b> <code>{}</code></a></li>",
            escape(text(code))
        );
    }
    format!("<h4>Answers</h4>{answers}<ul class=\"problems\" aria-label=\"Problems\">{problems}</ul>")
}

fn content(content: &Value) -> String {
    let content = content.as_object().into_iter().flatten();
    content
        .map(|(media, content)| {
            let shape = schema::shape(&content["schema"]);
            let example = pretty(&content["example"]);
            format!(
                "<p class=\"shape\">{shape} <small>{}</small></p><pre tabindex=\"0\">{example}</pre>",
                escape(media)
            )
        })
        .collect::<Vec<_>>()
        .concat()
}

/// Where a server listens by itself. The script puts in where the page came from.
const BASE: &str = "http://127.0.0.1:8640";
const TRIED: [&str; 2] = ["application/json", "text/plain"];

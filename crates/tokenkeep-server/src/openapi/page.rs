//! The description as one page, for `GET /docs`.
//!
//! It is whole: it loads nothing, and reads well without its script, which only tries routes out. So it can be saved and
//! read anywhere, and its policy allows no more than what it has: this style, this script, requests to where it came
//! from.

mod operation;
mod schema;

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::OPENAPI;

/// The description of the API as a page that needs nothing else.
pub fn openapi_page() -> &'static str {
    &PAGE.html
}

/// What a browser may do with the page, for the header `Content-Security-Policy`.
pub(crate) fn page_policy() -> &'static str {
    &PAGE.policy
}

/// Lets a page have this style and this script and nothing else, and ask the server that it comes from only.
pub(crate) fn policy(style: &str, script: &str) -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(style),
        hash(script)
    )
}

struct Page {
    html: String,
    policy: String,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| {
    // A test compares the file with the code, so it is JSON.
    let document = serde_json::from_str(OPENAPI).unwrap_or_default();
    Page { html: html(&document), policy: policy(STYLE, SCRIPT) }
});

fn html(document: &Value) -> String {
    let info = &document["info"];
    let (title, version) = (escape(text(&info["title"])), escape(text(&info["version"])));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{title} {version}: HTTP API</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the routes</a>\n\
         <header><a class=\"name\" href=\"#main\">{title}</a> <span>{version}</span>\
         <label id=\"key\" hidden>API key <input type=\"password\" autocomplete=\"off\" spellcheck=\"false\" \
         placeholder=\"stays in this page\"></label></header>\n"
    );
    let subjects = subjects(document);
    let mut nav = String::new();
    let mut sections = String::new();
    for subject in &subjects {
        let name = escape(text(&subject.tag["name"]));
        let about = prose(text(&subject.tag["description"]));
        _ = write!(nav, "<h2>{name}</h2><ul>");
        _ = write!(sections, "<section><h2>{name}</h2>{about}");
        for operation in &subject.operations {
            nav.push_str(&operation.link());
            sections.push_str(&operation.section(document));
        }
        nav.push_str("</ul>");
        sections.push_str("</section>\n");
    }
    nav.push_str("<h2>Reference</h2><ul><li><a href=\"#problems\">Problems</a></li><li><a href=\"#schemas\">Schemas</a></li></ul>");
    _ = write!(
        html,
        "<div class=\"columns\">\n<nav aria-label=\"Routes\"><details open><summary>Routes</summary>{nav}</details></nav>\n\
         <main id=\"main\"><h1>HTTP API</h1>{about}{sections}{problems}{schemas}</main>\n</div>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        about = prose(text(&info["description"])),
        problems = problems(document),
        schemas = schema::section(document),
    );
    html
}

struct Subject<'d> {
    tag: &'d Value,
    operations: Vec<operation::Operation<'d>>,
}

/// The operations under their headings; those of one path stand together.
fn subjects(document: &Value) -> Vec<Subject<'_>> {
    let operations = || {
        let paths = document["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(|(method, json)| operation::Operation { method, path, json })
        })
    };
    let tags = document["tags"].as_array().into_iter().flatten();
    tags.map(|tag| {
        let operations = operations().filter(|operation| operation.json["tags"][0] == tag["name"]).collect();
        Subject { tag, operations }
    })
    .collect()
}

fn problems(document: &Value) -> String {
    let mut rows = String::new();
    for (name, response) in document["components"]["responses"].as_object().into_iter().flatten() {
        let example = &response["content"]["application/problem+json"]["example"];
        _ = write!(
            rows,
            "<tr id=\"problem-{name}\"><td>{about}</td><td>{detail}</td></tr>",
            about = inline(text(&response["description"])),
            detail = inline(text(&example["detail"])),
        );
    }
    format!(
        "<section id=\"problems\"><h2>Problems</h2><p>Every answer that is no success is \
         <code>application/problem+json</code>, a <a href=\"#schema-Problem\">Problem</a>.</p>\
         <div class=\"table\"><table><thead><tr><th>Code, and what to do</th><th>Says, for example</th></tr></thead>\
         <tbody>{rows}</tbody></table></div></section>\n"
    )
}

/// Paragraphs.
fn prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").filter(|part| !part.is_empty());
    paragraphs.map(|part| format!("<p>{}</p>", inline(part))).collect::<Vec<_>>().concat()
}

/// One paragraph; what stands between backticks is code.
fn inline(text: &str) -> String {
    let parts = text.split('`').map(escape).enumerate();
    parts.map(|(index, part)| if index % 2 == 1 { format!("<code>{part}</code>") } else { part }).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A JSON value over several lines.
fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        other => escape(&serde_json::to_string_pretty(other).unwrap_or_default()),
    }
}

fn hash(source: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(source)))
}

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_and_each_schema_has_its_place_and_each_link_a_target() {
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let html = openapi_page();
        let ids: Vec<_> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for methods in document["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                assert!(ids.contains(&operation["operationId"].as_str().unwrap()), "{operation}");
            }
        }
        for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.contains(&target), "#{target}");
        }
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{id} is there twice");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_nothing_in_it_escapes_its_policy() {
        let html = openapi_page();
        for outward in ["src=", "@import", "url(", "<link rel=\"style", "style=\"", "onclick", "<iframe", "href=\"http"]
        {
            assert!(!html.contains(outward), "{outward}");
        }
        assert_eq!((html.matches("<script").count(), html.matches("<style").count()), (1, 1));
        assert!(!page_policy().contains("unsafe"));
    }

    #[test]
    fn what_is_described_cannot_become_markup() {
        assert_eq!(inline("a <b> `c \"d\"` & 'e'"), "a &lt;b&gt; <code>c &quot;d&quot;</code> &amp; &#39;e&#39;");
    }
}

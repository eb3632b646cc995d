//! What a request of a login sends.

use http::HeaderName;
use http::header::AUTHORIZATION;
use serde_json::Number;
use toml::de::DeValue;

use super::names::Names;
use crate::config::document::{Field, Table, listed};
use crate::config::problem::Finding;
use crate::provider::login::{Body, JsonTemplate, LoginRequest, Method, Template, UrlTemplate, XmlTemplate};
use crate::provider::{Transport, is_of_connection};

/// Reads a request out of the table of its step.
pub(super) fn request(table: &mut Table<'_>, transport: Transport, names: &Names) -> Option<LoginRequest> {
    let addressed = address(table, transport, names);
    let query = table.table("query").map(|table| pairs(table, names));
    let headers = table.table("headers").map(|table| headers(table, names));
    let basic_field = table.take("basic");
    let basic = basic_field.as_ref().map(|field| basic(field.table("[basic]".into())?, names));
    let fields: Vec<_> = BODIES.into_iter().filter_map(|name| table.take(name)).collect();
    let body = match &fields[..] {
        [] => Some(Body::Empty),
        [field] => body(field, names),
        [_, other, ..] => {
            let finding = Finding::error("a request has one body");
            other.report_name(finding.help(format!("keep one of {}", listed(BODIES))));
            // What is wrong in them is reported all the same.
            for field in &fields {
                let _read = body(field, names);
            }
            None
        }
    };
    let (method, url) = addressed?;
    if let (Method::Get, Some(field)) = (method, fields.first()) {
        field.report_name(Finding::error("GET sends no body").help("write `post` instead of `get`, or `query`"));
    }
    let headers = headers.unwrap_or_else(|| Some(Vec::new()))?;
    if let (Some(field), true) = (&basic_field, headers.iter().any(|(name, _)| name == AUTHORIZATION)) {
        field.report_name(Finding::error("`basic` is an Authorization header, and `headers` has one").help("keep one"));
    }
    let basic = basic.map_or(Some(None), |basic| basic.map(Some))?;
    Some(LoginRequest { method, url, query: query.unwrap_or_else(|| Some(Vec::new()))?, headers, basic, body: body? })
}

fn address(table: &mut Table<'_>, transport: Transport, names: &Names) -> Option<(Method, UrlTemplate)> {
    let found: Vec<_> = METHODS.into_iter().filter_map(|(name, method)| Some((table.take(name)?, method))).collect();
    let (field, method) = match &found[..] {
        [] => {
            let finding = Finding::error("this request has no address");
            table.report(finding.help("write e.g. post = \"https://api.example.com/login\", or `get`, or `put`"));
            return None;
        }
        [(field, method)] => (field, *method),
        [_, (other, _), ..] => {
            let words = METHODS.map(|(name, _)| name);
            other
                .report_name(Finding::error("a request has one method").help(format!("keep one of {}", listed(words))));
            for (field, _) in &found {
                let _read = url(field, transport, names);
            }
            return None;
        }
    };
    Some((method, url(field, transport, names)?))
}

fn url(field: &Field<'_>, transport: Transport, names: &Names) -> Option<UrlTemplate> {
    let (template, variables) = names.template_of_variables(field)?;
    let url = UrlTemplate::new(template, transport);
    let url = url.map_err(|error| field.report(Finding::error(format!("`{}` {error}", field.name)))).ok()?;
    Some(url.with_variables(variables))
}

fn pairs(table: Table<'_>, names: &Names) -> Option<Vec<(String, Template)>> {
    let read = |field: Field<'_>| Some((field.name.to_owned(), names.template(&field)?));
    let read: Vec<_> = table.into_fields().into_iter().map(read).collect();
    read.into_iter().collect()
}

fn headers(table: Table<'_>, names: &Names) -> Option<Vec<(HeaderName, Template)>> {
    let mut seen = Vec::new();
    let read = |field: Field<'_>| {
        let value = names.template(&field);
        match field.name.parse::<HeaderName>() {
            Ok(name) if seen.contains(&name) => {
                field.report_name(
                    Finding::error("this header is there already; letter case does not matter").help("keep one"),
                );
                None
            }
            Ok(name) if !is_of_connection(&name) => {
                seen.push(name.clone());
                Some((name, value?))
            }
            Ok(_) => {
                field.report_name(Finding::error("this header is set by the connection"));
                None
            }
            Err(_) => {
                field.report_name(Finding::error("this is not the name of a header"));
                None
            }
        }
    };
    let read: Vec<_> = table.into_fields().into_iter().map(read).collect();
    read.into_iter().collect()
}

fn basic(mut table: Table<'_>, names: &Names) -> Option<(Template, Template)> {
    let username = table.require("username").and_then(|field| names.template(&field));
    let password = table.require("password").and_then(|field| names.template(&field));
    table.finish(|_| None);
    Some((username?, password?))
}

fn body(field: &Field<'_>, names: &Names) -> Option<Body> {
    match field.name {
        "json" => json(field, names).map(Body::Json),
        "form" => pairs(field.table("[form]".into())?, names).map(Body::Form),
        _ => {
            let template = XmlTemplate::new(names.template(field)?);
            template.map_err(|error| field.report(Finding::error(format!("`xml` {error}")))).map(Body::Xml).ok()
        }
    }
}

fn json(field: &Field<'_>, names: &Names) -> Option<JsonTemplate> {
    let number =
        |number: Option<Number>| number.map(JsonTemplate::Number).or_else(|| field.mismatch("a number of JSON"));
    match field.value {
        DeValue::String(_) => names.template(field).map(JsonTemplate::Text),
        DeValue::Integer(value) => number(i64::from_str_radix(value.as_str(), value.radix()).ok().map(Number::from)),
        DeValue::Float(value) => number(value.as_str().parse().ok().and_then(Number::from_f64)),
        DeValue::Boolean(value) => Some(JsonTemplate::Bool(*value)),
        DeValue::Array(_) => {
            let items: Vec<_> = field.items()?.iter().map(|item| json(item, names)).collect();
            items.into_iter().collect::<Option<_>>().map(JsonTemplate::Array)
        }
        DeValue::Table(_) => {
            let members = field.table("[json]".into())?.into_fields();
            let members: Vec<_> = members.iter().map(|own| Some((own.name.to_owned(), json(own, names)?))).collect();
            members.into_iter().collect::<Option<_>>().map(JsonTemplate::Object)
        }
        DeValue::Datetime(_) => field.mismatch("something of JSON"),
    }
}

const METHODS: [(&str, Method); 3] = [("get", Method::Get), ("post", Method::Post), ("put", Method::Put)];
const BODIES: [&str; 3] = ["json", "form", "xml"];

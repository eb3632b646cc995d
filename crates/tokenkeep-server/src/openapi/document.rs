//! The whole description, and the laws that it keeps.

use serde_json::{Map, Value, json};
use tokenkeep::Code;
use tokenkeep_api::Problem;

use super::operation::{Operation, Schemas, Subject};
use super::{credentials, health, management, protocols, tokens};
use crate::problem;

fn operations() -> Vec<Operation> {
    [
        tokens::operations(),
        management::operations(),
        credentials::operations(),
        protocols::operations(),
        health::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        let other = path
            .as_object_mut()
            .unwrap()
            .insert(operation.method.to_ascii_lowercase(), operation.to_json(&mut schemas));
        assert!(other.is_none(), "{} {} is there twice", operation.method, operation.path);
    }
    let responses = responses(&mut schemas);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tokenkeep",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": ABOUT,
            "license": {"name": "MIT or Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{"ApiKey": []}, {"Bearer": []}, {"Certificate": []}],
        "tags": Subject::ALL.map(|(subject, about)| json!({"name": subject.name(), "description": about})),
        "paths": paths,
        "components": {
            "schemas": schemas.take(),
            "responses": responses,
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Client": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "Of an OAuth client: its id, and the same key as its secret.",
                },
                "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
                "Certificate": {"type": "mutualTLS", "description": "A client certificate with the name of a caller."},
            },
        },
    });
    for_readers_of_json(&mut document);
    document
}

/// One for each code, and those that have a status of their own.
fn responses(schemas: &mut Schemas) -> Map<String, Value> {
    let schema = schemas.of_what_is_written::<Problem>();
    let of = |about: &str, code: Code, detail: &str| {
        let key = (code == Code::UnknownKey).then(|| "grahp".to_owned());
        let example = problem::example(code, detail, key);
        let mut response = json!({
            "description": about,
            "content": {"application/problem+json": {"schema": schema, "example": example}},
        });
        match code {
            Code::Unavailable => {
                let about = "Seconds after which trying again can help.";
                response["headers"] = header("Retry-After", about, &json!({"type": "integer", "minimum": 0}));
            }
            Code::Unauthenticated => {
                let about = "What kind of authentication there is.";
                response["headers"] = header("WWW-Authenticate", about, &json!({"type": "string"}));
            }
            _ => {}
        }
        response
    };
    let codes = Code::TABLE.map(|(code, name, ..)| {
        let (about, detail) = words(code);
        (name.to_owned(), of(&format!("`{name}`: {about}"), code, detail))
    });
    let detail = "a body here has at most 64 KiB; send a smaller one";
    let too_large = of("`invalid_request`: the body is larger than 64 KiB.", Code::InvalidRequest, detail);
    let detail = "the body did not come in time; send it faster";
    let too_slow = of("`invalid_request`: the body did not come in time.", Code::InvalidRequest, detail);
    let detail = "this caller asks too often; try again in 1 s";
    let too_many =
        of("`unavailable`: this caller asks more often than its `requests` allow.", Code::Unavailable, detail);
    let detail = "api.example.com cannot be reached: connection refused; is api_base right, and the API up?";
    let about =
        "`refused`: the issuer says no. `unavailable`: the API cannot be reached, or broke off before it answered.";
    let bad_gateway = of(about, Code::Unavailable, detail);
    let detail = "api.example.com did not answer within 30 s; whether it does what was asked is not known";
    let gateway_timeout = of("`unavailable`: the API did not answer in time.", Code::Unavailable, detail);
    let of_http = [
        ("too_large", too_large),
        ("too_slow", too_slow),
        ("too_many", too_many),
        ("bad_gateway", bad_gateway),
        ("gateway_timeout", gateway_timeout),
    ];
    codes.into_iter().chain(of_http.map(|(name, response)| (name.to_owned(), response))).collect()
}

fn header(name: &str, about: &str, schema: &Value) -> Value {
    json!({name: {"description": about, "required": true, "schema": schema}})
}

/// What a code means, and what such a problem can say.
fn words(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::InvalidRequest => {
            ("fix the call; `detail` says how.", "parameter `limit` is not a number from 1 to 1000")
        }
        Code::Unauthenticated => {
            ("send the right API key.", "send the API key in the header X-API-Key, or as Authorization: Bearer")
        }
        Code::Forbidden => (
            "not allowed to this caller, or not from there.",
            "this caller may not do this; `allow` in its [[server.keys]] says what it may",
        ),
        Code::UnknownKey => (
            "there is no such provider, account or credentials, or not for this caller.",
            "there is no such key, or it is not for this caller",
        ),
        Code::LoginRequired => (
            "a person must log in or give credentials again.",
            "the login of this account has ended; give its credentials again",
        ),
        Code::Refused => (
            "the issuer says no: fix configuration or credentials.",
            "login.example.com refused the client: invalid_client; check client_id and client_secret",
        ),
        Code::Unavailable => ("try again after `Retry-After`.", "login.example.com answered 503"),
        _ => ("a fault of the server.", "a fault of the server; its log says more"),
    }
}

/// Makes of what the types' docs say what a reader of JSON needs, and of their schemas what is really written.
fn for_readers_of_json(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = without_rust(text);
            }
            if members.get("format").is_some_and(|format| format == "uint") {
                members.insert("format".to_owned(), "uint64".into());
            }
            members.values_mut().for_each(for_readers_of_json);
        }
        Value::Array(items) => items.iter_mut().for_each(for_readers_of_json),
        _ => {}
    }
}

/// Lines joined, without code, without what is said of `Debug`; what links to a variant is the word in JSON.
fn without_rust(text: &str) -> String {
    let paragraphs = text.split("\n\n").take_while(|paragraph| !paragraph.starts_with("```"));
    let paragraphs = paragraphs.map(|paragraph| {
        let sentences = paragraph.replace('\n', " ");
        let sentences = sentences.split(". ").filter(|sentence| !sentence.contains("`Debug`"));
        let said = without_links(&sentences.collect::<Vec<_>>().join(". "));
        if said.ends_with('.') { said } else { said + "." }
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

fn without_links(text: &str) -> String {
    let mut parts = text.split("[`");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (link, rest) = part.split_once("`]").unwrap();
        let word = link.rsplit("::").next().unwrap_or(link);
        for (at, letter) in format!("`{word}`").char_indices() {
            let is_next_word = at > 1 && letter.is_uppercase();
            said.extend(is_next_word.then_some('_').into_iter().chain(letter.to_lowercase()));
        }
        said.push_str(rest);
    }
    said
}

const ABOUT: &str = "\
Hands out access tokens, and lets operators look after them. \
With callers configured, each request shows an API key in `X-API-Key` or as `Authorization: Bearer`, comes from a known \
user of a unix socket, or has a known client certificate. What a caller may not see is answered like what is not there. \
Without callers everybody who reaches the server may do everything.

Every answer that is no success is a problem (RFC 9457) with a `code` that says what to do about it. \
Parameters that a route does not know are an `invalid_request`. \
A route that is asked with a method of another one answers 405 and says in `Allow` which it has. \
Members may be added to answers, and words to lists of words. \
Every answer has `X-Request-Id`: that of the request if it has one, else a new one; logs name it too.

Times are RFC 3339 in UTC. Lengths of time in answers are whole seconds: rounded down where they say how long something \
is still good, rounded up where they say how long to wait.";

#[cfg(test)]
mod laws {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::openapi::OPENAPI;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is a person who wants the file written")]
    fn the_committed_description_is_the_one_that_the_code_makes() {
        let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var("TOKENKEEP_WRITE").is_ok_and(|what| what == "openapi") {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json"), made).unwrap();
        } else {
            let again = "TOKENKEEP_WRITE=openapi cargo test -p tokenkeep-server --lib committed_description";
            assert!(made == OPENAPI, "docs/openapi.json is not what the code says; write it anew:\n\n    {again}\n");
        }
    }

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        let described: BTreeSet<_> = operations().iter().map(|operation| place(operation.path)).collect();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut sources = files(&folder);
        sources.retain(|file| !file.starts_with(folder.join("openapi")));
        let routes: BTreeSet<_> = sources.iter().flat_map(|file| routes_in(file)).collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn every_example_is_what_its_schema_says() {
        let document = document();
        let mut examples = Vec::new();
        collect_examples(&document, &mut examples);
        assert!(examples.len() > 40, "only {} examples", examples.len());
        for (schema, example) in examples {
            // What a reference names lies in the same document.
            let schema = json!({"components": document["components"], "allOf": [schema]});
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            if let Err(error) = validator.validate(example) {
                panic!("{example}: {error}");
            }
        }
    }

    #[test]
    fn no_schema_knows_words_that_are_never_said() {
        let schemas = document()["components"]["schemas"].to_string();
        assert!(
            !schemas.contains(r#""unknown""#),
            "a newer broker's word is for Rust clients: hide it from the schema"
        );
    }

    /// The paths that a file gives to the router: literals, or constants of the same file.
    fn routes_in(file: &Path) -> Vec<String> {
        let text = fs::read_to_string(file).unwrap();
        let literal = |code: &str| code.trim_start().strip_prefix('"')?.split('"').next().map(ToOwned::to_owned);
        let constant = |code: &str| {
            let (name, _) = code.split_once(',')?;
            literal(text.split_once(&format!("const {name}: &str = "))?.1)
        };
        let calls = text.split(".route(").skip(1);
        let path = calls.map(|call| literal(call).or_else(|| constant(call)));
        path.map(|path| place(&path.unwrap_or_else(|| panic!("{}: a route of which path?", file.display())))).collect()
    }

    /// A path in the form of both: what may follow `/proxy/{key}` and `/auth/{key}` is left out.
    fn place(path: &str) -> String {
        let takes_more = ["/proxy/{key}", "/auth/{key}"].into_iter().find(|start| path.starts_with(start));
        takes_more.unwrap_or(path).to_owned()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
        files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
    }

    /// Pairs of a schema and an example, wherever they stand beside each other.
    fn collect_examples<'d>(value: &'d Value, examples: &mut Vec<(&'d Value, &'d Value)>) {
        match value {
            Value::Object(members) => {
                examples.extend(members.get("schema").zip(members.get("example")));
                members.values().for_each(|member| collect_examples(member, examples));
            }
            Value::Array(items) => items.iter().for_each(|item| collect_examples(item, examples)),
            _ => {}
        }
    }
}

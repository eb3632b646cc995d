//! One operation of the API, and what it looks like in OpenAPI 3.1.
//!
//! An answer and a body are described by an example: a value of the type that travels. Its type says the schema, so
//! neither can be of a form that the server does not write or read.

use schemars::generate::Contract;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokenkeep::Code;

/// One method of one route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) subject: Subject,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    access: Access,
    parameters: Vec<Value>,
    body: Option<(Need, Content)>,
    answers: Vec<Answer>,
    problems: Vec<Code>,
    asks_an_api: bool,
}

/// Under which heading an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Tokens,
    Management,
    Credentials,
    Protocols,
    Health,
    Description,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Everybody, and callers learn more.
    OpenAndMore,
    /// Whoever has a caller's key, also as the secret of an OAuth client. Answers errors in the words of OAuth.
    Client,
    /// Any caller; an answer holds what it may see.
    Caller,
    /// A caller who has this word in its `allow`.
    Permission(&'static str),
}

/// What a parameter looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Key,
    /// A key whose account has credentials.
    KeyOfAccount,
    Account,
    Provider,
    State,
    /// A length of time.
    Length,
    /// A number from 1 to this one.
    UpTo(u64),
    Generation,
    Flag,
    Text,
}

/// Whether a body must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

struct Answer {
    status: u16,
    about: &'static str,
    content: Option<Content>,
}

struct Content {
    media: &'static str,
    schema: fn(&mut Schemas) -> Schema,
    example: Value,
}

impl Operation {
    /// Asks for a caller, takes nothing, answers nothing.
    pub(super) fn new(
        subject: Subject,
        method: &'static str,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            subject,
            id,
            summary,
            about: "",
            access: Access::Caller,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
            asks_an_api: false,
        }
    }

    /// What there is to know beside the summary; paragraphs are separated by an empty line.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    pub(super) fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Takes a parameter in the path.
    pub(super) fn path(self, name: &str, form: Form, about: &str) -> Self {
        self.parameter("path", name, form, about)
    }

    /// Takes a parameter that may be left out.
    pub(super) fn query(self, name: &str, form: Form, about: &str) -> Self {
        self.parameter("query", name, form, about)
    }

    /// Takes a header that may be left out.
    pub(super) fn header(self, name: &str, form: Form, about: &str) -> Self {
        self.parameter("header", name, form, about)
    }

    /// Takes a body like this one.
    pub(super) fn takes<T: JsonSchema + Serialize>(self, need: Need, example: &T) -> Self {
        let content = Content { media: JSON, schema: Schemas::of_what_is_read::<T>, example: value(example) };
        Self { body: Some((need, content)), ..self }
    }

    /// Takes the same as a form.
    pub(super) fn takes_form<T: JsonSchema + Serialize>(self, example: &T) -> Self {
        let content = Content { media: FORM, schema: Schemas::of_what_is_read::<T>, example: value(example) };
        Self { body: Some((Need::Required, content)), ..self }
    }

    /// Answers JSON like this.
    pub(super) fn answers<T: JsonSchema + Serialize>(self, status: u16, about: &'static str, example: &T) -> Self {
        let content = Content { media: JSON, schema: Schemas::of_what_is_written::<T>, example: value(example) };
        self.answer(status, about, Some(content))
    }

    /// Answers a text.
    pub(super) fn answers_text(self, about: &'static str, media: &'static str, example: &str) -> Self {
        let content = Content { media, schema: Schemas::of_what_is_written::<String>, example: example.into() };
        self.answer(200, about, Some(content))
    }

    /// Answers that it is done, and no more.
    pub(super) fn answers_nothing(self, about: &'static str) -> Self {
        self.answers_empty(204, about)
    }

    /// Answers without a body.
    pub(super) fn answers_empty(self, status: u16, about: &'static str) -> Self {
        self.answer(status, about, None)
    }

    /// Answers these problems, beside those that each operation can answer.
    pub(super) fn problems(mut self, codes: &[Code]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// Sends the request on, so an API can be the one that does not answer.
    pub(super) fn asks_an_api(self) -> Self {
        Self { asks_an_api: true, ..self }
    }

    fn parameter(mut self, place: &str, name: &str, form: Form, about: &str) -> Self {
        let mut parameter = json!({"name": name, "in": place, "description": about, "schema": form.schema()});
        if place == "path" {
            parameter["required"] = true.into();
        }
        if let Some(example) = form.example() {
            parameter["example"] = example;
        }
        self.parameters.push(parameter);
        self
    }

    fn answer(mut self, status: u16, about: &'static str, content: Option<Content>) -> Self {
        self.answers.push(Answer { status, about, content });
        self
    }

    /// As OpenAPI has it.
    pub(super) fn to_json(&self, schemas: &mut Schemas) -> Value {
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.subject.name()],
            "summary": self.summary,
            "responses": self.responses(schemas),
        });
        if !self.about.is_empty() {
            operation["description"] = self.about.into();
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.clone().into();
        }
        if let Some((need, content)) = &self.body {
            let required = *need == Need::Required;
            operation["requestBody"] = json!({"required": required, "content": content.to_json(schemas)});
        }
        match self.access {
            Access::Open => operation["security"] = json!([]),
            Access::OpenAndMore => {
                operation["security"] = json!([{}, {"ApiKey": []}, {"Bearer": []}, {"Certificate": []}]);
            }
            Access::Client => {
                operation["security"] =
                    json!([{"Client": []}, {"ApiKey": []}, {"Bearer": []}, {"Certificate": []}, {}]);
            }
            Access::Caller => {}
            Access::Permission(word) => operation["x-permission"] = word.into(),
        }
        operation
    }

    fn responses(&self, schemas: &mut Schemas) -> Map<String, Value> {
        let mut responses = Map::new();
        for answer in &self.answers {
            let mut response = json!({"description": answer.about});
            if let Some(content) = &answer.content {
                response["content"] = content.to_json(schemas);
            }
            responses.insert(answer.status.to_string(), response);
        }
        if self.access == Access::Client {
            return responses;
        }
        let mut problems = self.problems.clone();
        // Of every route: a `Host` that is none, or is not this machine.
        problems.extend([Code::InvalidRequest, Code::Forbidden, Code::Internal]);
        if !matches!(self.access, Access::Open | Access::OpenAndMore) {
            problems.push(Code::Unauthenticated);
        }
        let mut insert = |status: u16, name: &str| {
            responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        };
        if self.asks_an_api {
            insert(408, "too_slow");
            insert(502, "bad_gateway");
            insert(504, "gateway_timeout");
        }
        if self.body.is_some() {
            insert(408, "too_slow");
            insert(413, "too_large");
        }
        if self.access != Access::Open {
            insert(429, "too_many");
        }
        for code in problems {
            let reference = json!({"$ref": format!("#/components/responses/{code}")});
            responses.entry(code.http_status().to_string()).or_insert(reference);
        }
        responses
    }
}

impl Content {
    fn to_json(&self, schemas: &mut Schemas) -> Value {
        json!({self.media: {"schema": (self.schema)(schemas), "example": self.example}})
    }
}

impl Subject {
    pub(super) const ALL: [(Self, &str); 6] = [
        (Self::Tokens, "Tokens to use, and what is known of them."),
        (Self::Management, "What an operator does by hand."),
        (Self::Credentials, "The long-lived secrets of accounts. They go in and never come out."),
        (Self::Protocols, "For clients and proxies that know nothing of this program."),
        (Self::Health, "For whoever watches over the process."),
        (Self::Description, "This description."),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tokens => "Tokens",
            Self::Management => "Management",
            Self::Credentials => "Credentials",
            Self::Protocols => "Protocols",
            Self::Health => "Health",
            Self::Description => "Description",
        }
    }
}

impl Form {
    fn schema(self) -> Value {
        match self {
            Self::Key | Self::KeyOfAccount => {
                json!({"type": "string", "pattern": KEY, "maxLength": tokenkeep::Key::MAX_LEN})
            }
            Self::Account => json!({"type": "string", "pattern": KEY_OR_ACCOUNT, "maxLength": tokenkeep::Key::MAX_LEN}),
            Self::Provider => json!({"type": "string", "pattern": PROVIDER}),
            Self::State => {
                json!({"type": "string", "enum": tokenkeep_api::State::ALL.map(tokenkeep_api::State::as_str)})
            }
            Self::Length => json!({"type": "string", "pattern": LENGTH}),
            Self::UpTo(most) => json!({"type": "integer", "minimum": 1, "maximum": most}),
            Self::Generation => json!({"type": "integer", "minimum": 0, "format": "uint64", "maximum": u64::MAX}),
            Self::Flag => json!({"type": "boolean"}),
            Self::Text => json!({"type": "string"}),
        }
    }

    fn example(self) -> Option<Value> {
        match self {
            Self::Key | Self::Provider => Some("graph".into()),
            Self::KeyOfAccount => Some("bluestakes:123".into()),
            Self::Account => Some("123".into()),
            Self::State => Some("fresh".into()),
            Self::Length => Some("30s".into()),
            Self::UpTo(_) => Some(100.into()),
            Self::Generation => Some(1.into()),
            Self::Flag | Self::Text => None,
        }
    }
}

/// The schemas of types. What is written and what is read differ in which members must be there.
pub(super) struct Schemas {
    written: SchemaGenerator,
    read: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let of = |contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings.contract = contract;
            settings.into_generator()
        };
        Self { written: of(Contract::Serialize), read: of(Contract::Deserialize) }
    }

    pub(super) fn of_what_is_written<T: JsonSchema>(&mut self) -> Schema {
        self.written.subschema_for::<T>()
    }

    fn of_what_is_read<T: JsonSchema>(&mut self) -> Schema {
        self.read.subschema_for::<T>()
    }

    /// All that were named, by name.
    pub(super) fn take(mut self) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        all.values_mut().for_each(never_null_if_left_out);
        for (name, schema) in self.read.take_definitions(true) {
            let other = all.insert(name.clone(), schema);
            assert!(other.is_none(), "{name} is both read and written, and can have one schema only");
        }
        all
    }
}

/// A member that is not always there is left out in place of being `null`.
fn never_null_if_left_out(schema: &mut Value) {
    let required = schema.get("required").cloned().unwrap_or_default();
    for (name, member) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let is_required = required.as_array().is_some_and(|names| names.iter().any(|other| other == name));
        if let Some([what, Value::String(null)]) = member.get("type").and_then(Value::as_array).map(Vec::as_slice)
            && !is_required
            && null == "null"
        {
            member["type"] = what.clone();
        }
    }
}

fn value(example: &impl Serialize) -> Value {
    serde_json::to_value(example).unwrap()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const PROVIDER: &str = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$";
const KEY: &str = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*(:[^\s/\\?#%]+)?$";
const KEY_OR_ACCOUNT: &str = r"^[^\s/\\?#%]+$";
const LENGTH: &str = r"^[0-9]{1,5}(s|m|h)?$";

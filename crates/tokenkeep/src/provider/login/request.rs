//! What a request of a login sends.

use http::HeaderName;

use super::{JsonTemplate, Template, UrlTemplate, XmlTemplate};
use crate::secret::Secret;

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoginRequest {
    /// How.
    pub(crate) method: Method,
    /// Where to.
    pub(crate) url: UrlTemplate,
    /// Added to the address, encoded.
    pub(crate) query: Vec<(String, Template)>,
    /// Sent beside the usual ones, or in place of them.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// User name and password of an `Authorization: Basic` header (RFC 7617).
    pub(crate) basic: Option<(Template, Template)>,
    /// What is in it.
    pub(crate) body: Body,
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Method {
    /// Its name in HTTP.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// None.
    Empty,
    /// `application/json`
    Json(JsonTemplate),
    /// `application/x-www-form-urlencoded`
    Form(Vec<(String, Template)>),
    /// `text/xml`
    Xml(XmlTemplate),
}

impl LoginRequest {
    /// The names that it uses.
    pub(super) fn names(&self) -> Vec<&str> {
        let pairs = self.query.iter().map(|(_, text)| text).chain(self.headers.iter().map(|(_, text)| text));
        let basic = self.basic.iter().flat_map(|(username, password)| [username, password]);
        let mut names: Vec<_> = self.url.names().chain(pairs.chain(basic).flat_map(Template::names)).collect();
        match &self.body {
            Body::Empty => {}
            Body::Json(json) => names.extend(json.names()),
            Body::Form(form) => names.extend(form.iter().flat_map(|(_, text)| text.names())),
            Body::Xml(xml) => names.extend(xml.as_template().names()),
        }
        names
    }

    /// The texts that it sends as they stand here, but for the plain words of its address: they can be secret too.
    pub(crate) fn literals(&self) -> Vec<Secret> {
        let headers = self.headers.iter().map(|(_, text)| text);
        let query = self.query.iter().map(|(_, text)| text);
        let basic = self.basic.iter().flat_map(|(username, password)| [username, password]);
        let literals = headers.chain(query).chain(basic).flat_map(Template::literals).map(Secret::new);
        let of_body: Vec<Secret> = match &self.body {
            Body::Empty => Vec::new(),
            Body::Json(json) => json.literals().into_iter().map(Secret::new).collect(),
            Body::Form(form) => form.iter().flat_map(|(_, text)| text.literals()).map(Secret::new).collect(),
            Body::Xml(xml) => xml.literals().into_iter().map(Secret::new).collect(),
        };
        let of_url = self.url.literals().map(Secret::new);
        literals.chain(of_body).chain(of_url).collect()
    }

    /// What it says, in comparable parts.
    pub(super) fn tell(&self, parts: &mut Vec<(&'static str, String)>) {
        parts.push((self.method.as_str(), self.url.to_text()));
        parts.extend(self.query.iter().map(|(name, text)| ("query", format!("{name}={}", text.to_text()))));
        parts.extend(self.headers.iter().map(|(name, text)| ("header", format!("{name}: {}", text.to_text()))));
        parts.extend(
            self.basic.iter().map(|(name, password)| ("basic", format!("{}:{}", name.to_text(), password.to_text()))),
        );
        match &self.body {
            Body::Empty => {}
            Body::Json(json) => parts.push(("json", json.to_text())),
            Body::Form(form) => {
                parts.extend(form.iter().map(|(name, text)| ("form", format!("{name}={}", text.to_text()))));
            }
            Body::Xml(xml) => parts.push(("xml", xml.as_template().to_text())),
        }
    }
}

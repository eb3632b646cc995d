//! JSON with names in its texts.

use std::fmt;

use serde_json::{Number, Value};

use super::Template;

/// JSON with templates as its texts. It keeps its shape, whatever the values are.
#[derive(Clone, PartialEq)]
pub(crate) enum JsonTemplate {
    /// A text.
    Text(Template),
    /// A number.
    Number(Number),
    /// A truth value.
    Bool(bool),
    /// An array.
    Array(Vec<Self>),
    /// An object, its members in the order of the file.
    Object(Vec<(String, Self)>),
}

impl JsonTemplate {
    /// The names in it.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.names().collect(),
            Self::Number(_) | Self::Bool(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.names()).collect(),
        }
    }

    /// Its texts but for the names in them.
    pub(super) fn literals(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => text.literals().collect(),
            Self::Number(_) | Self::Bool(_) => Vec::new(),
            Self::Array(items) => items.iter().flat_map(Self::literals).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, value)| value.literals()).collect(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Text(text) => Value::from(text.to_text()).to_string(),
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Array(items) => format!("[{}]", items.iter().map(Self::to_text).collect::<Vec<_>>().join(",")),
            Self::Object(members) => {
                let member = |(name, value): &(String, Self)| format!("{}:{}", Value::from(&**name), value.to_text());
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }
}

// What it says literally can be secret too.
impl fmt::Debug for JsonTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JsonTemplate").field(&self.names()).finish()
    }
}

//! Why a request cannot be made of a recipe and the values at hand.

use super::values::Values;
use crate::key::Key;
use crate::source::{Fault, FetchError};

/// Why a request cannot be made.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Nobody gave this value.
    Missing(Box<str>),
    /// This value cannot stand there.
    Value(Box<str>, Place),
    /// What came of several cannot stand there.
    Whole(Place),
}

/// Where a value does not fit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Header,
    BasicName,
    Host,
    Path,
    Xml,
}

impl Place {
    fn as_str(self) -> &'static str {
        match self {
            Self::Header => "a header, which takes no control characters",
            Self::BasicName => "the name of Basic authentication, which takes no ':'",
            Self::Host => "a host, which takes letters, digits and '-'",
            Self::Path => "the path of an address, which takes no '.' or '..' alone",
            Self::Xml => "XML, which takes no control characters",
        }
    }
}

impl Unfit {
    /// Nothing was asked, and asking again would not help, unless a vendor's answer is to blame.
    pub(super) fn into_error(self, key: &Key, values: &Values<'_>) -> FetchError {
        if let Self::Value(name, place) = &self
            && let Some(step) = values.step_of(name)
        {
            // The vendor's own answer: another may be better.
            let what = format!("step {step} brought a {name} that cannot stand in {}", place.as_str());
            return FetchError::new(Fault::Unavailable, what)
                .with_next(format!("check where step {step} captures {name}"));
        }
        match self {
            Self::Missing(name) => FetchError::new(Fault::LoginRequired, format!("the credentials have no {name}"))
                .with_next(format!("give credentials with {name} for {key}")),
            Self::Value(name, place) => {
                FetchError::new(Fault::Refused, format!("the value of {name} cannot stand in {}", place.as_str()))
                    .with_next(format!("check {name} in the credentials of {key}"))
            }
            Self::Whole(place) => {
                FetchError::new(Fault::Refused, format!("a value cannot stand in {}", place.as_str()))
                    .with_next(format!("check the credentials of {key}"))
            }
        }
    }
}

//! Credentials that are given on stdin.

use serde::de::IgnoredAny;
use tokenkeep::credentials::{InvalidCredentials, PASSWORD, USERNAME};
use tokenkeep::{Credentials, Secret};

use crate::exit::Failure;
use crate::input;
use crate::output;

/// Reads credentials with these names, or with whatever names a program gives them; with a username the password alone.
pub(super) async fn read(username: Option<&str>, names: &[String]) -> Result<Credentials, Failure> {
    let given = match username {
        Some(username) => {
            let password = input::secret_line("password: ").await?;
            if is_json_object(&password) {
                output::warning("the password is a JSON object; without --username it would be read as one");
            }
            Credentials::with_password(username, password)
        }
        None if input::is_terminal() => Credentials::new(ask(names).await?),
        None => Credentials::from_json(input::all().await?.expose_secret()),
    };
    given.map_err(invalid)
}

/// The failure of who gave what cannot be credentials.
pub(super) fn invalid(error: InvalidCredentials) -> Failure {
    Failure::usage(error.to_string(), FORMS)
}

/// Asks a person for each, the one that is no secret first.
async fn ask(names: &[String]) -> Result<Vec<(String, Secret)>, Failure> {
    let usual = [USERNAME.to_owned(), PASSWORD.to_owned()];
    let names = if names.is_empty() { &usual } else { names };
    let (shown, hidden): (Vec<_>, Vec<_>) = names.iter().partition(|name| *name == USERNAME);
    let mut given = Vec::new();
    for name in shown {
        given.push((name.clone(), Secret::new(input::line(&format!("{name}: ")).await?)));
    }
    for name in hidden {
        given.push((name.clone(), input::secret_line(&format!("{name}: ")).await?));
    }
    Ok(given)
}

fn is_json_object(text: &Secret) -> bool {
    let text = text.expose_secret();
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

const FORMS: &str =
    "give {\"username\": \"…\", \"password\": \"…\"} on stdin, or --username NAME and the password on stdin";

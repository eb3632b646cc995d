//! The long-lived secrets of accounts.

use std::time::Duration;

use tokenkeep::Code;
use tokenkeep_api::{CredentialsRequest, StoredAnswer, TrialAnswer, TrialReply, TrialStep, TrialToken};

use super::operation::Access::Permission;
use super::operation::{Form, Need, Operation, Subject};
use super::tokens::KEY;

pub(super) fn operations() -> Vec<Operation> {
    let of = |method, path, id, summary| {
        Operation::new(Subject::Credentials, method, path, id, summary).access(Permission("credentials"))
    };
    vec![
        of("PUT", "/tokens/{key}/credentials", "putCredentials", "Keep the credentials of an account")
            .about(
                "The names are those that the provider's recipe uses, mostly `username` and `password`. `lifetime` is \
                 the life of this account's tokens where the issuer states none. The account's token is forgotten.",
            )
            .path("key", Form::KeyOfAccount, KEY)
            .takes(Need::Required, &credentials().with_lifetime(Duration::from_hours(2)))
            .answers_nothing("They are kept, sealed.")
            .problems(&STORING),
        of("DELETE", "/tokens/{key}/credentials", "deleteCredentials", "Forget the credentials of an account")
            .about("And its token and login. If there are none, that is an `unknown_key`.")
            .path("key", Form::KeyOfAccount, KEY)
            .answers_nothing("They are forgotten.")
            .problems(&STORING),
        of("POST", "/tokens/{key}/credentials/test", "testCredentials", "Log in once, and keep nothing")
            .about(
                "With the credentials in the body, or without one with those that are kept. Answers 200 whatever comes \
                 of it: `ok` says whether it brought a token, `problem` why not. The provider's budget counts it.",
            )
            .path("key", Form::KeyOfAccount, KEY)
            .takes(Need::Optional, &credentials())
            .answers(200, "What came of it.", &trial("bluestakes:123"))
            .problems(&TRYING),
        of(
            "POST",
            "/tokens/credentials/{account}",
            "storeCredentials",
            "Keep the credentials of an account, short form",
        )
        .about(
            "Of the default provider. Send them as JSON; as parameters they stand in the logs of whatever lies \
                 between. Not in both ways.",
        )
        .path("account", Form::Account, "Whose.")
        .query("username", Form::Text, "In place of the body, with `password`.")
        .query("password", Form::Text, "In place of the body, with `username`.")
        .takes(Need::Optional, &credentials())
        .answers(200, "They are kept, sealed.", &StoredAnswer { key: "bluestakes:123".to_owned(), stored: true })
        .problems(&STORING),
        of("POST", "/tokens/credentials/test", "testDefaultCredentials", "Log in once at the default provider")
            .about("Keeps nothing. The credentials are in the body or the parameters, not in both.")
            .query("username", Form::Text, "In place of the body, with `password`.")
            .query("password", Form::Text, "In place of the body, with `username`.")
            .takes(Need::Optional, &credentials())
            .answers(200, "What came of it.", &trial("bluestakes"))
            .problems(&TRYING),
    ]
}

fn credentials() -> CredentialsRequest {
    CredentialsRequest::with_password("ann", "correct horse battery staple")
}

fn trial(key: &str) -> TrialAnswer {
    TrialAnswer {
        key: key.to_owned(),
        issuer: "vendor.example".to_owned(),
        ok: true,
        steps: vec![TrialStep {
            name: "login".to_owned(),
            method: "POST".to_owned(),
            url: "https://vendor.example/api/login".to_owned(),
            headers: Vec::new(),
            body: Some(r#"{"password":"‹password›","username":"‹username›"}"#.to_owned()),
            answer: Some(TrialReply {
                status: 200,
                content_type: Some("application/json".to_owned()),
                bytes: 318,
                kind: "JSON".to_owned(),
            }),
            found: vec!["the token at /Authorization".to_owned()],
        }],
        token: Some(TrialToken {
            token_type: "Bearer".to_owned(),
            scope: None,
            life: Some(3600),
            life_is_stated: false,
            has_refresh_token: false,
        }),
        problem: None,
    }
}

const STORING: [Code; 2] = [Code::UnknownKey, Code::Unavailable];
const TRYING: [Code; 3] = [Code::UnknownKey, Code::LoginRequired, Code::Unavailable];

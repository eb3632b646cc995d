//! The laws of `grant = "login"`.

use tokenkeep::config::Problem;
use tokenkeep::provider::{Grant, LoginSettings, TokenHeader};

use super::{assert_hides, config, faults, report};

const USER: &str = "username = 'ada'\npassword = { env = 'SECRET' }\n";
const JSON: &str = "json = { u = '{username}', p = '{password}' }\n";

/// A provider with these options and this recipe.
fn login(options: &str, recipe: &str) -> String {
    format!("[providers.v]\ngrant = 'login'\n{options}[providers.v.login]\n{recipe}")
}

/// A recipe that is right but for these words.
fn recipe(words: &str) -> String {
    login(USER, &format!("post = 'https://v.example/l'\ntoken = '/t'\n{JSON}{words}"))
}

async fn settings(source: &str) -> LoginSettings {
    let config = config(source).await;
    let [provider] = &*config.providers else { panic!() };
    let Grant::Login(settings) = &provider.grant else { panic!() };
    LoginSettings::clone(settings)
}

async fn messages(source: &str) -> Vec<String> {
    faults(source).await.iter().map(|problem| problem.message().to_owned()).collect()
}

#[tokio::test]
async fn a_recipe_knows_which_credentials_it_needs() {
    let settings = settings(&login(
        "username = 'ada'\npassword = { env = 'SECRET' }\ncredentials = { key = { env = 'SECRET' } }\napi_base = 'https://v.example/api/'\n",
        "post = '{api_base}/l'\njson = { a = ['{username}', { b = '{csrf}{password}' }] }\ntoken = { header = 'X' }\n\
         [[providers.v.login.step]]\nget = '{api_base}/s/{key}'\ncapture = { csrf = '/c' }\n",
    ))
    .await;
    assert_eq!(settings.credential_names(), ["key", "password", "username"]);
    assert_eq!(settings.host(), "v.example");
}

#[tokio::test]
async fn every_fault_of_a_recipe_is_reported_at_once_each_at_its_line() {
    let problems = faults(&login(
        "username = 'ada'\npassword = { env = 'SECRET' }\ncredentials = { key = { env = 'SECRET' }, 'a b' = { env = 'SECRET' }, lifetime = { env = 'SECRET' } }\n",
        "post = 'http://v.example/l'\n\
         get = 'https://v.example/l'\n\
         headers = { Host = 'a', 'b c' = 'd', X = '{usernam}' }\n\
         form = { p = '{password' }\n\
         json = { p = '{password}' }\n\
         token = 'token'\n\
         expires_in = { json = '/a', unit = 'weeks' }\n\
         ok = { json = '/ok' }\n\
         error = { header = 'a b', cookie = 'c' }\n\
         scope = { body = false }\n\
         tokn = '/t'\n\
         [[providers.v.login.step]]\n\
         capture = { username = '/u', 'a b' = '/b' }\n",
    ))
    .await;
    let found: Vec<_> = problems.iter().map(|problem| (problem.line().unwrap(), problem.message())).collect();
    assert_eq!(
        found,
        [
            (5, "a name of credentials has letters, digits and '_', 64 at most"),
            (5, "`lifetime` does not belong into `credentials`"),
            (7, "a request has one method"),
            (7, "`post` would send secrets unencrypted; use https, or set insecure = true"),
            (9, "this header is set by the connection"),
            (9, "this is not the name of a header"),
            (9, "what stands in braces is not known here"),
            (10, "a request has one body"),
            (10, "`p` has a `{` without `}`; write `{{` to mean `{` itself"),
            (12, "`token` is no JSON pointer; write e.g. \"/data/token\""),
            (13, "unknown unit"),
            (14, "`ok` does not say what must stand there"),
            (15, "this names several places"),
            (16, "`body` can only be true"),
            (17, "unknown option `tokn`"),
            (18, "this request has no address"),
            (19, "this name has another value already; choose another one"),
            (19, "a name to capture has letters, digits and '_', 64 at most"),
        ]
    );
}

#[tokio::test]
async fn what_a_recipe_uses_must_be_there_and_the_report_says_where_to_write_it() {
    let template = |options: &str, text: &str| {
        login(options, &format!("post = 'https://v.example/l'\ntoken = '/t'\njson = {{ a = '{text}' }}\n"))
    };
    for (source, message, help) in [
        (template("", "{username}"), "`{username}` is used, but `username` is missing", "username = \"…\""),
        (template("", "{password}"), "`{password}` is used, but `password` is missing", "{ env = \"NAME\" }"),
        (template("", "{api_base}"), "`{api_base}` is used, but `api_base` is missing", "https://…"),
        (template("", "{key}"), "what stands in braces is not known here", "give its value in `credentials`"),
        (template("username = 'a'\n", "{username}{usrname}"), "what stands in braces", "did you mean {username}?"),
        (template("", "{refresh_token}"), "what stands in braces is not known here", ""),
        (template("", "{}"), "`a` has braces around what is no name; write `{{` to mean `{` itself", ""),
        (template("username = 'a'\n", "x"), "`username` is not used in [login]", "write {username} where it belongs"),
        (login("", ""), "this request has no address", "write e.g. post = "),
        ("[providers.v]\ngrant = 'login'\n".to_owned(), "`login` is missing in [providers.v]", ""),
    ] {
        let problems = faults(&source).await;
        let found: Vec<_> = problems.iter().map(Problem::message).collect();
        assert!(found[0].starts_with(message), "{found:#?}");
        assert!(problems.iter().next().unwrap().help().unwrap_or_default().contains(help), "{problems}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let url = |url: &str| login(USER, &format!("post = '{url}'\n{JSON}token = '/t'\n"));
    let refresh = |words: &str| {
        recipe(&format!("[providers.v.login.refresh]\npost = 'https://v.example/r'\ntoken = '/t'\n{words}"))
    };
    for (source, expected) in [
        (url("http://v.example/l"), "`post` would send secrets unencrypted; use https, or set insecure = true"),
        (url("https://{username}/l"), "`post` can have one name in its host, in front of a domain"),
        (url("/l"), "`post` is not a URL"),
        (recipe("get = 'https://v.example/l'\n"), "a request has one method"),
        (login(USER, &format!("get = 'https://v.example/l'\n{JSON}token = '/t'\n")), "GET sends no body"),
        (
            recipe("basic = { username = 'a', password = 'b' }\nheaders = { authorization = 'c' }\n"),
            "`basic` is an Authorization header",
        ),
        (recipe("expires_in = '/a'\nexpires_at = '/b'\n"), "`expires_in` and `expires_at` exclude each other"),
        (recipe("expires_at = { jwt = false }\n"), "`jwt` can only be true"),
        (recipe("ok = { json = '/a', is = 1.5 }\n"), "`is` must be a string, a whole number, true or false"),
        (recipe("headers = { X-A = 'a', x-a = 'b' }\n"), "this header is there already; letter case does not matter"),
        (recipe("form = { a = '{nobody}' }\n"), "what stands in braces is not known here"),
        (recipe("ok = { status = 404 }\n"), "`status` is not one of a good answer"),
        (recipe("token_type = {}\n"), "`token_type` does not say where"),
        (recipe("scope = 5\n"), "`scope` must be \"/json/pointer\", { header"),
        (recipe("refresh_token = '/r'\n"), "`refresh_token` is of no use without [login.refresh]"),
        (refresh("form = { r = '{refresh_token}' }\n"), "there is no refresh token for [login.refresh]"),
        (
            login(
                USER,
                &format!(
                    "post = 'https://v.example/l'\n{JSON}token = '/t'\nrefresh_token = '/r'\n[providers.v.login.refresh]\npost = 'https://v.example/r'\ntoken = '/t'\n"
                ),
            ),
            "[login.refresh] does not send {refresh_token}",
        ),
        (
            login(USER, "post = 'https://v.example/l'\nxml = '<a>{username}{password}</b>'\ntoken = '/t'\n"),
            "`xml` is not well-formed XML",
        ),
        (
            login(
                USER,
                "post = 'https://v.example/l'\nxml = '<a><![CDATA[{username}{password}]]></a>'\ntoken = '/t'\n",
            ),
            "`xml` has a name where none can stand",
        ),
        (recipe("step = [{}, {}, {}, {}, {}, {}, {}, {}, {}]\n"), "a login has 8 steps at most"),
        (recipe("step = { get = 'https://v.example/' }\n"), "`step` must be an array, not a table"),
        (recipe("").replace("'{username}'", "1979-05-27"), "`u` must be something of JSON, not a date"),
        (recipe("").replace("'{username}'", "inf"), "`u` must be a number of JSON, not a number"),
        (
            login(&format!("{USER}scope = 'a'\n"), &format!("post = 'https://v.example/l'\n{JSON}token = '/t'\n")),
            "`scope` does not belong to grant login",
        ),
    ] {
        let found = messages(&source).await;
        assert!(found.iter().any(|message| message.starts_with(expected)), "{expected}: {found:#?}");
    }
}

#[tokio::test]
async fn another_recipe_or_another_value_makes_another_fingerprint() {
    let base = recipe("");
    let fingerprint = async |source: &str| settings(source).await.fingerprint();
    let first = fingerprint(&base).await;
    assert_eq!(fingerprint(&base).await, first);
    for words in [
        "query = { a = 'b' }",
        "headers = { a = 'b' }",
        "expires_in = '/e'",
        "expires_at = { jwt = true }",
        "error = '/e'",
        "ok = { json = '/e', is = 1 }",
        "ok = { json = '/e', is = 2 }",
        "scope = '/s'",
        "step = [{ get = 'https://v.example/' }]",
        "basic = { username = 'a', password = 'b' }",
    ] {
        assert_ne!(fingerprint(&recipe(words)).await, first, "{words}");
    }
    for (from, to) in
        [("'/t'", "'/u'"), ("/l'", "/m'"), ("p = ", "q = "), ("post", "put"), ("{password}'", "{password} '")]
    {
        assert_ne!(fingerprint(&base.replace(from, to)).await, first, "{to}");
    }
}

#[tokio::test]
async fn a_name_that_is_misspelt_is_marked_and_nothing_of_the_text_is_shown() {
    let report = report(&recipe("").replace("'{username}'", "'hunter2-{usernam}'")).await;
    assert!(report.contains("json = { u = '***', p = '***' }"), "{report}");
    assert!(report.contains("help: did you mean {username}?"), "{report}");
    assert!(!report.contains("hunter2") && !report.contains("usernam}'"), "{report}");
}

#[tokio::test]
async fn no_secret_of_a_recipe_is_in_any_report_or_debug() {
    for faulty in [
        "tokn = 'hunter2'",
        "headers = { scope = 'hunter2', 'b c' = 'hunter2' }",
        "query = { env = 'hunter2', a = '{hunter2}' }",
        "form = { client_id = 'hunter2' }",
        "xml = '<a>hunter2'",
        "basic = { username = 'hunter2', password = 'hunter2', x = 1 }",
        "ok = { json = '/a', is = 'hunter2', x = 1 }",
        "error = 'hunter2'",
        "capture = { scope = 'hunter2' }",
        "[providers.v.login.refresh]\npost = 'https://v.example/hunter2'\ntoken = 'hunter2'",
    ] {
        assert_hides(&faulty, &faults(&recipe(&format!("{faulty}\n"))).await);
    }
    for options in ["credentials = { scope = 'hunter2' }\n", "credentials = { scope = { value = 'hunter2' } }\n"] {
        assert_hides(&options, &faults(&login(options, "")).await);
    }
    let source = recipe("headers = { X-Key = 'hunter2' }\nquery = { a = 'hunter2' }\n")
        .replace("'{username}'", "'{username}hunter2'");
    let config = config(&source).await;
    assert!(!format!("{config:?}{config:#?}").contains("hunter2"), "{config:?}");
}

#[tokio::test]
async fn a_login_can_be_a_fallback() {
    let recipe = recipe("")
        .replace("[providers.v]", "[[providers.v.fallback]]")
        .replace("providers.v.login", "providers.v.fallback.login");
    let config = config(&format!("[providers.v]\ngrant = 'command'\ncommand = ['t']\n{recipe}")).await;
    assert!(matches!(&config.providers[0].fallbacks[..], [Grant::Login(_)]));
}

#[tokio::test]
async fn accounts_in_the_store_may_have_any_credentials() {
    let stored = "accounts = 'stored'\ncredentials = { app = { env = 'SECRET' } }\n";
    let words = "post = 'https://v.example/{tenant}'\njson = { a = '{app}{pin}' }\ntoken = '/t'\n";
    let settings = settings(&login(stored, words)).await;
    assert_eq!(settings.credential_names(), ["app", "pin", "tenant"]);
    for (options, words, message) in [
        (format!("{stored}username = 'a'\n"), words.to_owned(), "`username` is each account's own"),
        (stored.to_owned(), words.replace("{pin}", "{api_base}"), "`{api_base}` is used, but `api_base` is missing"),
        (stored.to_owned(), words.replace("{pin}", "{refresh_token}"), "what stands in braces is not known here"),
    ] {
        let found = messages(&login(&options, &words)).await;
        assert!(found.iter().any(|found| found.starts_with(message)), "{found:?}");
    }
}

#[tokio::test]
async fn the_header_of_a_token_has_a_name_and_a_format() {
    let provider = |header: &str| format!("[providers.v]\ngrant = 'static'\ntoken = {{ env = 'SECRET' }}\n{header}");
    for (header, name, value) in [
        ("header = { name = 'X-Auth-Token' }", "x-auth-token", "a-token"),
        ("header = { format = 'Token token=\"{token}\"' }", "authorization", "Token token=\"a-token\""),
        ("header = { name = 'Cookie', format = 'session={token}' }", "cookie", "session=a-token"),
    ] {
        let config = config(&provider(header)).await;
        let TokenHeader::Own(header) = &config.providers[0].api.header else { panic!() };
        let shown = header.value("a-token");
        assert_eq!((header.name().as_str(), shown.to_str().unwrap()), (name, value));
        assert!(!format!("{shown:?}").contains("a-token"));
    }
    for (header, message) in [
        ("header = { name = 'X Y' }", "`name` is not the name of a header"),
        ("header = { name = 'Host' }", "this header is set by the connection"),
        ("header = { format = 'Bearer' }", "`format` must hold {token}"),
        ("header = { format = '{token}{token}' }", "`format` can hold {token} once"),
        ("header = { format = '{token}é' }", "`format` can hold ASCII only"),
        ("header = { nam = 'X' }", "unknown option `nam`"),
        ("header = 'X'", "`header` must be a table, not a string"),
    ] {
        let found = messages(&provider(header)).await;
        assert!(found[0].starts_with(message), "{header}: {found:?}");
    }
}

#[tokio::test]
async fn what_a_variable_holds_is_no_template() {
    let source = login(
        USER,
        "post = 'https://v.example/${BRACES}'\njson = { a = '${BRACES}{username}{password}' }\ntoken = '/t'\n",
    );
    let env = |name: &str| match name {
        "BRACES" => Some("{username}{".to_owned()),
        "SECRET" => Some("hunter2".to_owned()),
        _ => None,
    };
    tokenkeep::config::parse(&source, "keep.toml", std::path::Path::new(""), &env).await.unwrap();
}

#[tokio::test]
async fn accounts_in_the_store_have_no_values_for_what_steps_capture_or_for_a_lifetime() {
    let stored = "accounts = 'stored'\n";
    let source = |in_step: &str, in_login: &str, in_refresh: &str| {
        login(
            stored,
            &format!(
                "post = 'https://v.example/l'\njson = {{ a = '{in_login}' }}\ntoken = '/t'\nrefresh_token = '/r'\n\
                 [[providers.v.login.step]]\nget = 'https://v.example/{in_step}'\ncapture = {{ csrf = '/c' }}\n\
                 [providers.v.login.refresh]\npost = 'https://v.example/r'\n\
                 form = {{ r = '{{refresh_token}}{in_refresh}' }}\ntoken = '/t'\n"
            ),
        )
    };
    config(&source("{tenant}", "{csrf}{pin}", "{pin}")).await;
    for (source, message) in [
        (source("", "{csrf}", "{csrf}"), "`{csrf}` is used where no step has captured it"),
        (source("{csrf}", "{csrf}", ""), "`{csrf}` is used where no step has captured it"),
        (source("", "{lifetime}", ""), "`{lifetime}` is how long a token lives, and is not sent"),
    ] {
        assert_eq!(messages(&source).await, [message], "{source}");
    }
}

#[tokio::test]
async fn a_name_close_to_one_that_every_account_has_is_doubted() {
    let source =
        "post = 'https://v.example/l'\njson = { u = '{usernmae}', p = '{password}', t = '{tenant}' }\ntoken = '/t'\n";
    let config = config(&login("accounts = 'stored'\n", source)).await;
    let [warning] = &*config.warnings else { panic!("{:?}", config.warnings) };
    assert_eq!(warning.message(), "what stands in braces is nearly {username}, and is not the same");
    assert_eq!(warning.line(), Some(6));
}

#[tokio::test]
async fn a_fallback_is_given_no_refresh_token_so_it_can_have_no_refresh() {
    let recipe = recipe(
        "refresh_token = '/r'\n[providers.v.login.refresh]\npost = 'https://v.example/r'\n\
         form = { r = '{refresh_token}' }\ntoken = '/t'\n",
    );
    let recipe = recipe
        .replace("[providers.v]", "[[providers.v.fallback]]")
        .replace("providers.v.login", "providers.v.fallback.login");
    let found = messages(&format!("[providers.v]\ngrant = 'command'\ncommand = ['t']\n{recipe}")).await;
    assert_eq!(found, ["a fallback is given no refresh token, so its [login.refresh] is never used"]);
}

#[tokio::test]
async fn what_stands_around_a_token_in_its_header_is_not_in_any_debug() {
    let source =
        "[providers.v]\ngrant = 'static'\ntoken = { env = 'SECRET' }\nheader = { format = 'hunter2 {token}' }\n";
    let config = config(source).await;
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
}

#[tokio::test]
async fn a_whole_number_means_the_same_however_it_is_written() {
    let statuses = |number: &str| recipe(&format!("ok = {{ json = '/a', is = {number} }}\n"));
    let fingerprint = async |source: &str| settings(source).await.fingerprint();
    let four = fingerprint(&statuses("4")).await;
    for number in ["0b100", "+4", "0x4", "0o4"] {
        assert_eq!(fingerprint(&statuses(number)).await, four, "{number}");
    }
    let source = recipe("").replace("grant = 'login'", "grant = 'login'\nreject_on = [0x191, 4_03]");
    assert_eq!(config(&source).await.providers[0].api.reject_on, [401, 403]);
    settings(&recipe("ok = { status = 0x12e }\n")).await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_one_fault() {
    let source = login(
        "credentials = { key = { env = 'UNSET' } }\n",
        "post = 'https://v.example/l'\njson = { a = '{key}' }\ntoken = '/t'\n",
    );
    assert_eq!(messages(&source).await, ["the environment variable `UNSET` is not set"]);
}

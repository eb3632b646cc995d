//! The JSON Schema of the configuration file says what the reader of the file does.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jsonschema::Validator;
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn the_schema_knows_the_options_that_the_reader_knows_and_no_others() {
    let world = World::without_config().await;
    let schema = world.run(&["config", "schema"]).await.json();
    let mut compared = BTreeSet::new();
    for (place, config) in TABLES {
        let read = Read::by(&world, config).await;
        let table = schema.pointer(place).unwrap();
        assert_eq!(names(table["properties"].as_object().unwrap().keys()), read.known, "{place}");
        assert_eq!(words(&table["required"]), read.required, "{place}");
        compared.insert(place.to_owned());
    }
    assert_eq!(tables(&schema, String::new()), compared, "each table of the schema needs a line in TABLES");
}

#[tokio::test]
async fn the_schema_knows_what_belongs_to_each_grant() {
    let world = World::without_config().await;
    let schema = world.run(&["config", "schema"]).await.json();
    let provider = schema.pointer("/$defs/provider").unwrap();
    let grants = words(&provider["properties"]["grant"]["anyOf"][0]["enum"]);
    let mut compared = BTreeSet::new();
    for rule in provider["allOf"].as_array().unwrap() {
        let grant = rule.pointer("/if/properties/grant/const").unwrap().as_str().unwrap();
        let read = Read::by(&world, &format!("[providers.x]\ngrant = '{grant}'")).await;
        assert_eq!(words(&rule["then"]["propertyNames"]["enum"]), read.known, "{grant}");
        let mut required = words(&rule["then"]["required"]);
        // Without accounts of their own.
        required.extend(rule.pointer("/then/anyOf/1/required").map(words).unwrap_or_default());
        required.remove("grant");
        assert_eq!(required, read.required, "{grant}");
        compared.insert(grant.to_owned());
    }
    assert_eq!(compared, grants);
}

#[tokio::test]
async fn the_example_is_valid_by_the_schema_as_it_is_and_with_everything_in_it() {
    let world = World::without_config().await;
    let validator = validator(&world).await;
    let example = world.run(&["config", "example"]).await.data().to_owned();
    for config in [&example, &with_everything(&example)] {
        assert_eq!(wrong(&validator, config), [""; 0]);
    }
}

#[tokio::test]
async fn the_example_has_every_option_of_the_schema() {
    let world = World::without_config().await;
    let schema = world.run(&["config", "schema"]).await.json();
    let example = world.run(&["config", "example"]).await.data().to_owned();
    let example: Value = toml::from_str(&with_everything(&example)).unwrap();
    let providers = Value::Array(example["providers"].as_object().unwrap().values().cloned().collect());
    for (place, shown) in [
        ("/$defs/provider", &providers),
        ("/properties/server", &example["server"]),
        ("/properties/server/properties/keys/items", &example["server"]["keys"]),
        ("/properties/server/properties/tls", &example["server"]["tls"]),
        ("/properties/server/properties/webhooks/items", &example["server"]["webhooks"]),
    ] {
        let tables = shown.as_array().cloned().unwrap_or_else(|| vec![shown.clone()]);
        let shown: BTreeSet<_> = tables.iter().flat_map(|table| names(table.as_object().unwrap().keys())).collect();
        let known = names(schema.pointer(place).unwrap()["properties"].as_object().unwrap().keys());
        assert_eq!(shown, known, "{place}");
    }
}

#[tokio::test]
async fn what_the_reader_takes_is_valid_by_the_schema() {
    let world = World::without_config().await;
    let validator = validator(&world).await;
    for options in [
        "grant = '${GRANT:-static}'\ntoken = { env = ['A', 'B'] }",
        "grant = 'static'\ntoken = 'literal'",
        "grant = 'password'\ntoken_url = '${URL}'\nclient_id = 'x'\naccounts = 'stored'\nbudget = '1/s'",
        "grant = 'command'\ncommand = ['a']\nmax_failures = 2\n[[providers.x.fallback]]\ngrant = 'static'\ntoken = 'x'",
        "grant = 'command'\ncommand = ['a']\nrefresh = { every = '1 hour' }\ntimeout = '${T:-5s}'\nlifetime = '1500ms'",
        "grant = 'client_credentials'\ntoken_url = '${URL}'\nclient_id = 'x'\nscope = ['a', 'b']\ninsecure = true",
        "grant = 'client_credentials'\ntoken_url = 'https://a.example'\nclient_id = 'x'\nclient_secret.file = 'x'",
        "grant = 'login'\naccounts = 'stored'\nlogin = { post = '{api_base}', json = { a = [1, true] }, token = '/t' }",
        "grant = 'login'\nlogin = { post = '${URL}', basic = { username = 'a', password = '' }, token = '/t' }",
        "grant = 'password'\naccounts = 'stored'\ntoken_url = '${URL}'\nclient_id = 'x'\n\
         [[providers.x.fallback]]\ngrant = 'password'\ntoken_url = '${URL}'\nclient_id = 'x'",
        "grant = 'login'\nlogin = { get = '${URL}', token = { body = true }, expires_at = { jwt = true } }",
    ] {
        assert_eq!(wrong(&validator, &format!("[providers.x]\n{options}")), [""; 0], "{options}");
    }
    assert_eq!(wrong(&validator, "#:schema ./tokenkeep.schema.json\n"), [""; 0]);
}

#[tokio::test]
async fn what_an_editor_can_see_to_be_wrong_is_invalid_by_the_schema() {
    let world = World::without_config().await;
    let validator = validator(&world).await;
    for (config, place) in [
        ("stor = 'memory:'", ""),
        ("[providers.'a b']\ngrant = 'static'\ntoken = 'x'", "/providers"),
        ("[providers.x]\ntoken = 'x'", "/providers/x"),
        ("[providers.x]\ngrant = 'statik'", "/providers/x/grant"),
        ("[providers.x]\ngrant = 'static'", "/providers/x"),
        ("[providers.x]\ngrant = 'static'\ntoken = {}", "/providers/x/token"),
        ("[providers.x]\ngrant = 'static'\ntoken = { env = 'A', file = 'b' }", "/providers/x/token"),
        ("[providers.x]\ngrant = 'static'\ntoken = 'x'\ntimeout = '5s'", "/providers/x"),
        ("[providers.x]\ngrant = 'command'\ncommand = []", "/providers/x/command"),
        ("[providers.x]\ngrant = 'command'\ncommand = ['a']\ntimeout = 5", "/providers/x/timeout"),
        ("[providers.x]\ngrant = 'command'\ncommand = ['a']\ntimeout = '5'", "/providers/x/timeout"),
        ("[providers.x]\ngrant = 'password'\ntoken_url = '${URL}'\nclient_id = 'x'\nusername = 'x'", "/providers/x"),
        ("[providers.x]\ngrant = 'command'\ncommand = ['a']\nmax_failures = 0", "/providers/x/max_failures"),
        ("seal_keys = []", "/seal_keys"),
        ("[server]\nlisten = []", "/server/listen"),
        ("[server]\nlisten = ['localhost']", "/server/listen/0"),
        ("[server]\ntls = { certificate = 'server.pem' }", "/server/tls"),
        ("[server]\nmax_connections = 0", "/server/max_connections"),
        ("[[server.keys]]\nname = 'a'\ntokens = ['*']\nsha256 = 'short'", "/server/keys/0/sha256"),
        ("[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['a b']", "/server/keys/0/tokens/0"),
        ("[[server.keys]]\nname = 'a'\nuid = 1\ntokens = ['*']\nallow = ['all']", "/server/keys/0/allow/0"),
        ("[[server.webhooks]]\nurl = 'alerts.example.com'", "/server/webhooks/0/url"),
        ("[[server.webhooks]]\nurl = 'https://a.example'\nevents = ['all']", "/server/webhooks/0/events/0"),
    ] {
        assert_eq!(wrong(&validator, config), [place], "{config}");
    }
}

/// Every table of the schema, and the beginning of a file whose next line is in that table.
const TABLES: [(&str, &str); 20] = [
    ("", ""),
    ("/$defs/provider", "[providers.x]"),
    ("/$defs/fallback", "[providers.x]\ngrant = 'command'\ncommand = ['a']\n[[providers.x.fallback]]"),
    (
        "/$defs/provider/properties/refresh/anyOf/1",
        "[providers.x]\ngrant = 'command'\ncommand = ['a']\n[providers.x.refresh]",
    ),
    ("/$defs/secret/anyOf/0", "[providers.x]\ngrant = 'static'\n[providers.x.token]"),
    ("/$defs/provider/properties/header", "[providers.x]\ngrant = 'command'\ncommand = ['a']\n[providers.x.header]"),
    ("/$defs/login", "[providers.x]\ngrant = 'login'\n[providers.x.login]"),
    (
        "/$defs/login/properties/basic",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[providers.x.login.basic]",
    ),
    (
        "/$defs/login_step",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[[providers.x.login.step]]",
    ),
    (
        "/$defs/login_step/properties/basic",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[[providers.x.login.step]]\n[providers.x.login.step.basic]",
    ),
    (
        "/$defs/login_refresh",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[providers.x.login.refresh]",
    ),
    (
        "/$defs/login_refresh/properties/basic",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[providers.x.login.refresh]\ntoken = '/t'\n[providers.x.login.refresh.basic]",
    ),
    ("/$defs/place/anyOf/1", "[providers.x]\ngrant = 'login'\n[providers.x.login]\n[providers.x.login.token]"),
    (
        "/$defs/place_of_length/anyOf/1",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[providers.x.login.expires_in]",
    ),
    (
        "/$defs/place_of_time/anyOf/1",
        "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[providers.x.login.expires_at]",
    ),
    ("/$defs/ok", "[providers.x]\ngrant = 'login'\n[providers.x.login]\ntoken = '/t'\n[providers.x.login.ok]"),
    ("/properties/server", "[server]"),
    ("/properties/server/properties/keys/items", "[[server.keys]]"),
    ("/properties/server/properties/tls", "[server.tls]"),
    ("/properties/server/properties/webhooks/items", "[[server.webhooks]]"),
];

/// What the reader says of the last table of a file.
struct Read {
    known: BTreeSet<String>,
    required: BTreeSet<String>,
}

impl Read {
    /// Writes an option that nobody could mean: the reader says which ones it knows, and which are missing.
    async fn by(world: &World, config: &str) -> Self {
        world.write_config(&format!("{config}\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1\n"));
        let checked = world.run(&["config", "check", "--json"]).await;
        let problems: Vec<Value> = serde_json::from_str(&checked.stdout).unwrap();
        let unknown = |problem: &&Value| problem["message"].as_str().unwrap().starts_with("unknown option");
        let help = problems.iter().find(unknown).unwrap()["help"].as_str().unwrap();
        let (_, known) = help.split_once(" are ").unwrap();
        let missing = problems.iter().filter_map(|problem| problem["message"].as_str()?.split_once("` is missing in"));
        let required = missing.map(|(name, _)| name.trim_start_matches('`'));
        Self { known: known.split(", ").map(|name| name.replace('`', "")).collect(), required: names(required) }
    }
}

/// Where the tables are that take their own options only.
fn tables(schema: &Value, place: String) -> BTreeSet<String> {
    let below: Vec<_> = match schema {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(values) => values.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let mut tables: BTreeSet<_> =
        below.into_iter().flat_map(|(name, value)| self::tables(value, format!("{place}/{name}"))).collect();
    if schema["additionalProperties"] == Value::Bool(false) {
        tables.insert(place);
    }
    tables
}

async fn validator(world: &World) -> Validator {
    let schema = world.run(&["config", "schema"]).await.json();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// The example with what is behind `#` in it.
fn with_everything(example: &str) -> String {
    let mut whole = String::new();
    for line in example.replace("…", &"0f".repeat(32)).lines() {
        let option = line.strip_prefix("# ").filter(|option| option.contains(" = ") || option.starts_with("[["));
        writeln!(whole, "{}", option.unwrap_or(line)).unwrap();
    }
    whole
}

/// Where a file is not as the schema wants it.
fn wrong(validator: &Validator, config: &str) -> Vec<String> {
    let config: Value = toml::from_str(config).unwrap();
    let places: BTreeSet<_> = validator.iter_errors(&config).map(|error| error.instance_path().to_string()).collect();
    places.into_iter().collect()
}

fn words(list: &Value) -> BTreeSet<String> {
    names(list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()))
}

fn names(names: impl IntoIterator<Item = impl AsRef<str>>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}

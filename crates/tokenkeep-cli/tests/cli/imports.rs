//! `tokenkeep import`: what other systems have obtained, from real files and databases.

use std::time::Duration;

use jiff::{Timestamp, tz::Offset};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokenkeep::Clock as _;
use tokenkeep::clock::SystemClock;
use tokenkeep_test_servers::{Postgres, Redis};

use crate::world::{Ended, World};

/// What each planted token begins with.
const PLANTED: &str = "planted-old-";

#[tokio::test]
async fn a_token_file_of_the_system_before_is_taken_over_and_left_as_it_is() {
    let world = World::start().await;
    let content = token_file("planted-old-graph", 39_540);
    std::fs::write(world.path("graph_token.json"), &content).unwrap();
    std::fs::write(world.path("flight.json"), token_file("planted-old-people", 600)).unwrap();
    let imported = import(&world, 0, &["verteil", "graph_token.json"]).await;
    assert_eq!(imported["tokens"][0]["outcome"], "imported", "{imported}");
    // A file of another name is that of the provider that is named.
    let unnamed = world.run(&["import", "verteil", "flight.json"]).await;
    assert!(unnamed.failure(2).contains("--provider"), "{unnamed:?}");
    import(&world, 0, &["verteil", "flight.json", "--provider", "people"]).await;
    had_for_nothing(&world, &[("graph", "planted-old-graph"), ("people", "planted-old-people")]).await;
    assert_eq!(std::fs::read_to_string(world.path("graph_token.json")).unwrap(), content);
}

#[tokio::test]
async fn of_a_folder_each_token_file_is_taken_over_and_nothing_else() {
    let world = World::start().await;
    std::fs::create_dir(world.path("old")).unwrap();
    for (name, content) in [
        ("graph_token.json", token_file("planted-old-graph", 600)),
        ("people_token.json", token_file("planted-old-people", -5)),
        ("nobody_token.json", token_file("planted-old-nobody", 600)),
        ("calendar_token.json", "{\"access_token\": \"planted-old-cut".to_owned()),
        ("notes.txt", "planted-old-notes".to_owned()),
    ] {
        std::fs::write(world.path("old").join(name), content).unwrap();
    }
    let dry = import(&world, 2, &["verteil", "old", "--dry-run"]).await;
    assert!(dry["dry_run"] == true && dry["imported"] == 1, "{dry}");
    assert_eq!(world.run(&["status", "graph", "--json"]).await.json()["state"], "absent", "nothing is written");
    let imported = import(&world, 2, &["verteil", "old"]).await;
    assert_eq!(imported["tokens"], dry["tokens"]);
    let outcomes: Vec<_> =
        tokens(&imported).iter().map(|token| (text(token, "name"), text(token, "outcome"))).collect();
    let expected = [("calendar", "unfit"), ("graph", "imported"), ("nobody", "unknown"), ("people", "over")];
    assert_eq!(outcomes, expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())));
    had_for_nothing(&world, &[("graph", "planted-old-graph")]).await;
    // Nothing is made beside them.
    assert_eq!(std::fs::read_dir(world.path("old")).unwrap().count(), 5);
}

#[tokio::test]
async fn rows_of_a_sqlite_file_are_read_whatever_offset_their_time_has() {
    let world = World::start().await;
    let soon = now() + Duration::from_mins(9);
    // Cut off or taken for local time, it would be hours away.
    let (naive, offset) = (naive(soon), with_offset(soon, -7));
    sqlite(
        &world,
        &format!(
            "CREATE TABLE tokens (service TEXT PRIMARY KEY, access_token TEXT, expires_at, refresh_token TEXT);
             INSERT INTO tokens VALUES ('graph', 'planted-old-graph', '{offset}', NULL),
                 ('people', 'planted-old-people', '{naive}', ''),
                 ('genesys', 'planted-old-genesys', {}, NULL),
                 ('calendar', 'planted-old-calendar', NULL, NULL);",
            soon.as_second(),
        ),
    )
    .await;
    let before = std::fs::read(world.path("old.db")).unwrap();
    let imported = import(&world, 2, &["whodis", "old.db"]).await;
    let ends: Vec<_> = tokens(&imported).iter().map(|token| token["expires_at"].clone()).collect();
    let end = json!(Timestamp::from_second(soon.as_second()).unwrap().to_string());
    assert_eq!(ends, [Value::Null, end.clone(), end.clone(), end], "{imported}");
    assert_eq!(imported["unknown"], 1, "{imported}");
    had_for_nothing(&world, &[("graph", "planted-old-graph"), ("people", "planted-old-people")]).await;
    assert_eq!(std::fs::read(world.path("old.db")).unwrap(), before);
    // Names that were others.
    sqlite(&world, "CREATE VIEW renamed AS SELECT 'graph:' || service AS key, access_token, expires_at FROM tokens")
        .await;
    let renamed = import(&world, 2, &["whodis", "old.db", "--table", "renamed", "--key", "key", "--dry-run"]).await;
    assert_eq!((&renamed["unknown"], &renamed["unfit"]), (&json!(3), &json!(1)), "{renamed}");
}

#[tokio::test]
async fn what_was_imported_is_sealed_and_stays_when_it_is_imported_again() {
    let world = World::start().await;
    let csv = |token: &str, minutes| {
        let end = with_offset(now() + Duration::from_mins(minutes), 2);
        std::fs::write(world.path("old.csv"), format!("\u{feff}name,token,until\ngraph,{token},{end}\n")).unwrap();
    };
    let args = ["whodis", "old.csv", "--key", "name", "--token", "token", "--expires", "until"];
    csv("planted-old-first", 9);
    assert_eq!(import(&world, 0, &args).await["imported"], 1);
    assert_eq!(import(&world, 0, &args).await["kept"], 1);
    for file in ["tokens.db", "tokens.db-wal"] {
        let stored = std::fs::read(world.path(file)).unwrap_or_default();
        assert!(!stored.windows(PLANTED.len()).any(|part| part == PLANTED.as_bytes()), "{file}");
    }
    // The system before goes on for a while.
    csv("planted-old-second", 30);
    assert_eq!(import(&world, 0, &args).await["imported"], 1);
    had_for_nothing(&world, &[("graph", "planted-old-second")]).await;
    assert_eq!(world.run(&["status", "graph", "--json"]).await.json()["generation"], 2);
}

#[tokio::test]
async fn a_refresh_token_is_taken_over_with_its_token_or_without() {
    let world = World::start().await;
    let login = world.sandbox.issue_refresh_token("calendar");
    let row = format!(
        "service,access_token,expires_at,refresh_token\ncalendar,planted-old-over,2020-01-01T00:00:00,{login}\n"
    );
    std::fs::write(world.path("old.csv"), row).unwrap();
    assert_eq!(import(&world, 0, &["whodis", "old.csv"]).await["login"], 1);
    // The seed of the configuration was spent by the system before.
    let mut get = world.command(&["get", "calendar"]);
    get.env("SEED", &world.seed);
    let got = crate::world::ended(get).await;
    assert_eq!((got.code, world.requests("calendar")), (Some(0), 1), "{got:?}");
    assert_eq!(import(&world, 0, &["whodis", "old.csv"]).await["kept"], 1);
}

#[tokio::test]
async fn a_table_says_what_was_done_and_never_a_token() {
    let world = World::start().await;
    let end = with_offset(now() + Duration::from_mins(9), 0);
    let names = ["graph", "Microsoft Graph", "billing"].map(|name| format!("{name},planted-old-{name},{end}\n"));
    std::fs::write(world.path("old.csv"), format!("service,access_token,expires_at\n{}", names.concat())).unwrap();
    let imported = world.run(&["import", "whodis", "old.csv"]).await;
    assert_eq!(imported.code, Some(2), "{imported:?}");
    let lines: Vec<_> = imported.stdout.lines().collect();
    for (line, word) in lines.iter().zip(["NAME", "unknown", "unfit", "imported"]) {
        assert!(line.contains(word), "{word}: {imported:?}");
    }
    assert!(imported.stderr.contains("3 tokens: 1 imported, 1 unknown, 1 unfit"), "{imported:?}");
    is_silent_of_tokens(&imported);
    // A file without a first line of names, and columns that are mixed up, show no token.
    std::fs::write(world.path("bare.csv"), format!("graph,planted-old-graph,{end}\n")).unwrap();
    let mixed = ["import", "whodis", "old.csv", "--key", "access_token"];
    for args in [&["import", "whodis", "bare.csv"] as &[&str], &mixed] {
        let failed = world.run(args).await;
        failed.failure(2);
        is_silent_of_tokens(&failed);
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_said_without_the_password() {
    let world = World::start().await;
    sqlite(&world, "CREATE TABLE others (service TEXT)").await;
    std::fs::create_dir(world.path("folder")).unwrap();
    for (args, code, what) in [
        (&["whodis", "missing.db"] as &[&str], 2, "missing.db"),
        (&["whodis", "folder"], 2, "folder"),
        (&["verteil", "missing_token.json", "--provider", "graph"], 2, "cannot read"),
        (&["whodis", "old.db"], 2, "there is no table tokens"),
        (&["whodis", "old.db", "--table", "others"], 2, "no column access_token"),
        (&["whodis", "postgres://me:hunter2@127.0.0.1:1/x"], 7, "postgres://127.0.0.1:1/x"),
        (&["whodis", "postgres://me:hunter2@db.example/x?sslmod=disable"], 2, "sslmode"),
        (&["whodis", "postgres://me:hunter2@db.example/x?schema=old"], 2, "--table"),
        (&["verteil", "folder", "--key", "service"], 2, "no tables and columns"),
    ] {
        let failed = world.run(&[&["import"], args].concat()).await;
        assert_eq!(failed.code, Some(code), "{failed:?}");
        assert!(format!("{}{}", failed.stdout, failed.stderr).contains(what), "{what}: {failed:?}");
        assert!(!failed.stderr.contains("hunter2"), "{failed:?}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_work_ends_it_and_nothing_is_lost() {
    let world = World::start().await;
    world.write_config(&world.usual_config().replace("sqlite:tokens.db", "sqlite:/dev/null/tokens.db"));
    std::fs::write(world.path("graph_token.json"), token_file("planted-old-graph", 600)).unwrap();
    let failed = world.run(&["import", "verteil", "graph_token.json"]).await;
    assert!(failed.code == Some(7) && failed.stderr.contains("the store does not work"), "{failed:?}");
    world.write_config(&world.usual_config());
    import(&world, 0, &["verteil", "graph_token.json"]).await;
    had_for_nothing(&world, &[("graph", "planted-old-graph")]).await;
}

#[tokio::test]
#[ignore = "needs postgres: run ./test"]
async fn companies_of_a_postgresql_table_keep_their_tokens_in_another_database() {
    let world = World::start().await;
    let server = Postgres::shared();
    let (old, new) = (server.database(), server.database());
    // Whatever the time zones of the server and of the roles are.
    server.sql(
        &old,
        &format!(
            "ALTER DATABASE {old} SET timezone = 'Asia/Kolkata';
             ALTER DATABASE {old} SET datestyle = 'German';
             CREATE SCHEMA vendor;
             CREATE TABLE vendor.tokens (company_id integer PRIMARY KEY, token text, expires_at timestamptz, plain timestamp);
             INSERT INTO vendor.tokens SELECT id, 'planted-old-' || id, now() + make_interval(mins => id),
                 (now() AT TIME ZONE 'UTC') + make_interval(mins => id) FROM generate_series(1, 60) AS id;
             INSERT INTO vendor.tokens VALUES (61, 'planted-old-over', now() - interval '1 hour',
                 (now() AT TIME ZONE 'UTC') - interval '1 hour');",
        ),
    );
    std::fs::write(world.path("seal.key"), "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=").unwrap();
    let config = format!(
        "seal_keys = [{{ file = 'seal.key' }}]\nstore = \"{}\"\n\
         [server]\ndefault_provider = 'vendor'\n\
         [providers.vendor]\ngrant = \"password\"\naccounts = \"stored\"\nlifetime = \"1h\"\nexpiry_buffer = \"5m\"\n\
         client_id = \"people\"\nclient_secret = {{ env = \"CLIENT_SECRET\" }}\ntoken_url = \"{}\"\n",
        server.url(&new),
        world.sandbox.token_url(),
    );
    world.write_config(&config);
    let url = server.url(&old);
    // With and without an offset it is the same moment.
    let args = ["bluestakes", &*url, "--table", "vendor.tokens"];
    let dry = import(&world, 0, &[&args as &[&str], &["--dry-run"]].concat()).await;
    let plain = import(&world, 0, &[&args as &[&str], &["--dry-run", "--expires", "plain"]].concat()).await;
    assert_eq!(dry["tokens"], plain["tokens"]);
    let imported = import(&world, 0, &args).await;
    // Those that have less than the buffer left are over.
    assert_eq!((&imported["imported"], &imported["over"]), (&json!(55), &json!(6)), "{imported}");
    let had = world.run(&["get", "vendor:60"]).await;
    assert_eq!(had.data(), "planted-old-60");
    assert_eq!(world.run(&["get", "30"]).await.data(), "planted-old-30");
    assert_eq!(world.requests("people"), 0);
    assert!(!server.sql(&new, "SELECT * FROM tokenkeep.records").contains(PLANTED), "it is sealed");
    // A role that may only read is enough, and who may not is told.
    server.sql(&old, "CREATE ROLE reader LOGIN PASSWORD 'hunter2'; GRANT USAGE ON SCHEMA vendor TO reader");
    let url = url.replace("tokenkeep@", "reader:hunter2@");
    let args = ["bluestakes", &*url, "--table", "vendor.tokens"];
    let denied = world.run(&[&["import"], &args as &[&str]].concat()).await;
    assert!(denied.failure(7).contains("permission denied") && !denied.stderr.contains("hunter2"), "{denied:?}");
    server.sql(&old, "GRANT SELECT ON vendor.tokens TO reader");
    assert_eq!(import(&world, 0, &args).await["kept"], 55);
}

#[tokio::test]
#[ignore = "needs redis: run ./test"]
async fn what_each_system_has_kept_goes_into_redis_too() {
    let world = World::start().await;
    let server = Redis::start(&[("appendonly", "yes")]);
    std::fs::write(world.path("seal.key"), "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=").unwrap();
    let config = world.usual_config().replace("sqlite:tokens.db", &server.url());
    world.write_config(&format!("seal_keys = [{{ file = 'seal.key' }}]\n{config}"));
    let end = with_offset(now() + Duration::from_mins(9), 2);
    std::fs::write(world.path("graph_token.json"), token_file("planted-old-graph", 600)).unwrap();
    let rows = format!("service,access_token,expires_at\npeople,planted-old-people,{end}\n");
    std::fs::write(world.path("old.csv"), rows).unwrap();
    sqlite(
        &world,
        &format!(
            "CREATE TABLE tokens (company_id TEXT, token TEXT, expires_at TEXT);
             INSERT INTO tokens VALUES ('calendar', 'planted-old-calendar', '{end}');
             CREATE VIEW named AS SELECT company_id AS service, token AS access_token, expires_at FROM tokens;"
        ),
    )
    .await;
    for args in
        [&["verteil", "graph_token.json"] as &[&str], &["whodis", "old.csv"], &["whodis", "old.db", "--table", "named"]]
    {
        assert_eq!(import(&world, 0, args).await["imported"], 1, "{args:?}");
        assert_eq!(import(&world, 0, args).await["kept"], 1, "{args:?}");
    }
    had_for_nothing(
        &world,
        &[("graph", "planted-old-graph"), ("people", "planted-old-people"), ("calendar", "planted-old-calendar")],
    )
    .await;
    let dump = server.cli(&["HGETALL", "{tokenkeep}:record:graph"]);
    assert!(dump.contains("generation") && !dump.contains(PLANTED), "it is sealed: {dump}");
    // Where the store is away nothing is said to be imported.
    world.write_config(&format!(
        "seal_keys = [{{ file = 'seal.key' }}]\n{}",
        world.usual_config().replace("sqlite:tokens.db", "redis://:hunter2@127.0.0.1:1")
    ));
    let failed = world.run(&["import", "whodis", "old.csv"]).await;
    assert!(failed.code == Some(7) && !failed.stderr.contains("hunter2"), "{failed:?}");
}

/// Imports, and gives what is printed as JSON.
async fn import(world: &World, code: i32, args: &[&str]) -> Value {
    let imported = world.run(&[&["import"], args, &["--json"]].concat()).await;
    assert_eq!(imported.code, Some(code), "{imported:?}");
    is_silent_of_tokens(&imported);
    serde_json::from_str(&imported.stdout).unwrap()
}

async fn had_for_nothing(world: &World, tokens: &[(&str, &str)]) {
    for (key, token) in tokens {
        assert_eq!(world.run(&["get", key]).await.data(), *token);
        assert_eq!(world.requests(key), 0);
    }
}

fn is_silent_of_tokens(ended: &Ended) {
    assert!(!ended.stdout.contains(PLANTED) && !ended.stderr.contains(PLANTED), "{ended:?}");
}

fn tokens(imported: &Value) -> &[Value] {
    imported["tokens"].as_array().unwrap()
}

fn text(token: &Value, member: &str) -> String {
    token[member].as_str().unwrap().to_owned()
}

/// A file in the form of SYSTEMS P2.
fn token_file(token: &str, left: i64) -> String {
    let now = now().as_second();
    json!({
        "access_token": token,
        "token_data": {"access_token": token, "token_type": "Bearer", "expires_in": 43_199},
        "token_expiry": now + left,
        "saved_at": now + left - 43_199,
    })
    .to_string()
}

async fn sqlite(world: &World, statements: &str) {
    let options = SqliteConnectOptions::new().filename(world.path("old.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(SystemClock::new().now().wall_ms).unwrap()
}

fn naive(time: Timestamp) -> String {
    Offset::UTC.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

fn with_offset(time: Timestamp, hours: i8) -> String {
    let offset = Offset::constant(hours);
    format!("{}{hours:+03}:00", offset.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S"))
}

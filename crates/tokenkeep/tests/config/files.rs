//! Files as a whole: where they are, the store and the server that they name.

use super::*;

#[tokio::test]
async fn a_relative_store_is_taken_from_the_folder_of_the_file() {
    for (text, expected) in [
        ("store = 'sqlite:keep.db'", Some(StoreUrl::Sqlite("/etc/keep/keep.db".into()))),
        ("store = 'sqlite:/var/keep.db'", Some(StoreUrl::Sqlite("/var/keep.db".into()))),
        ("store = 'file:tokens'", Some(StoreUrl::File("/etc/keep/tokens".into()))),
        ("store = 'file:///var/tokens'", Some(StoreUrl::File("/var/tokens".into()))),
        ("store = 'file:${TOKENS_IN:-/tmp}/flight_app_tokens'", Some(StoreUrl::File("/tmp/flight_app_tokens".into()))),
        ("store = 'memory:'", Some(StoreUrl::Memory)),
        (
            "store = 'postgres://me:hunter2@db/keep?sslrootcert=db.pem'",
            Some(StoreUrl::parse("postgres://me:hunter2@db/keep?sslrootcert=/etc/keep/db.pem").unwrap()),
        ),
        ("", None),
    ] {
        assert_eq!(config(text).await.store, expected);
    }
}

#[tokio::test]
async fn in_memory_only_the_store_is_memory_whatever_it_was() {
    for (text, expected) in [
        ("memory_only = true\nstore = 'file:tokens'", StoreUrl::Memory),
        ("memory_only = true", StoreUrl::Memory),
        ("memory_only = false\nstore = 'file:tokens'", StoreUrl::File("/etc/keep/tokens".into())),
    ] {
        assert_eq!(config(text).await.store, Some(expected), "{text}");
    }
}

#[tokio::test]
async fn a_store_that_is_none_is_told_without_its_password() {
    let shown = report("store = 'etcd://me:hunter2@db/keep'").await;
    assert_eq!(
        shown,
        "\
error: `store` is not the URL of a store
 --> keep.toml:1:9
  |
1 | store = 'etcd://***@db/keep'
  |         ^^^^^^^^^^^^^^^^^^^^
  |
  = help: write \"sqlite:PATH\", \"postgres://USER:PASSWORD@HOST/DATABASE\", \"redis://HOST\", \"file:DIR\" or \"memory:\"; a program may have been built without some of them"
    );
    for (url, why) in [
        ("postgres://me:hunter2@db/keep?sslmod=require", "can stand schema, sslmode, sslrootcert"),
        ("postgres://me:hunter2@db/keep?sslmode=on", "sslmode is disable, prefer"),
        ("postgres://me:hunter2@db", "names no database"),
        ("postgres://:hunter2@db/keep", "names no user"),
        ("postgres://me:hunter2@db:port/keep", "is not a URL"),
        ("postgres://me:hunter2/in@db/keep", "%2F for a slash"),
        ("postgres://me:hunter2@one:1,two:2/keep", "with one host"),
        ("postgres://me:hunter2@one,two/keep", "names one host"),
        ("postgres://me:hunter2@db/keep?sslcert=me.pem", "sslcert and sslkey go together"),
        ("postgres://me:hunter2@db/keep?max_connections=0", "from 1 to 1000"),
        ("postgres://me:hunter2@db/keep?schema=public%22", "lowercase letters"),
        ("postgres://me:1?hunter2@db/keep", "behind the question mark"),
        ("postgres://me:1?hunter2", "behind the question mark"),
    ] {
        let shown = report(&format!("store = '{url}'")).await;
        assert!(shown.contains(why) && !shown.contains("hunter2"), "{url}: {shown}");
    }
}

#[tokio::test]
async fn an_empty_file_leaves_everything_to_the_caller() {
    let config = config("").await;
    assert!(config.store.is_none() && config.providers.is_empty() && config.server.listen.is_empty());
    assert!(config.server.callers.is_empty());
}

#[tokio::test]
async fn a_file_is_read_relative_to_its_folder() {
    let folder = Folder::new();
    folder.write("secret", "hunter2\n");
    folder
        .write("keep.toml", "store = 'sqlite:keep.db'\n[providers.x]\ngrant = 'static'\ntoken = { file = 'secret' }\n");
    let config = config::load(&folder.path("keep.toml"), &environment()).await.unwrap();
    assert_eq!(config.store, Some(StoreUrl::Sqlite(folder.path("keep.db"))));
}

#[tokio::test]
async fn a_missing_file_is_named_with_what_to_do() {
    let problems = config::load(Path::new("/nowhere/keep.toml"), &environment()).await.unwrap_err();
    assert_eq!(
        problems.to_string(),
        "\
error: cannot read the configuration file /nowhere/keep.toml: there is no such file
--> /nowhere/keep.toml
 = help: create this file, or name another one"
    );
    let folder = Folder::new();
    let problems = config::load(&folder.path(""), &environment()).await.unwrap_err();
    assert!(problems.to_string().contains(": it is a folder"), "{problems}");
}

#[tokio::test]
async fn a_file_that_is_not_utf8_is_refused_at_the_first_bad_byte() {
    let folder = Folder::new();
    folder.write("keep.toml", b"store = 'memory:'\n# \xc3\xbc\xff hunter2\n");
    let problems = config::load(&folder.path("keep.toml"), &environment()).await.unwrap_err();
    let [problem] = problems.iter().as_slice() else { panic!() };
    assert_eq!((problem.line(), problem.column(), problem.message()), (Some(2), Some(4), "this is not UTF-8"));
    assert_hides(&"not utf-8", &problems);
}

#[test]
fn reading_can_move_between_threads() {
    fn is_send(_: impl Send) {}
    let env = environment();
    is_send(config::load(Path::new("keep.toml"), &env));
    is_send(config::parse("", "keep.toml", Path::new(""), &|_: &str| None));
}

//! A configuration file with everything wrong in it that can be: one report, and what is in it.

use crate::world::World;

#[tokio::test]
async fn one_report_has_every_fault_of_a_file_at_its_line_and_no_secret() {
    let world = World::without_config().await;
    world.write_config(FILE);
    let checked = world.run(&["config", "check"]).await;
    assert_eq!(checked.failure(2), format!("{REPORT}\n\n./tokenkeep.toml: 10 errors, 1 warning\n"));
    let got = world.run(&["get", "graph"]).await;
    let next = "next: mend the file or set its variables; `tokenkeep config check` says whether it is right then";
    assert_eq!(got.failure(2), format!("{REPORT}\n{next}\n"));
    assert!(FILE.contains("hunter2") && !REPORT.contains("hunter2"));
}

const FILE: &str = r#"# Once: client_secret = "hunter2"
stor = "memory:"

[providers.graph]
grant = "client_credentials"
token_url = "http://login.example.com/token?code=hunter2"
client_id = "${GRAPH_CLIENT_ID}"
client_secret = { file = "graph.key" }
clientauth = "client_secret_post"
scope = "read"
scope = "write"
timeout = 10

[providers.vendor]
grant = "pasword"
username = "ada"
password = "hunter2"

[providers.billing]
grant = "static"
token = "hunter2"

[providers.graph]
grant = "static"
token = "hunter2"

[server]
listen = "127.0.0.1:8640"
"#;

const REPORT: &str = r#"error: unknown option `stor`
 --> ./tokenkeep.toml:2:1
  |
2 | stor = "***"
  | ^^^^
  |
  = help: did you mean `store`?

error: `token_url` would send secrets unencrypted; use https, or set insecure = true
 --> ./tokenkeep.toml:6:13
  |
6 | token_url = "http://login.example.com/token?***"
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

error: the environment variable `GRAPH_CLIENT_ID` is not set
 --> ./tokenkeep.toml:7:14
  |
7 | client_id = "${GRAPH_CLIENT_ID}"
  |              ^^^^^^^^^^^^^^^^^^

error: the secret file ./graph.key cannot be read: there is no such file
 --> ./tokenkeep.toml:8:26
  |
8 | client_secret = { file = "graph.key" }
  |                          ^^^^^^^^^^^

error: unknown option `clientauth`
 --> ./tokenkeep.toml:9:1
  |
9 | clientauth = "***"
  | ^^^^^^^^^^
  |
  = help: did you mean `client_auth`?

error: `scope` stands here for the second time
  --> ./tokenkeep.toml:11:1
   |
11 | scope = "write"
   | ^^^^^
   |
   = help: keep one of the two

error: `timeout` has no unit
  --> ./tokenkeep.toml:12:11
   |
12 | timeout = 10
   |           ^^
   |
   = help: write a string with a unit, e.g. "10s"

error: unknown grant
  --> ./tokenkeep.toml:15:9
   |
15 | grant = "pasword"
   |         ^^^^^^^^^
   |
   = help: did you mean `password`? known are `client_credentials`, `password`, `refresh_token`, `static`, `command`, `login`

warning: `token` stands in the configuration file
  --> ./tokenkeep.toml:21:9
   |
21 | token = "***"
   |         ^^^^^
   |
   = help: whoever can read the file has it; write in its place { env = "NAME" }, { file = "PATH" } or { command = ["PROGRAM", "ARGUMENT"] }

error: `graph` stands here for the second time
  --> ./tokenkeep.toml:23:12
   |
23 | [providers.graph]
   |            ^^^^^
   |
   = help: keep one of the two

error: `listen` must be an array of strings, not a string
  --> ./tokenkeep.toml:28:10
   |
28 | listen = "127.0.0.1:8640"
   |          ^^^^^^^^^^^^^^^^"#;

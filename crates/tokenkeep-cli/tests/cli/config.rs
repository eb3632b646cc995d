//! Where the configuration is found, and what is said of a wrong one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use crate::world::{World, ended};

#[tokio::test]
async fn without_a_configuration_the_error_says_where_it_was_looked_for_and_what_to_do() {
    let world = World::without_config().await;
    let ended = world.run(&["get", "graph"]).await;
    let said = ended.failure(2);
    assert!(said.starts_with("error: there is no configuration file\n"), "{said}");
    let user = world.path(".config/tokenkeep/tokenkeep.toml").display().to_string();
    for place in ["./tokenkeep.toml", &user, "/etc/tokenkeep/tokenkeep.toml"] {
        assert!(said.contains(&format!("\n  {place}\n")), "{said}");
    }
    assert!(said.contains("tokenkeep dev"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("  ") && line.contains(" = ")).count(), 4, "{said}");
}

#[tokio::test]
async fn a_variable_that_names_a_file_that_is_gone_is_told_as_what_it_is() {
    let world = World::start().await;
    let mut command = world.command(&["status"]);
    command.env("TOKENKEEP_CONFIG", "/nowhere/tokenkeep.toml");
    let said = ended(command).await;
    assert_eq!(
        said.failure(2),
        "error: TOKENKEEP_CONFIG names /nowhere/tokenkeep.toml, and there is no such file\n\
         next: name another file, or unset the variable\n"
    );
}

#[tokio::test]
async fn the_example_that_is_shown_is_a_good_configuration() {
    let world = World::without_config().await;
    let ended_ = world.run(&["status"]).await;
    let (_, example) = ended_.stderr.split_once("in it:\n").unwrap();
    let (example, _) = example.split_once("next:").unwrap();
    world.write_config(example);
    let mut command = world.command(&["config", "check"]);
    command.env("GRAPH_CLIENT_SECRET", "x");
    let checked = ended(command).await;
    assert_eq!((checked.code, &*checked.stderr), (Some(0), "./tokenkeep.toml: good, 1 provider\n"));
}

#[tokio::test]
async fn the_nearest_configuration_wins() {
    let world = World::without_config().await;
    let places = ["xdg/tokenkeep/tokenkeep.toml", "tokenkeep.toml", "env.toml", "flag.toml"];
    for (at, place) in places.iter().enumerate() {
        let path = world.path(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!("store = \"memory:\"\n[providers.p{at}]\ngrant = \"command\"\ncommand = [\"true\"]\n");
        std::fs::write(path, text).unwrap();
        let mut args = vec!["status", "--json"];
        if at == 3 {
            args.extend(["--config", "flag.toml"]);
        }
        let mut command = world.command(&args);
        command.env("XDG_CONFIG_HOME", world.path("xdg"));
        if at >= 2 {
            command.env("TOKENKEEP_CONFIG", "env.toml");
        }
        assert_eq!(ended(command).await.json()[0]["key"], format!("p{at}"));
    }
}

#[tokio::test]
async fn a_relative_or_empty_variable_of_a_folder_counts_as_not_set() {
    let world = World::without_config().await;
    let path = world.path(".config/tokenkeep/tokenkeep.toml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "store = \"memory:\"\n").unwrap();
    let mut command = world.command(&["config", "check"]);
    command.env("XDG_CONFIG_HOME", "xdg").env("TOKENKEEP_CONFIG", "");
    assert_eq!(ended(command).await.code, Some(0));
}

#[tokio::test]
async fn tokens_are_kept_in_the_users_folder_of_state_unless_the_file_says_where() {
    let world = World::without_config().await;
    world.write_config(&world.usual_config().replace("store = \"sqlite:tokens.db\"\n", ""));
    world.run(&["get", "graph"]).await.data();
    assert_eq!(stores(&world.path(".local/state/tokenkeep")), 1);

    let mut command = world.command(&["get", "graph"]);
    command.env("XDG_STATE_HOME", world.path("state"));
    ended(command).await.data();
    assert_eq!(stores(&world.path("state/tokenkeep")), 1);
    assert_eq!(world.requests("graph"), 2);
}

#[tokio::test]
async fn two_projects_of_one_user_have_two_stores() {
    let world = World::without_config().await;
    let config = world.usual_config().replace("store = \"sqlite:tokens.db\"\n", "");
    for project in ["one", "two"] {
        let path = world.path(&format!("{project}/tokenkeep.toml"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &config).unwrap();
        world.run(&["--config", path.to_str().unwrap(), "get", "graph"]).await.data();
    }
    assert_eq!(stores(&world.path(".local/state/tokenkeep")), 2);
    assert_eq!(world.requests("graph"), 2);
}

fn stores(folder: &std::path::Path) -> usize {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "db")).count()
}

#[tokio::test]
async fn without_a_home_folder_the_error_says_what_to_set() {
    let world = World::without_config().await;
    world.write_config("[providers.x]\ngrant = \"command\"\ncommand = [\"true\"]\n");
    let mut command = world.command(&["status"]);
    command.env_remove("HOME");
    let ended = ended(command).await;
    assert!(ended.failure(2).contains("next: set HOME, or write e.g. store = "), "{ended:?}");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let world = World::without_config().await;
    world.write_config(
        "[providers.graph]\ngrant = \"client_credential\"\n\n[providers.b]\ngrant = \"static\"\ntokn = \"x\"\n",
    );
    for args in [["config", "check"], ["get", "graph"]] {
        let ended = world.run(&args).await;
        let said = ended.failure(2);
        for words in ["tokenkeep.toml:2:9", "`client_credentials`", "tokenkeep.toml:6:1", "did you mean `token`?"] {
            assert!(said.contains(words), "{words} is not in:\n{said}");
        }
        assert!(!said.contains('\u{1b}'));
    }
    let checked = world.run(&["config", "check", "--json"]).await;
    assert_eq!((checked.code, &*checked.stderr), (Some(2), ""));
    let problems: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!((&problems[0]["severity"], &problems[0]["line"]), (&"error".into(), &2.into()));
}

#[tokio::test]
async fn a_missing_variable_is_a_wrong_configuration() {
    let world = World::start().await;
    for args in [["config", "check"], ["get", "graph"], ["get", "billing"]] {
        let mut command = world.command(&args);
        command.env_remove("CLIENT_SECRET").env_remove("PASSWORD");
        let ended = ended(command).await;
        let said = ended.failure(2);
        assert!(said.contains("`CLIENT_SECRET` is not set") && said.contains("`PASSWORD` is not set"), "{said}");
    }
}

#[tokio::test]
async fn a_warning_leaves_the_configuration_good() {
    let world = World::without_config().await;
    world.write_config("[providers.b]\ngrant = \"static\"\ntoken = \"in-the-file\"\n");
    let path = world.path("tokenkeep.toml");
    let checked = world.run(&["config", "check", path.to_str().unwrap()]).await;
    assert_eq!((checked.code, &*checked.stdout), (Some(0), ""));
    assert!(checked.stderr.starts_with("warning: "), "{checked:?}");
    assert!(checked.stderr.ends_with("tokenkeep.toml: good, 1 provider, 1 warning\n"), "{checked:?}");
    assert!(!checked.stderr.contains("in-the-file"), "{checked:?}");

    let json = world.run(&["config", "check", "--json"]).await.json();
    assert_eq!((&json[0]["severity"], &json[0]["line"]), (&"warning".into(), &3.into()));
}

#[tokio::test]
async fn a_file_that_is_named_and_not_there_is_not_replaced_by_another() {
    let world = World::start().await;
    let ended = world.run(&["status", "--config", "nowhere.toml"]).await;
    assert!(ended.failure(2).contains("cannot read the configuration file nowhere.toml"), "{ended:?}");
}

#[tokio::test]
async fn a_certificate_that_serve_would_refuse_is_no_good_configuration() {
    let world = World::start().await;
    let tls = "certificate = \"server.pem\", key = \"server.key\"";
    let server = format!("[server]\nlisten = [\"https://127.0.0.1:0\"]\ntls = {{ {tls} }}\n");
    world.write_config(&format!("{}{server}", world.usual_config()));
    let signed = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (signed(), signed());
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    for (certificate, key, expected) in [
        ("", "", "cannot use the certificate "),
        (&*key, &*certificate, "there is no PEM certificate in it"),
        (&*certificate, &*certificate, "there is no PEM private key in it"),
        (&*certificate, &*other.signing_key.serialize_pem(), "cannot use the certificate and key "),
        (&*certificate, &*key, ""),
    ] {
        if !certificate.is_empty() {
            std::fs::write(world.path("server.pem"), certificate).unwrap();
            std::fs::write(world.path("server.key"), key).unwrap();
            std::fs::set_permissions(world.path("server.key"), Permissions::from_mode(0o600)).unwrap();
        }
        let checked = world.run(&["config", "check"]).await;
        if expected.is_empty() {
            assert_eq!((checked.code, &*checked.stderr), (Some(0), "./tokenkeep.toml: good, 5 providers\n"));
            continue;
        }
        let said = checked.failure(2);
        assert!(said.contains(expected) && said.ends_with("./tokenkeep.toml: 1 error\n"), "{said}");
        assert!(!said.contains("PRIVATE KEY-"), "{said}");
        let json = world.run(&["config", "check", "--json"]).await;
        let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((&json[0]["severity"], &json[0]["line"]), (&"error".into(), &serde_json::Value::Null));
        let serve = world.run(&["serve"]).await;
        assert!(serve.failure(2).contains(expected), "{serve:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_no_address_uses_is_a_warning() {
    let world = World::start().await;
    let server = "[server]\ntls = { certificate = \"nowhere.pem\", key = \"nowhere.key\" }\n";
    world.write_config(&format!("{}{server}", world.usual_config()));
    let checked = world.run(&["config", "check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stderr.contains("warning: cannot use the certificate "), "{checked:?}");
    assert!(checked.stderr.ends_with("./tokenkeep.toml: good, 5 providers, 2 warnings\n"), "{checked:?}");
}

//! Values from the environment.

use super::*;

#[tokio::test]
async fn a_value_may_stand_in_any_of_several_variables() {
    let source = provider("token_url = \"https://a.example${PATH_A|PATH_B:-/oauth2/token}\"\nclient_id = \"me\"");
    for (variables, path) in [
        (&[][..], "/oauth2/token"),
        (&[("PATH_A", "/a")], "/a"),
        (&[("PATH_B", "/b")], "/b"),
        (&[("PATH_A", ""), ("PATH_B", "/b")], "/b"),
        (&[("PATH_A", "/a"), ("PATH_B", "/a")], "/a"),
    ] {
        let config = parse_with(&source, variables).await.unwrap();
        let Grant::ClientCredentials(endpoint) = &config.providers[0].grant else { panic!() };
        assert_eq!(endpoint.token_url.as_url().path(), path, "{variables:?}");
    }
}

#[tokio::test]
async fn variables_that_mean_the_same_and_differ_are_named_and_their_values_are_not() {
    let source = provider("token_url = \"https://a.example${PATH_A|PATH_B:-/t}\"\nclient_id = \"me\"");
    let variables = [("PATH_A", "/hunter2"), ("PATH_B", "/t")];
    assert_eq!(
        parse_with(&source, &variables).await.unwrap_err().to_string(),
        "\
error: the environment variables `PATH_A` and `PATH_B` mean the same and hold different values; set one of them
 --> keep.toml:3:31
  |
3 | token_url = \"https://a.example${PATH_A|PATH_B:-/t}\"
  |                               ^^^^^^^^^^^^^^^^^^^^"
    );
}

#[tokio::test]
async fn with_none_of_several_variables_set_all_are_named() {
    let report = report(&provider("token_url = \"https://a.example/${A|EMPTY|C}\"\nclient_id = \"${D}\"")).await;
    assert!(report.contains("error: none of the environment variables `A`, `EMPTY` and `C` is set\n"), "{report}");
    assert!(report.contains("error: the environment variable `D` is not set\n"), "{report}");
}

#[tokio::test]
async fn true_or_false_may_stand_in_a_variable() {
    let source = "memory_only = '${OFF:-false}'\nstore = 'file:/tokens'";
    for (value, is_on) in [("true", true), ("True", true), ("1", true), ("on", true), ("", false), ("FALSE", false)] {
        let config = parse_with(source, &[("OFF", value)]).await.unwrap();
        assert_eq!(config.store == Some(StoreUrl::Memory), is_on, "{value}");
    }
    let wrong = parse_with(source, &[("OFF", "hunter2")]).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "\
error: the variable for `memory_only` is neither true nor false
 --> keep.toml:1:15
  |
1 | memory_only = '${OFF:-false}'
  |               ^^^^^^^^^^^^^^^"
    );
    let text = faults("memory_only = 'true'").await;
    assert!(text.to_string().contains("`memory_only` must be true or false, not a string"), "{text}");
}

#[tokio::test]
async fn a_secret_may_stand_in_any_of_several_variables() {
    let source = "[providers.x]\ngrant = 'static'\ntoken = { env = ['A', 'B'] }";
    for variables in [&[("A", "hunter2")][..], &[("B", "hunter2")], &[("A", "hunter2"), ("B", "hunter2")]] {
        let config = parse_with(source, variables).await.unwrap();
        assert!(matches!(&config.providers[0].grant, Grant::Static { token } if token.expose_secret() == "hunter2"));
    }
    let differing = parse_with(source, &[("A", "hunter2"), ("B", "hunter2-b")]).await.unwrap_err();
    assert_eq!(
        differing.to_string(),
        "\
error: the environment variables `A` and `B` mean the same and hold different values; set one of them
 --> keep.toml:3:17
  |
3 | token = { env = ['A', 'B'] }
  |                 ^^^^^^^^^^"
    );
    let missing = parse_with(source, &[]).await.unwrap_err();
    assert!(missing.to_string().contains("none of the environment variables `A` and `B` is set"), "{missing}");
}

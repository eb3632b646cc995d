//! The scripts of the examples, as somebody runs them who looks for the first time. What they tell is checked by them.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

#[tokio::test]
#[ignore = "needs curl: run ./test"]
async fn the_script_of_each_example_tells_what_it_says() {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let built = Path::new(env!("CARGO_BIN_EXE_tokenkeep")).parent().unwrap();
    for example in ["verteil", "persistence", "whodis", "bluestakes"] {
        let mut script = Command::new(repository.join("examples").join(example).join("run.sh"));
        // Built with the tests of the whole workspace; the script builds it otherwise.
        if built.join("examples/issuer").exists() {
            script.env("TOKENKEEP_BUILT", built);
        }
        let told = script.stdin(Stdio::null()).output().await.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert!(told.status.success() && text.contains("All is as the page says."), "{example}: {text}");
    }
}

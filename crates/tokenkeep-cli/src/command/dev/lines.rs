//! The lines that `dev` prints to be pasted into another terminal.

use std::fmt;
use std::path::PathBuf;

use crate::shell;

/// Where everything is.
#[derive(Debug)]
pub(super) struct Places {
    /// How this program was called.
    pub(super) program: String,
    /// The configuration file.
    pub(super) config: PathBuf,
    /// The broker's URL.
    pub(super) broker: String,
    /// The broker's socket.
    pub(super) socket: Option<PathBuf>,
    /// The sandbox's URL.
    pub(super) sandbox: String,
}

impl Places {
    /// What can be done, and the lines that do it.
    fn lines(&self) -> [(&'static str, Vec<String>); 7] {
        let Self { broker, sandbox, .. } = self;
        let program = shell::word(&self.program);
        let config = shell::word(&self.config.display().to_string());
        let mut hand_out = vec![
            format!("curl -s {broker}/tokens/graph"),
            format!("curl -s {broker}/tokens/graph/status"),
            format!("curl -s {broker}/tokens"),
            format!("curl -s {broker}/tokens/7"),
        ];
        hand_out.extend(self.socket.as_ref().map(|socket| {
            format!(
                "curl -s --unix-socket {} http://localhost/tokens/graph",
                shell::word(&socket.display().to_string())
            )
        }));
        [
            ("a token from the broker, its status, all of them, and an account's at the default provider:", hand_out),
            (
                "the API by the proxy, which adds the token; a token as OAuth2 clients ask for it; each new one as it comes:",
                vec![
                    format!("curl -s {broker}/proxy/graph/hello"),
                    format!("curl -s {broker}/oauth2/token -d grant_type=client_credentials -d client_id=graph"),
                    format!("curl -sN {broker}/tokens/graph/watch"),
                ],
            ),
            (
                "the same on the command line, by this broker, or with its configuration and store:",
                vec![
                    format!("{program} --server {broker} get graph --json"),
                    format!("export TOKENKEEP_CONFIG={config}"),
                    format!("{program} get graph"),
                    format!("{program} status"),
                    format!("{program} refresh graph"),
                ],
            ),
            (
                "call the API with a token:",
                vec![format!("curl -s -H \"$({program} get graph --format header)\" {sandbox}/api/hello")],
            ),
            (
                "break the issuer, see callers served on, and mend it:",
                vec![
                    format!("curl -s -X PUT {sandbox}/sandbox/faults -d '{{\"kind\":\"status\",\"status\":503}}'"),
                    format!("curl -s -X DELETE {sandbox}/sandbox/faults"),
                ],
            ),
            (
                "revoke all tokens, and see many refused callers cause one request:",
                vec![format!("curl -s -X POST {sandbox}/sandbox/revoke")],
            ),
            ("count what arrived at the issuer and the API:", vec![format!("curl -s {sandbox}/sandbox/counters")]),
        ]
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (about, lines) in self.lines() {
            writeln!(f, "  {about}")?;
            for line in lines {
                writeln!(f, "    {line}")?;
            }
        }
        Ok(())
    }
}

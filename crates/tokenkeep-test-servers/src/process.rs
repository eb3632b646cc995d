//! A server as a process that ends with this one.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

/// A folder that a server may write to; it is removed with the server, or with this.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    /// Makes an empty one, which belongs to the user that servers run as.
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("tokenkeep-{name}-")).tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("no temporary folder can be made: {error}"));
        if is_root() {
            give(folder.path());
        }
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it that only the server can read, as TLS keys have to be.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path().join(name);
        let written = std::fs::write(&path, content)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)));
        written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        if is_root() {
            give(&path);
        }
        path
    }
}

/// A program as the user that servers run as: some refuse to run as root.
pub(crate) fn command(program: &Path, folder: &Folder) -> Command {
    let mut command = Command::new(if is_root() { Path::new("setpriv") } else { program });
    if is_root() {
        let user = NOBODY.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]).arg(program);
    }
    command.current_dir(folder.path());
    command
}

/// Runs a program to its end, which must be a good one; what it has printed.
pub(crate) fn run(mut command: Command) -> String {
    let ended = command.stdin(Stdio::null()).output();
    let ended = ended.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{command:?}: {}\n{}{}", ended.status, text(&ended.stdout), text(&ended.stderr));
    text(&ended.stdout)
}

/// A server that runs. It is stopped when this is dropped, and when this process ends in whatever way.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts a server in its folder; `stop` is the signal that makes it end at once.
    pub(crate) fn start(server: &Command, folder: &Folder, stop: &str) -> Self {
        let mut script = Command::new("sh");
        script.args(["-c", SCRIPT, "sh"]).arg(folder.path()).arg(stop);
        script.arg(server.get_program()).args(server.get_args());
        script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(script.spawn().unwrap_or_else(|error| panic!("{script:?} cannot be started: {error}")))
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Stops it and waits until it is gone.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            input.write_all(b"this process goes on\n").ok();
        }
        self.0.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port on the loopback address that nobody listens on at this moment. The system gives it to nobody who asks for any, and
/// this process not twice: so it is free until a server has started, and while one is away.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(101).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = FIRST_PORT + u16::try_from(number % PORTS).unwrap_or(0);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Asks again until the answer is yes, for as long as a server may take to start on a busy machine.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within 30 s");
}

/// Whether somebody listens there.
pub(crate) fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// What a file holds by now; nothing if it is not there.
pub(crate) fn content(path: &Path) -> String {
    let mut content = Vec::new();
    match std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut content)) {
        Ok(_) => String::from_utf8_lossy(&content).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap_or_else(|error| panic!("cannot give away a folder: {error}"));
}

/// Systems give 32768 and more to whoever asks for any.
const FIRST_PORT: u16 = 10_000;
const PORTS: u32 = 22_000;
/// The user that owns nothing.
const NOBODY: u32 = 65_534;

/// Its input ends with the process that has started it, and only a process that goes on says so before: then the folder
/// stays, for the server's next start.
const SCRIPT: &str = r#"
folder=$1 stop=$2; shift 2
cd "$folder" && exec 3<&0
"$@" >>log 2>&1 </dev/null 3<&- & server=$!
{ read -r goes_on <&3; [ -n "$goes_on" ] || : >remove; kill -s "$stop" "$server"; } 2>/dev/null & waiter=$!
wait "$server"; kill "$waiter" 2>/dev/null
[ ! -e remove ] || rm -rf "$folder"
"#;

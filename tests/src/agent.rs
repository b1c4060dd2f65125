//! The product's own binary, as a process.

mod metrics;

use std::{
    env, fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

pub use metrics::Metrics;

use crate::{
    keeper::{KeeperError, Program, Server},
    ports::Port,
    process::{self, Socket},
    scratch::{Scratch, ScratchError},
    wait::{Late, eventually},
};

/// How long the admin server may take to answer.
const ADMIN_DEADLINE: Duration = Duration::from_secs(10);

/// What went wrong with the agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It could not be built.
    #[error("unable to build muster-agent: {0}")]
    Build(String),
    /// Its folder could not be made.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// No port is free.
    #[error("unable to find a free port for the agent")]
    NoPort,
    /// It could not be started, watched or signalled.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// Its admin server did not answer.
    #[error("unable to get {path} of the agent: {source}; its log ends with:\n{log}")]
    Admin {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
        /// The end of its log.
        log: String,
    },
    /// It did not end.
    #[error("{0}; its log ends with:\n{1}")]
    Late(Late, String),
}

/// The agent's binary: `MUSTER_AGENT_BIN` if that is set, else the debug build, built by cargo, once in a process.
///
/// # Errors
///
/// [`AgentError::Build`] with what cargo said.
pub fn agent_binary() -> Result<PathBuf, AgentError> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build("muster-agent", "MUSTER_AGENT_BIN")).clone().map_err(AgentError::Build)
}

/// The binary that is shipped: `MUSTER_AGENT_BIN` if that is set, else what `make static` makes, once in a process.
///
/// # Errors
///
/// [`AgentError::Build`] with what make said.
pub fn shipped_binary() -> Result<PathBuf, AgentError> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build_static).clone().map_err(AgentError::Build)
}

fn build_static() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("MUSTER_AGENT_BIN") {
        return Ok(path.into());
    }
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let make = |target: &str| {
        let output =
            Command::new("make").current_dir(&root).args(["--silent", target]).stdin(Stdio::null()).output();
        let output = output.map_err(|e| format!("make {target}: {e}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("make {target}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    };
    make("static")?;
    Ok(root.join(make("static-path")?))
}

/// The debug build of a program of the workspace, unless a variable names another one.
pub(crate) fn build(program: &str, variable: &str) -> Result<PathBuf, String> {
    if let Some(path) = env::var_os(variable) {
        return Ok(path.into());
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "--quiet", "--locked", "--package", program, "--bin", program])
        .args(["--message-format", "json"])
        .stdin(Stdio::null());
    let output = cargo.output().map_err(|e| e.to_string())?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    if !output.status.success() {
        let errors: Vec<String> = messages
            .filter_map(|message| Some(message.pointer("/message/rendered")?.as_str()?.to_owned()))
            .collect();
        return Err(format!("{}\n{}", String::from_utf8_lossy(&output.stderr), errors.join("\n")));
    }
    messages
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .find(|path| path.ends_with(program))
        .ok_or_else(|| "cargo named no executable".to_owned())
}

/// A running agent. Killed when it is dropped, and when this process ends.
pub struct AgentProcess {
    server: Server,
    binary: PathBuf,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    listen: Port,
    // last: the folder goes after the process
    scratch: Scratch,
}

impl AgentProcess {
    /// Starts it with these arguments and environment variables, and with `--listen` on a free port of 127.0.0.1.
    /// `MUSTER_…`, `KUBECONFIG` and `KUBERNETES_…` of this process are hidden from it.
    ///
    /// # Errors
    ///
    /// It cannot be built or started. That it ends at once is no error: see [`AgentProcess::exit`].
    pub fn start(args: &[&str], envs: &[(&str, &str)]) -> Result<Self, AgentError> {
        Self::start_binary(agent_binary()?, args, envs)
    }

    /// The same with a binary of the caller's choice.
    ///
    /// # Errors
    ///
    /// As for [`AgentProcess::start`].
    pub fn start_binary(binary: PathBuf, args: &[&str], envs: &[(&str, &str)]) -> Result<Self, AgentError> {
        let scratch = Scratch::new("agent")?;
        let listen = Port::free().ok_or(AgentError::NoPort)?;
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let envs: Vec<_> = envs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let server = run(&binary, &scratch, &listen, &args, &envs)?;
        Ok(Self { server, binary, args, envs, listen, scratch })
    }

    /// Kills it (SIGKILL) if it runs, and starts it again with the same arguments and port. The log goes on.
    ///
    /// # Errors
    ///
    /// As for [`AgentProcess::start`].
    pub fn restart(&mut self) -> Result<(), AgentError> {
        self.server.kill()?;
        self.server = run(&self.binary, &self.scratch, &self.listen, &self.args, &self.envs)?;
        Ok(())
    }

    /// All that it printed on stdout and stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The file that it prints to.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.scratch.path().join(LOG)
    }

    /// The address of its admin server: `127.0.0.1:PORT`.
    #[must_use]
    pub fn listen(&self) -> String {
        address(&self.listen)
    }

    /// GET of a path of its admin server: status and body.
    ///
    /// # Errors
    ///
    /// No answer within 10 s, or one that is not HTTP.
    pub fn admin(&self, path: &str) -> Result<(u16, String), AgentError> {
        http_get(&self.listen(), path).map_err(|source| AgentError::Admin {
            path: path.to_owned(),
            source,
            log: self.server.log_tail(),
        })
    }

    /// Its metrics.
    ///
    /// # Errors
    ///
    /// As for [`AgentProcess::admin`].
    pub fn metrics(&self) -> Result<Metrics, AgentError> {
        Ok(Metrics::parse(&self.admin("/metrics")?.1))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Resident memory in KiB; `None` if it has ended.
    #[must_use]
    pub fn rss_kib(&self) -> Option<u64> {
        process::rss_kib(self.pid())
    }

    /// The most resident memory so far in KiB; `None` if it has ended.
    #[must_use]
    pub fn peak_kib(&self) -> Option<u64> {
        process::peak_kib(self.pid())
    }

    /// CPU time so far; `None` if it has ended.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        process::cpu(self.pid())
    }

    /// Number of threads; `None` if it has ended.
    #[must_use]
    pub fn threads(&self) -> Option<u64> {
        process::threads(self.pid())
    }

    /// Number of open file descriptors; `None` if it has ended.
    #[must_use]
    pub fn open_files(&self) -> Option<usize> {
        process::open_files(self.pid())
    }

    /// Its TCP sockets, the listening one included.
    #[must_use]
    pub fn open_sockets(&self) -> Vec<Socket> {
        process::sockets(self.pid())
    }

    /// Number of its sockets for datagrams, of which it needs none.
    #[must_use]
    pub fn datagrams(&self) -> usize {
        process::datagrams(self.pid())
    }

    /// How many connections it holds to a port of a server.
    #[must_use]
    pub fn connections_to(&self, port: u16) -> usize {
        let to_port = |s: &&Socket| s.remote_port == port && s.state == Socket::ESTABLISHED;
        self.open_sockets().iter().filter(to_port).count()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), AgentError> {
        Ok(self.server.signal(signal)?)
    }

    /// Its exit status if it has ended; 128 + n after signal n.
    ///
    /// # Errors
    ///
    /// The state is not to be had.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, AgentError> {
        Ok(self.server.ended()?)
    }

    /// Waits until it ends; its exit status.
    ///
    /// # Errors
    ///
    /// It runs still after `deadline`.
    pub fn exit(&mut self, deadline: Duration) -> Result<ExitStatus, AgentError> {
        let server = &mut self.server;
        eventually("the agent to end", deadline, || {
            server.ended().map_err(|e| e.to_string())?.ok_or_else(|| "it runs".to_owned())
        })
        .map_err(|late| AgentError::Late(late, self.server.log_tail()))
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    ///
    /// Its end could not be seen.
    pub fn kill(&mut self) -> Result<(), AgentError> {
        self.server.kill()?;
        Ok(())
    }
}

const LOG: &str = "log";

fn address(port: &Port) -> String {
    format!("127.0.0.1:{}", port.number())
}

fn run(
    binary: &Path,
    scratch: &Scratch,
    listen: &Port,
    args: &[String],
    envs: &[(String, String)],
) -> Result<Server, AgentError> {
    let ours =
        |name: &str| name.starts_with("MUSTER_") || name.starts_with("KUBERNETES_") || name == "KUBECONFIG";
    let program = Program {
        name: "muster-agent".to_owned(),
        path: binary.to_owned(),
        envs: envs.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        hidden: env::vars_os().map(|(n, _)| n).filter(|n| n.to_str().is_some_and(ours)).collect(),
        folder: scratch.path().to_owned(),
        log: scratch.path().join(LOG),
        ..Program::default()
    };
    Ok(program.args(["--listen", &address(listen)]).args(args).start()?)
}

/// HTTP/1.0, so that the answer ends with the connection.
fn http_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ADMIN_DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no HTTP answer"))?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("no HTTP status"))?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::{net::TcpListener, thread};

    use super::*;

    #[test]
    fn an_answer_is_split_into_status_and_body() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // To its end, however it comes: a connection that is closed with something unread is reset.
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nnot ready\n").unwrap();
            request
        });
        assert_eq!(http_get(&address, "/readyz").unwrap(), (503, "not ready\n".to_owned()));
        assert_eq!(server.join().unwrap()[0], "GET /readyz HTTP/1.0");
    }
}

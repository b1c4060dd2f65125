//! One control plane: etcd, kube-apiserver and kube-controller-manager as plain processes on loopback.

mod accounts;
mod audit;
mod backup;
mod error;
mod kubectl;
mod programs;
mod reset;
mod servers;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

pub use accounts::TokenOptions;
pub use audit::{AuditEvent, AuditMark};
pub use backup::Backup;
pub use error::PlaneError;
pub use kubectl::Output;
pub use reset::Baseline;
pub use servers::Pids;

use servers::Running;

use crate::{
    api::Api,
    binaries::binaries,
    keeper::Server,
    kubeconfig::{Credential, kubeconfig},
    pki::Authority,
    ports::Port,
    scratch::Scratch,
};

/// How long a control plane may take to be ready; an idle machine needs three seconds.
const READY: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(25);

/// How many ports are tried when others take them.
const PORTS: usize = 5;

/// How a control plane is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name in messages, kubeconfigs and the name of its folder.
    pub name: String,
    /// Whether kube-controller-manager runs. Without it no namespace is ever deleted and nothing is garbage collected.
    pub controllers: bool,
    /// Whether etcd syncs its writes to disk; needed only where a test kills the machine, not the process.
    pub durable: bool,
    /// Further flags of kube-apiserver.
    pub apiserver_flags: Vec<String>,
    /// A further address of this machine at which nodes and pods reach it; `None`: nobody does.
    pub address: Option<Ipv4Addr>,
    /// Whether its folder stays after it is dropped.
    pub keep: bool,
}

impl Options {
    /// The usual: with controllers, without syncing, removed when dropped.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            controllers: true,
            durable: false,
            apiserver_flags: Vec::new(),
            address: None,
            keep: false,
        }
    }
}

/// A control plane. All methods take `&self`; its servers are killed when it is dropped, and when this process ends.
///
/// Address, certificates, token keys and folder stay the same for its life: a server that is killed and started again
/// is found where it was.
pub struct ControlPlane {
    options: Options,
    admin_token: String,
    port: Port,
    serving: Mutex<Serving>,
    running: Mutex<Running>,
    // last: the folder goes after the servers
    scratch: Scratch,
}

/// What clients need in order to trust it.
struct Serving {
    authority: Arc<Authority>,
    api: Api,
}

impl ControlPlane {
    /// Starts one, and returns when it is ready: the API server says so, and the controllers have made the default
    /// `ServiceAccount`.
    ///
    /// # Errors
    ///
    /// [`PlaneError`]; a server that ends early is shown with the end of its log.
    pub fn start(options: Options) -> Result<Self, PlaneError> {
        binaries().map_err(PlaneError::Binaries)?;
        let mut scratch = Scratch::new(&options.name)?;
        if options.keep {
            scratch.keep()?;
        }
        let authority = Arc::new(Authority::new(&format!("{} CA", options.name))?);
        let admin_token = programs::write_files(scratch.path(), &authority, options.address)?;
        let no_port = PlaneError::NoPort { plane: options.name.clone() };
        let Some(port) = Port::free() else { return Err(no_port) };
        let api = Api::new(&url(&port), authority.pem(), &admin_token)?;
        let mut plane = Self {
            options,
            admin_token,
            port,
            serving: Mutex::new(Serving { authority: Arc::clone(&authority), api }),
            running: Mutex::default(),
            scratch,
        };
        for _ in 0..PORTS {
            match plane.start_all() {
                Err(PlaneError::Ended { log, .. }) if log.contains("address already in use") => {
                    plane.kill()?;
                    let Some(port) = Port::free() else { return Err(no_port) };
                    plane.port = port;
                    let api = Api::new(&plane.url(), authority.pem(), &plane.admin_token)?;
                    plane.serving().api = api;
                }
                other => return other.map(|()| plane),
            }
        }
        Err(no_port)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Its address: `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.port)
    }

    /// Its address for nodes and pods: `https://ADDRESS:PORT`; `None` if it listens on loopback alone.
    #[must_use]
    pub fn outer_url(&self) -> Option<String> {
        Some(format!("https://{}:{}", self.options.address?, self.port.number()))
    }

    /// The certificates to trust.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.serving().authority.pem().to_owned()
    }

    /// The authority that signed its certificate, and whose client certificates it accepts.
    #[must_use]
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.serving().authority)
    }

    /// A client with the rights of `system:masters`.
    #[must_use]
    pub fn api(&self) -> Api {
        self.serving().api.clone()
    }

    /// The token of that client.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// A kubeconfig file of mode 0600 with the rights of `system:masters`.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder().join(programs::ADMIN_KUBECONFIG)
    }

    /// Where its files and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The process ids of its servers.
    #[must_use]
    pub fn server_pids(&self) -> Pids {
        let running = self.running();
        let pid = |server: &Option<Server>| server.as_ref().map(Server::pid);
        Pids {
            etcd: pid(&running.etcd),
            apiserver: pid(&running.apiserver),
            controllers: pid(&running.controllers),
        }
    }

    /// The UID of its `kube-system`: which cluster it is.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub fn cluster_uid(&self) -> Result<String, PlaneError> {
        let namespace = self.api().get("/api/v1/namespaces/kube-system")?;
        Ok(namespace.pointer("/metadata/uid").and_then(|uid| uid.as_str()).unwrap_or_default().to_owned())
    }

    /// Kills all three servers (SIGKILL). Its data stays.
    ///
    /// # Errors
    ///
    /// A server's end could not be seen.
    pub fn kill(&self) -> Result<(), PlaneError> {
        let running = std::mem::take(&mut *self.running());
        // the API server first, so that it has no time to say that etcd is gone
        for mut server in [running.apiserver, running.etcd, running.controllers].into_iter().flatten() {
            server.kill()?;
        }
        Ok(())
    }

    /// Kills the API server alone.
    ///
    /// # Errors
    ///
    /// Its end could not be seen.
    pub fn kill_apiserver(&self) -> Result<(), PlaneError> {
        let server = self.running().apiserver.take();
        server.map_or(Ok(()), |mut server| server.kill().map(drop)).map_err(Into::into)
    }

    /// Kills etcd alone: the API server answers, with errors.
    ///
    /// # Errors
    ///
    /// Its end could not be seen.
    pub fn kill_etcd(&self) -> Result<(), PlaneError> {
        let server = self.running().etcd.take();
        server.map_or(Ok(()), |mut server| server.kill().map(drop)).map_err(Into::into)
    }

    /// Freezes the API server (SIGSTOP): connections stay open, and nothing answers.
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn freeze(&self) -> Result<(), PlaneError> {
        self.running().apiserver.as_ref().map_or(Ok(()), |s| s.signal(rustix::process::Signal::STOP))?;
        Ok(())
    }

    /// Undoes [`ControlPlane::freeze`].
    ///
    /// # Errors
    ///
    /// It does not run.
    pub fn thaw(&self) -> Result<(), PlaneError> {
        self.running().apiserver.as_ref().map_or(Ok(()), |s| s.signal(rustix::process::Signal::CONT))?;
        Ok(())
    }

    /// Starts what does not run, at the same address, with the data that is there, and returns when it is ready.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::start`].
    pub fn restart(&self) -> Result<(), PlaneError> {
        self.start_all()
    }

    /// Puts another cluster at the same address: same certificates, tokens and token keys, nothing else. What a client
    /// meets that follows an address to a directory that was set up anew.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::start`].
    pub fn replace_with_new_cluster(&self) -> Result<(), PlaneError> {
        self.kill()?;
        for name in [programs::ETCD_DATA, programs::KUBECTL_CACHE] {
            let path = self.folder().join(name);
            match fs::remove_dir_all(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(PlaneError::File { action: "remove", path, source });
                }
                _ => {}
            }
        }
        self.start_all()
    }

    /// Restarts the API server with a certificate of another authority, which kubeconfigs made from now on trust.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::start`].
    pub fn serve_with(&self, authority: Arc<Authority>) -> Result<(), PlaneError> {
        self.kill_apiserver()?;
        programs::write_serving(self.folder(), &authority, self.options.address)?;
        let api = Api::new(&self.url(), authority.pem(), &self.admin_token)?;
        *self.serving() = Serving { authority, api };
        self.start_all()
    }

    /// Starts what does not run.
    fn start_all(&self) -> Result<(), PlaneError> {
        let commands = self.commands()?;
        let ca_pem = self.ca_pem();
        commands.write_kubeconfigs(&self.url(), &ca_pem, &self.admin_token)?;
        let mut running = self.running();
        running.forget_ended()?;
        if running.etcd.is_none() || running.apiserver.is_none() {
            // they back off for up to a minute after a server that was away; new ones follow at once
            running.controllers.take().map_or(Ok(()), |mut server| server.kill().map(drop))?;
        }
        if running.etcd.is_none() {
            running.etcd = Some(commands.etcd().start()?);
        }
        if running.apiserver.is_none() {
            running.apiserver = Some(commands.apiserver().start()?);
        }
        let api = self.api();
        self.await_answer("kube-apiserver", &mut running, "/readyz", &api)?;
        self.await_answer("kube-apiserver", &mut running, "/api/v1/namespaces/kube-system", &api)?;
        if self.options.controllers {
            if running.controllers.is_none() {
                running.controllers = Some(commands.controllers().start()?);
            }
            let account = "/api/v1/namespaces/default/serviceaccounts/default";
            self.await_answer("kube-controller-manager", &mut running, account, &api)?;
        }
        Ok(())
    }

    /// Waits until a GET of `path` succeeds, as long as all servers run. An error shows the log of `blame`.
    fn await_answer(
        &self,
        blame: &'static str,
        running: &mut Running,
        path: &str,
        api: &Api,
    ) -> Result<(), PlaneError> {
        let started = Instant::now();
        loop {
            let seen = match api.send(http::Method::GET, path, "application/json", "") {
                Ok(reply) if reply.status.is_success() => return Ok(()),
                Ok(reply) => format!("{path}: {} {}", reply.status, String::from_utf8_lossy(&reply.body)),
                Err(error) => error.to_string(),
            };
            for (name, server) in running.named() {
                if let Some(status) = server.ended()? {
                    let log = server.log_tail();
                    return Err(PlaneError::Ended {
                        plane: self.name().to_owned(),
                        server: name,
                        status,
                        log,
                    });
                }
            }
            if started.elapsed() > READY {
                let log = running.named().into_iter().find(|(name, _)| *name == blame);
                let log = log.map(|(_, server)| server.log_tail()).unwrap_or_default();
                return Err(PlaneError::NotReady { plane: self.name().to_owned(), server: blame, seen, log });
            }
            thread::sleep(POLL);
        }
    }

    fn kubeconfig(&self, credential: &Credential<'_>) -> String {
        kubeconfig(self.name(), &self.url(), &self.ca_pem(), credential)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serving(&self) -> MutexGuard<'_, Serving> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn url(port: &Port) -> String {
    format!("https://127.0.0.1:{}", port.number())
}

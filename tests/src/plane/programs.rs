//! The files and command lines of the three servers.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::{ControlPlane, Options, PlaneError};
use crate::{
    binaries::{Binaries, binaries, hex},
    keeper::Program,
    kubeconfig::{Credential, kubeconfig},
    pki::{self, Authority},
};

pub(super) const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";
pub(super) const AUDIT_LOG: &str = "audit.log";
pub(super) const ETCD_DATA: &str = "etcd";
pub(super) const KUBECTL_CACHE: &str = "kubectl-cache";
/// In the plane's folder, which is the working folder of both: a path below /tmp may exceed what a socket address holds.
pub(super) const ETCD_SOCKET: &str = "etcd.sock";

/// The first address of the range of Services, which is that of the Service `kubernetes`.
const SERVICE_ADDRESS: &str = "10.0.0.1";

const CA: &str = "ca.crt";
const SERVING_CERT: &str = "serving.crt";
const SERVING_KEY: &str = "serving.key";
const TOKEN_KEY: &str = "token.key";
const TOKEN_PUBLIC: &str = "token.pub";
const TOKENS: &str = "tokens.csv";
const AUDIT_POLICY: &str = "audit-policy.yaml";
const CONTROLLERS_KUBECONFIG: &str = "controllers.kubeconfig";

/// Each request once it is done, and each watch also when it begins.
const AUDIT_POLICY_TEXT: &str = "apiVersion: audit.k8s.io/v1\n\
    kind: Policy\n\
    omitStages: [RequestReceived]\n\
    rules:\n\
    - level: Metadata\n";

/// Writes everything that stays the same for the life of the plane; the token of the admin.
pub(super) fn write_files(
    folder: &Path,
    authority: &Authority,
    address: Option<Ipv4Addr>,
) -> Result<String, PlaneError> {
    write_serving(folder, authority, address)?;
    let (private, public) = pki::token_keys()?;
    write(&folder.join(TOKEN_KEY), &private)?;
    write(&folder.join(TOKEN_PUBLIC), &public)?;
    write(&folder.join(AUDIT_POLICY), AUDIT_POLICY_TEXT)?;
    let admin = random_token()?;
    write(&folder.join(TOKENS), &format!("{admin},admin,admin,\"system:masters\"\n"))?;
    Ok(admin)
}

/// Writes the serving certificate and the CA that clients are to trust.
pub(super) fn write_serving(
    folder: &Path,
    authority: &Authority,
    address: Option<Ipv4Addr>,
) -> Result<(), PlaneError> {
    // pods know it by the address of the Service `kubernetes`, others by its own
    let further = address.map(|own| vec![SERVICE_ADDRESS.to_owned(), own.to_string()]);
    let serving = authority.serving_also(&further.unwrap_or_default())?;
    write(&folder.join(CA), authority.pem())?;
    write(&folder.join(SERVING_CERT), &serving.certificate)?;
    write(&folder.join(SERVING_KEY), &serving.key)
}

impl ControlPlane {
    /// The command lines of its programs.
    pub(super) fn commands(&self) -> Result<Commands<'_>, PlaneError> {
        Ok(Commands {
            options: &self.options,
            folder: self.folder(),
            port: self.port.number(),
            binaries: binaries().map_err(PlaneError::Binaries)?,
        })
    }
}

/// The command lines of one plane.
pub(super) struct Commands<'a> {
    pub(super) options: &'a Options,
    pub(super) folder: &'a Path,
    pub(super) port: u16,
    pub(super) binaries: &'a Binaries,
}

impl Commands<'_> {
    pub(super) fn etcd(&self) -> Program {
        let socket = format!("unix://{ETCD_SOCKET}");
        let program = self.program("etcd", &self.binaries.etcd).args([
            format!("--data-dir={ETCD_DATA}"),
            // sockets in the folder: no ports to lose to others, and none that others can reach
            format!("--listen-client-urls={socket}"),
            "--listen-peer-urls=unix://etcd-peer.sock".to_owned(),
            // must look like a network address; nobody uses it
            "--advertise-client-urls=http://localhost:2379".to_owned(),
            "--log-level=warn".to_owned(),
        ]);
        if self.options.durable { program } else { program.args(["--unsafe-no-fsync"]) }
    }

    pub(super) fn apiserver(&self) -> Program {
        let mut program = self.program("kube-apiserver", &self.binaries.kube_apiserver).args([
            format!("--etcd-servers=unix://{ETCD_SOCKET}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            "--advertise-address=127.0.0.1".to_owned(),
            // loopback is refused as an endpoint of the Service `kubernetes`; nobody needs that one here
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--cert-dir=certs".to_owned(),
            format!("--tls-cert-file={SERVING_CERT}"),
            format!("--tls-private-key-file={SERVING_KEY}"),
            format!("--client-ca-file={CA}"),
            format!("--token-auth-file={TOKENS}"),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={TOKEN_KEY}"),
            format!("--service-account-key-file={TOKEN_PUBLIC}"),
            format!("--audit-policy-file={AUDIT_POLICY}"),
            format!("--audit-log-path={AUDIT_LOG}"),
            // MB: never rotated, offsets into it stay true
            "--audit-log-maxsize=100000".to_owned(),
        ]);
        if let Some(address) = self.options.address {
            program = program.args([
                "--bind-address=0.0.0.0".to_owned(),
                format!("--advertise-address={address}"),
                "--endpoint-reconciler-type=master-count".to_owned(),
                // names of nodes mean nothing here
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
                "--enable-admission-plugins=NodeRestriction".to_owned(),
            ]);
        }
        // a third less CPU at the start, for memory that a test machine has
        program.envs.push(("GOGC".into(), "400".into()));
        program.args(&self.options.apiserver_flags)
    }

    pub(super) fn controllers(&self) -> Program {
        self.program("kube-controller-manager", &self.binaries.kube_controller_manager).args([
            format!("--kubeconfig={CONTROLLERS_KUBECONFIG}"),
            format!("--root-ca-file={CA}"),
            format!("--service-account-private-key-file={TOKEN_KEY}"),
            // one identity instead of fifty accounts and tokens: ready in half a second rather than five
            "--use-service-account-credentials=false".to_owned(),
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ])
    }

    /// Writes the kubeconfigs that name the plane's address and CA.
    pub(super) fn write_kubeconfigs(&self, url: &str, ca_pem: &str, admin: &str) -> Result<(), PlaneError> {
        let text = kubeconfig(&self.options.name, url, ca_pem, &Credential::Token(admin));
        for name in [ADMIN_KUBECONFIG, CONTROLLERS_KUBECONFIG] {
            write(&self.folder.join(name), &text)?;
        }
        Ok(())
    }

    fn program(&self, name: &str, path: &Path) -> Program {
        Program {
            name: format!("{} of {}", name, self.options.name),
            path: path.to_owned(),
            folder: self.folder.to_owned(),
            log: self.folder.join(format!("{name}.log")),
            ..Program::default()
        }
    }
}

/// Writes a file that only its owner may read.
pub(super) fn write(path: &Path, text: &str) -> Result<(), PlaneError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| PlaneError::File { action: "write", path: path.to_owned(), source })
}

/// 128 bits in hex.
fn random_token() -> Result<String, PlaneError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0u8; 16];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| PlaneError::File { action: "read", path: path.to_owned(), source })?;
    Ok(hex(&bytes))
}

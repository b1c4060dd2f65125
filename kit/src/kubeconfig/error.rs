//! What is refused in a kubeconfig, and what to do about it.

/// What is refused in a kubeconfig, with the remedy. The texts go into conditions and Events, so they hold no byte of
/// a value, and of the keys only those that kubectl knows: an unknown key may be a misplaced token, and is named by
/// its position. A path says where in the file, such as `users[0].user.exec`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// A command to run for a credential.
    #[error(
        "unable to use {path}: Muster runs no command; put a token, or a client certificate and its key, there"
    )]
    Exec {
        /// Where.
        path: String,
    },
    /// A plugin of kubectl's own for a credential.
    #[error(
        "unable to use {path}: Muster has no such plugins; put a token, or a client certificate and its key, there"
    )]
    AuthProvider {
        /// Where.
        path: String,
    },
    /// A path to a file.
    #[error(
        "unable to use {path}: Muster opens no file that a kubeconfig names; put the content there as {instead} \
             (kubectl config view --raw --flatten does)"
    )]
    File {
        /// Where.
        path: String,
        /// The key that holds the content instead.
        instead: &'static str,
    },
    /// `insecure-skip-tls-verify`, unless it says `false`, which changes nothing.
    #[error(
        "unable to use clusters[0].cluster.insecure-skip-tls-verify: the server must be known by its CA; put that \
             there as certificate-authority-data"
    )]
    InsecureTls,
    /// A proxy.
    #[error("unable to use {path}: remove it; a proxy is set on the agent's own Deployment")]
    Proxy {
        /// Where.
        path: String,
    },
    /// Acting as somebody else.
    #[error(
        "unable to use {path}: Muster impersonates nobody in a directory; put a credential of the account itself there"
    )]
    Impersonation {
        /// Where.
        path: String,
    },
    /// A user name or a password.
    #[error("unable to use {path}: API servers take no passwords; put a token there")]
    Password {
        /// Where.
        path: String,
    },
    /// Notes of other tools.
    #[error("unable to use {path}: remove it; it holds notes of other tools")]
    Extensions {
        /// Where.
        path: String,
    },
    /// What kubectl knows and Muster has no use for: `disable-compression` and `colors`.
    #[error("unable to use {path}: remove it; Muster has no use for it")]
    Needless {
        /// Where.
        path: String,
    },
    /// A key that no kubeconfig has at this place.
    #[error("unable to use key {number} of {within}: no kubeconfig has such a key there; remove it")]
    UnknownKey {
        /// Its position in the mapping, from 1.
        number: usize,
        /// The mapping.
        within: String,
    },
    /// More bytes than any kubeconfig of one context has.
    #[error(
        "unable to read the kubeconfig: it is larger than {limit} bytes; cut it down to one context \
             (kubectl config view --raw --minify --flatten)"
    )]
    TooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// No UTF-8.
    #[error("unable to read the kubeconfig: it is not UTF-8 text")]
    NotUtf8,
    /// Nothing, or only comments.
    #[error("unable to read the kubeconfig: it is empty")]
    Empty,
    /// Neither YAML nor JSON.
    #[error("unable to read the kubeconfig: it is neither YAML nor JSON, line {line}")]
    Syntax {
        /// Line, from 1.
        line: u64,
    },
    /// Too many values, or nested too deep.
    #[error(
        "unable to read the kubeconfig: it holds too much, or is nested too deep, line {line}; cut it down to one \
             context (kubectl config view --raw --minify --flatten)"
    )]
    TooComplex {
        /// Line, from 1.
        line: u64,
    },
    /// An anchor or an alias.
    #[error("unable to read the kubeconfig: it has a YAML anchor or alias, line {line}; write the value out")]
    Alias {
        /// Line, from 1.
        line: u64,
    },
    /// A merge key.
    #[error("unable to read the kubeconfig: it has a YAML merge key, line {line}; write the values out")]
    MergeKey {
        /// Line, from 1.
        line: u64,
    },
    /// A tag that is not YAML's own.
    #[error("unable to read the kubeconfig: it has an unknown YAML tag, line {line}; remove it")]
    Tag {
        /// Line, from 1.
        line: u64,
    },
    /// A key twice in one mapping.
    #[error("unable to read the kubeconfig: it has a key twice in one mapping, line {line}; remove one")]
    DuplicateKey {
        /// Line, from 1.
        line: u64,
    },
    /// More than one document.
    #[error("unable to read the kubeconfig: it has more than one YAML document; keep one")]
    MultipleDocuments,
    /// `apiVersion` or `kind` of something else.
    #[error("unable to use {path}: it must be {right}")]
    NotAKubeconfig {
        /// Where.
        path: &'static str,
        /// The one value that it may have.
        right: &'static str,
    },
    /// A text, a list or a number, as of garbage that is YAML all the same.
    #[error(
        "unable to read the kubeconfig: it must be a mapping, with apiVersion, kind, clusters, users and contexts"
    )]
    NoMapping,
    /// A value of the wrong type.
    #[error("unable to use {path}: it must be {expected}")]
    WrongType {
        /// Where.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A value that must be there is not, or is empty.
    #[error("unable to use the kubeconfig: {path} is missing or empty")]
    Missing {
        /// Where.
        path: String,
    },
    /// No or several clusters, contexts or users.
    #[error(
        "unable to use {path}: there must be exactly one entry, not {found}; cut the file down to one context \
             (kubectl config view --raw --minify --flatten)"
    )]
    NotOne {
        /// The list.
        path: &'static str,
        /// How many entries it has.
        found: usize,
    },
    /// A name that refers to nothing in the file.
    #[error("unable to use {path}: it must be the same as {other}")]
    NoSuchName {
        /// Where.
        path: &'static str,
        /// The only name that it may have.
        other: &'static str,
    },
    /// A server without TLS.
    #[error("unable to use clusters[0].cluster.server: it must begin with https://")]
    NotHttps,
    /// A server that is no address.
    #[error(
        "unable to use clusters[0].cluster.server: it must be https://HOST, with :PORT and /PATH where needed"
    )]
    NoAddress,
    /// A login in the server's address.
    #[error("unable to use clusters[0].cluster.server: it has a login before the host; remove it")]
    ServerLogin,
    /// A query or a fragment in the server's address.
    #[error("unable to use clusters[0].cluster.server: it has a ? or a #; remove it and what follows")]
    ServerQuery,
    /// A link-local server: services of a machine, such as its metadata, and never an API server.
    #[error(
        "unable to use clusters[0].cluster.server: it is a link-local address; use one that reaches the directory"
    )]
    ServerLinkLocal,
    /// A name that no certificate bears.
    #[error("unable to use clusters[0].cluster.tls-server-name: it must be a DNS name or an IP address")]
    ServerName,
    /// No base64.
    #[error("unable to use {path}: it is not base64")]
    Base64 {
        /// Where.
        path: &'static str,
    },
    /// No certificates.
    #[error("unable to use {path}: it must be the base64 of certificates in PEM")]
    Certificates {
        /// Where.
        path: &'static str,
    },
    /// No private key.
    #[error(
        "unable to use users[0].user.client-key-data: it must be the base64 of a private key in PEM, without a \
             passphrase"
    )]
    PrivateKey,
    /// A token that no HTTP header can carry.
    #[error(
        "unable to use users[0].user.token: it must be without blanks, line ends and other than ASCII characters"
    )]
    Token,
    /// Neither a token nor a client certificate.
    #[error(
        "unable to use users[0].user: it must hold a token, or client-certificate-data and client-key-data"
    )]
    NoCredential,
    /// A token and a client certificate.
    #[error("unable to use users[0].user: it holds a token and a client certificate; remove one of them")]
    TwoCredentials,
}

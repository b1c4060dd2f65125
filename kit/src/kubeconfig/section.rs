//! Mappings of a kubeconfig, which know where in the file they are and refuse by name what they do not allow.

use secrecy::ExposeSecret as _;

use super::{
    KubeconfigError,
    node::{Key, Node},
};

type Refuse = fn(String) -> KubeconfigError;

/// The keys that kubectl knows and Muster refuses.
const REFUSED: [(&str, Refuse); 16] = [
    // What runs a command or opens a file: looked for in the whole file, before anything else.
    ("exec", |path| KubeconfigError::Exec { path }),
    ("auth-provider", |path| KubeconfigError::AuthProvider { path }),
    ("tokenFile", |path| KubeconfigError::File { path, instead: "token" }),
    ("client-certificate", |path| KubeconfigError::File { path, instead: "client-certificate-data" }),
    ("client-key", |path| KubeconfigError::File { path, instead: "client-key-data" }),
    ("certificate-authority", |path| KubeconfigError::File { path, instead: "certificate-authority-data" }),
    // The rest: where it is met.
    ("proxy-url", |path| KubeconfigError::Proxy { path }),
    ("as", |path| KubeconfigError::Impersonation { path }),
    ("as-uid", |path| KubeconfigError::Impersonation { path }),
    ("as-groups", |path| KubeconfigError::Impersonation { path }),
    ("as-user-extra", |path| KubeconfigError::Impersonation { path }),
    ("username", |path| KubeconfigError::Password { path }),
    ("password", |path| KubeconfigError::Password { path }),
    ("extensions", |path| KubeconfigError::Extensions { path }),
    ("disable-compression", |path| KubeconfigError::Needless { path }),
    ("colors", |path| KubeconfigError::Needless { path }),
];
/// How many of [`REFUSED`] come before anything else.
const DANGERS: usize = 6;

/// A mapping and where it is.
pub(super) struct Section<'a> {
    path: String,
    entries: &'a [(Key, Node)],
}

/// Refuses commands, plugins and files anywhere in the file, before anything else is looked at.
pub(super) fn refuse_dangers(root: &Section<'_>) -> Result<(), KubeconfigError> {
    for (danger, refuse) in &REFUSED[..DANGERS] {
        for (list, content) in [("users", "user"), ("clusters", "cluster")] {
            let Some(Node::List(entries)) = root.get(list) else { continue };
            for (index, entry) in entries.iter().enumerate() {
                let Ok(entry) = Section::of(entry, format!("{list}[{index}]")) else { continue };
                let Ok(Some(content)) = entry.section(content) else { continue };
                if content.get(danger).is_some() {
                    return Err(refuse(content.path(danger)));
                }
            }
        }
    }
    Ok(())
}

// === impl Section ===

impl<'a> Section<'a> {
    /// `path` is empty for the whole file.
    pub(super) fn of(node: &'a Node, path: String) -> Result<Self, KubeconfigError> {
        match node {
            Node::Map(entries) => Ok(Self { path, entries }),
            _ if path.is_empty() => Err(KubeconfigError::NoMapping),
            _ => Err(KubeconfigError::WrongType { path, expected: "a mapping" }),
        }
    }

    /// Refuses every other key, by name if kubectl knows it.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(), KubeconfigError> {
        for (index, (key, _)) in self.entries.iter().enumerate() {
            if allowed.iter().any(|name| key.is(name)) {
                continue;
            }
            if let Some((name, refuse)) = REFUSED.iter().find(|(name, _)| key.is(name)) {
                return Err(refuse(self.path(name)));
            }
            let within = if self.path.is_empty() { "the top level" } else { &self.path };
            return Err(KubeconfigError::UnknownKey { number: index + 1, within: within.to_owned() });
        }
        Ok(())
    }

    /// A text. As in kubectl, nothing and the empty text are as if the key were not there.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, KubeconfigError> {
        match self.get(key) {
            None | Some(Node::Null) => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text.expose_secret()).filter(|text| !text.is_empty())),
            Some(_) => {
                Err(KubeconfigError::WrongType { path: self.path(key), expected: "a text, in quotes" })
            }
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&self, key: &str) -> Result<&'a str, KubeconfigError> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    /// A text that, where it is there, has one value alone.
    pub(super) fn constant(&self, key: &'static str, right: &'static str) -> Result<(), KubeconfigError> {
        match self.text(key)? {
            Some(text) if text != right => Err(KubeconfigError::NotAKubeconfig { path: key, right }),
            _ => Ok(()),
        }
    }

    /// Whether a switch is off or not there.
    pub(super) fn is_off(&self, key: &str) -> bool {
        matches!(self.get(key), None | Some(Node::Null | Node::Bool(false)))
    }

    /// A mapping within.
    pub(super) fn section(&self, key: &str) -> Result<Option<Self>, KubeconfigError> {
        match self.get(key) {
            None | Some(Node::Null) => Ok(None),
            Some(node) => Self::of(node, self.path(key)).map(Some),
        }
    }

    /// A mapping within that must be there.
    pub(super) fn needed_section(&self, key: &str) -> Result<Self, KubeconfigError> {
        self.section(key)?.ok_or_else(|| self.missing(key))
    }

    /// The only entry of a list.
    pub(super) fn one(&self, key: &'static str) -> Result<Self, KubeconfigError> {
        match self.get(key) {
            Some(Node::List(entries)) => match entries.as_slice() {
                [entry] => Self::of(entry, format!("{}[0]", self.path(key))),
                _ => Err(KubeconfigError::NotOne { path: key, found: entries.len() }),
            },
            None | Some(Node::Null) => Err(KubeconfigError::NotOne { path: key, found: 0 }),
            Some(_) => Err(KubeconfigError::WrongType { path: self.path(key), expected: "a list" }),
        }
    }

    /// The complaint that a key is missing.
    pub(super) fn missing(&self, key: &str) -> KubeconfigError {
        KubeconfigError::Missing { path: self.path(key) }
    }

    fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(name, _)| name.is(key)).map(|(_, node)| node)
    }

    fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

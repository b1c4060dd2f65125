//! The API server's audit log.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
};

use jiff::Timestamp;
use serde::Deserialize;

use super::{ControlPlane, PlaneError, programs};

/// A place in the audit log: what comes after it happened later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditMark(u64);

/// One request that is done. A watch is done when it ends: see [`ControlPlane::watches_begun_since`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Path and query.
    pub uri: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Resource, with `/subresource` where there is one; empty for paths such as `/readyz`.
    pub resource: String,
    /// Namespace; empty where there is none.
    pub namespace: String,
    /// Name; empty for collections.
    pub name: String,
    /// Who asked.
    pub user: String,
    /// As whom, if impersonated.
    pub impersonated: Option<String>,
    /// The client's User-Agent.
    pub user_agent: String,
    /// HTTP status; 0 if none was sent.
    pub code: u16,
    /// `ResponseComplete`, `ResponseStarted` or `Panic`.
    pub stage: String,
    /// When the request came.
    pub time: Timestamp,
}

impl AuditEvent {
    /// Whether it was to change something. Reviews (`selfsubjectaccessreviews` and the like) are created but change
    /// nothing, and neither does a dry run.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
            && !self.resource.ends_with("reviews")
            && !self.uri.contains("dryRun=All")
    }
}

impl ControlPlane {
    /// The end of the audit log now.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn audit_mark(&self) -> Result<AuditMark, PlaneError> {
        let path = self.folder().join(programs::AUDIT_LOG);
        match path.metadata() {
            Ok(metadata) => Ok(AuditMark(metadata.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(AuditMark::default()),
            Err(source) => Err(PlaneError::File { action: "read", path, source }),
        }
    }

    /// All requests that are done, since the plane was first started.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn audit(&self) -> Result<Vec<AuditEvent>, PlaneError> {
        self.audit_since(AuditMark::default())
    }

    /// The requests that were done since `mark`. The log is written at the end of a request, not before its answer:
    /// wait for what must be there.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn audit_since(&self, mark: AuditMark) -> Result<Vec<AuditEvent>, PlaneError> {
        Ok(self.read_audit(mark)?.into_iter().filter(|event| event.stage != "ResponseStarted").collect())
    }

    /// The watches that were begun since `mark`, whether they have ended or not.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn watches_begun_since(&self, mark: AuditMark) -> Result<Vec<AuditEvent>, PlaneError> {
        Ok(self.read_audit(mark)?.into_iter().filter(|event| event.stage == "ResponseStarted").collect())
    }

    fn read_audit(&self, mark: AuditMark) -> Result<Vec<AuditEvent>, PlaneError> {
        let path = self.folder().join(programs::AUDIT_LOG);
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(mark.0))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok(text)
        };
        match read() {
            Ok(text) => Ok(events(&text)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(PlaneError::File { action: "read", path, source }),
        }
    }
}

/// The events of whole lines; the last line may still be being written.
fn events(text: &[u8]) -> Vec<AuditEvent> {
    text.split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .map(AuditEvent::from)
        .collect()
}

/// `audit.k8s.io/v1` Event, as far as it is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl From<Line> for AuditEvent {
    fn from(line: Line) -> Self {
        let object = line.object_ref;
        let resource = if object.subresource.is_empty() {
            object.resource
        } else {
            format!("{}/{}", object.resource, object.subresource)
        };
        Self {
            verb: line.verb,
            uri: line.request_uri,
            group: object.api_group,
            resource,
            namespace: object.namespace,
            name: object.name,
            user: line.user.username,
            impersonated: line.impersonated_user.map(|user| user.username),
            user_agent: line.user_agent,
            code: line.response_status.code,
            stage: line.stage,
            time: line.request_received_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_half_a_line_is_left() {
        let line = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/pods/b/status?x=1","verb":"patch","user":{"username":"admin","groups":["g"]},"impersonatedUser":{"username":"other"},"sourceIPs":["127.0.0.1"],"userAgent":"ua","objectRef":{"resource":"pods","namespace":"a","name":"b","apiVersion":"v1","subresource":"status"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-11-21T09:00:00.000001Z","stageTimestamp":"2026-11-21T09:00:00.000002Z"}"#;
        let mut text = line.to_vec();
        text.push(b'\n');
        text.extend_from_slice(&line[..40]);
        let events = events(&text);
        assert_eq!(events.len(), 1);
        let event = &events[0];
        assert_eq!((event.resource.as_str(), event.name.as_str(), event.code), ("pods/status", "b", 200));
        assert_eq!(event.impersonated.as_deref(), Some("other"));
        assert!(event.writes());
        let review = AuditEvent { resource: "selfsubjectaccessreviews".to_owned(), ..event.clone() };
        assert!(!review.writes());
        let dry = AuditEvent { uri: "/api/v1/namespaces?dryRun=All".to_owned(), ..event.clone() };
        assert!(!dry.writes());
    }
}

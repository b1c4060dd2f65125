//! The CRDs of Muster's kinds, as they lie in `manifests/crds`.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceStatus,
    CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::applied_work::AppliedWork;
use crate::cluster::Cluster;
use crate::policy::ClusterPolicy;
use crate::report::ClusterReport;
use crate::resource::{APPLIED_WORKS, CLUSTERS, POLICIES, REPORTS, WORKS};
use crate::schema::{self, SchemaError};
use crate::work::Work;
use crate::{Resource, Scope};

/// Why the CRDs cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The Rust type of a kind has no structural schema.
    #[error("unable to make the CRD of {kind}: {detail}")]
    Schema {
        /// The kind.
        kind: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A CRD could not be written as YAML.
    #[error("unable to write the CRD {name} as YAML: {detail}")]
    Yaml {
        /// The name of the CRD.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// A file of `manifests/crds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its content: YAML.
    pub content: String,
}

/// The CRDs of all five kinds.
///
/// # Errors
/// Where a type's schema is not structural: a mistake in this crate, which its tests find.
pub fn all() -> Result<Vec<CustomResourceDefinition>, CrdError> {
    [CLUSTER, POLICY, REPORT, WORK, APPLIED_WORK].into_iter().map(Definition::crd).collect()
}

/// The files of `manifests/crds`, one for each CRD, named `PLURAL.GROUP.yaml`.
///
/// # Errors
/// As [`all`], and where a CRD cannot be written as YAML.
pub fn files() -> Result<Vec<File>, CrdError> {
    all()?.iter().map(file).collect()
}

fn file(crd: &CustomResourceDefinition) -> Result<File, CrdError> {
    let name = crd.metadata.name.clone().unwrap_or_default();
    let yaml = serde_saphyr::to_string(crd)
        .map_err(|error| CrdError::Yaml { name: name.clone(), detail: error.to_string() })?;
    Ok(File {
        name: format!("{name}.yaml"),
        content: format!("# Generated from directory/api by `make crds`. Do not edit.\n{yaml}"),
    })
}

/// What distinguishes one CRD from another.
struct Definition {
    resource: Resource,
    short_names: &'static [&'static str],
    categories: &'static [&'static str],
    labels: &'static [(&'static str, &'static str)],
    status: bool,
    columns: &'static [Column],
    schema: fn() -> Result<JSONSchemaProps, SchemaError>,
}

/// A column of `kubectl get`.
#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    type_: &'static str,
    path: &'static str,
    description: &'static str,
    /// Shown with `-o wide` only.
    wide: bool,
}

const fn column(name: &'static str, path: &'static str, description: &'static str) -> Column {
    Column { name, type_: "string", path, description, wide: false }
}

const fn wide(name: &'static str, path: &'static str, description: &'static str) -> Column {
    Column { wide: true, ..column(name, path, description) }
}

const AGE: Column =
    Column { type_: "date", ..column("Age", ".metadata.creationTimestamp", "Time since it was created") };

const CLUSTER: Definition = Definition {
    resource: CLUSTERS,
    short_names: &["mcl"],
    categories: &["muster"],
    labels: &[],
    status: true,
    columns: &[
        // The key of an annotation has dots of its own, which JSONPath wants escaped.
        column(
            "Directory",
            r".metadata.annotations.multicluster\.coreos\.com/directory",
            "Whether this is the directory",
        ),
        column("Version", ".status.version", "Version of Kubernetes"),
        column("Mode", ".status.mode", "Where the agent runs: Pull or Hosted"),
        column("Ready", r#".status.conditions[?(@.type=="Ready")].status"#, "Whether the agent is alive"),
        AGE,
        wide(
            "Address",
            ".spec['KubernetesAPIEndpoints','kubernetesApiEndpoints']['ServerEndpoints','serverEndpoints'][*]['ServerAddress','serverAddress']",
            "First address of the API server, as written",
        ),
        wide("Agent", ".status.agentVersion", "Version of the agent"),
    ],
    schema: schema::of::<Cluster>,
};

const POLICY: Definition = Definition {
    resource: POLICIES,
    short_names: &["mcpol"],
    categories: &["muster"],
    labels: &[],
    status: false,
    columns: &[column("Selector", ".spec.selector", "Labels of the clusters that it applies to"), AGE],
    schema: schema::of::<ClusterPolicy>,
};

const REPORT: Definition = Definition {
    resource: REPORTS,
    short_names: &["mcr"],
    categories: &["muster"],
    labels: &[],
    status: true,
    columns: &[
        column("Cluster", ".status.cluster", "Name of the cluster's entry"),
        column(
            "Directory",
            r#".status.conditions[?(@.type=="DirectoryReachable")].reason"#,
            "Whether the directory can be read, and if not, why",
        ),
        column(
            "Mirror",
            r#".status.conditions[?(@.type=="MirrorInSync")].reason"#,
            "Whether the copies of the entries are right, and if not, why",
        ),
        Column {
            type_: "integer",
            ..column("Copies", ".status.mirror.copies", "Copies of entries that are right")
        },
        column(
            "Policies",
            r#".status.conditions[?(@.type=="PoliciesApplied")].reason"#,
            "Whether what policies ask for is there, and if not, why",
        ),
        // Not of type date: tables show that as an age, and a time to come as invalid.
        column(
            "Credential until",
            ".status.credential.expires",
            "When the credential for the directory ends",
        ),
        column("Version", ".status.replica.version", "Version of Kubernetes"),
        AGE,
        wide("Agent", ".status.agent.version", "Version of the agent"),
        wide("Mode", ".status.agent.mode", "Where the agent runs: Pull or Hosted"),
        Column { type_: "integer", ..wide("Nodes", ".status.replica.nodes.total", "Nodes of the cluster") },
        Column {
            type_: "integer",
            ..wide("Nodes ready", ".status.replica.nodes.ready", "Nodes that are ready")
        },
        wide("CPU", ".status.replica.allocatable.cpu", "Processors that pods may use"),
        wide("Memory", ".status.replica.allocatable.memory", "Memory that pods may use"),
        wide("User", ".status.credential.user", "Who the agent is in the directory"),
    ],
    schema: schema::of::<ClusterReport>,
};

const WORK: Definition = Definition {
    resource: WORKS,
    short_names: &[],
    categories: &["muster"],
    labels: &[],
    status: true,
    columns: &[
        column("Applied", r#".status.conditions[?(@.type=="Applied")].status"#, "Whether all is applied"),
        column("Available", r#".status.conditions[?(@.type=="Available")].status"#, "Whether all is ready"),
        AGE,
    ],
    schema: schema::of::<Work>,
};

const APPLIED_WORK: Definition = Definition {
    resource: APPLIED_WORKS,
    short_names: &[],
    categories: &["fleet", "muster"], // fleet: as published
    labels: &[("applyset.kubernetes.io/is-parent-type", "true")],
    status: true,
    columns: &[
        column("Work", ".spec.workName", "Name of the Work or policy in the directory"),
        column("Namespace", ".spec.workNamespace", "Namespace of the Work in the directory"),
        column("Phase", ".spec.ledger.phase", "Applying or Deleting"),
        AGE,
    ],
    schema: schema::of::<AppliedWork>,
};

impl Definition {
    fn crd(self) -> Result<CustomResourceDefinition, CrdError> {
        let kind = self.resource.kind.to_string();
        let schema = (self.schema)()
            .map_err(|error| CrdError::Schema { kind: kind.clone(), detail: error.to_string() })?;
        let version = CustomResourceDefinitionVersion {
            name: self.resource.version.to_string(),
            served: true,
            storage: true,
            schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema) }),
            subresources: self.status.then(|| CustomResourceSubresources {
                status: Some(CustomResourceSubresourceStatus(serde_json::json!({}))),
                ..Default::default()
            }),
            additional_printer_columns: Some(self.columns.iter().map(Column::definition).collect()),
            ..Default::default()
        };
        let names = CustomResourceDefinitionNames {
            plural: self.resource.plural.to_string(),
            singular: Some(kind.to_lowercase()),
            list_kind: Some(format!("{kind}List")),
            kind,
            short_names: strings(self.short_names),
            categories: strings(self.categories),
        };
        let labels: BTreeMap<_, _> =
            self.labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ok(CustomResourceDefinition {
            metadata: ObjectMeta {
                name: Some(self.resource.full_name()),
                labels: (!labels.is_empty()).then_some(labels),
                ..Default::default()
            },
            spec: CustomResourceDefinitionSpec {
                group: self.resource.group.to_string(),
                names,
                scope: match self.resource.scope {
                    Scope::Cluster => "Cluster".to_owned(),
                    Scope::Namespaced => "Namespaced".to_owned(),
                },
                versions: vec![version],
                ..Default::default()
            },
            status: None,
        })
    }
}

impl Column {
    fn definition(&self) -> CustomResourceColumnDefinition {
        CustomResourceColumnDefinition {
            name: self.name.to_owned(),
            type_: self.type_.to_owned(),
            json_path: self.path.to_owned(),
            description: Some(self.description.to_owned()),
            priority: self.wide.then_some(1),
            format: None,
        }
    }
}

fn strings(names: &[&str]) -> Option<Vec<String>> {
    (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests;

//! Facts of the replica, for the report: read at intervals, never watched. What may not be read, or is not there, is left
//! out; what could not be read this time stays as it was.

mod nodes;
mod quantity;
mod ranges;

use std::time::Duration;

use muster_api::report::ReplicaReport;
use muster_api::report::replica::{LONGEST_PROPERTY, MOST_PROPERTIES, MOST_RANGES, PropertyReport};
use muster_api::resource::{CLUSTER_PROPERTIES, NODES, SERVICE_CIDRS};
use muster_api::{Object, Resource};
use muster_kit::client::{CallError, Client, ListQuery};
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::nodes::Nodes;
use self::ranges::Ranges;

/// Objects of a page. A node lists the images that it has: some ten kilobytes each.
const PAGE: u32 = 25;
/// Pages of what is small in every cluster that means well.
const FEW: usize = 20;
/// Time for the question which version runs.
const ASIDE: Duration = Duration::from_secs(5);
/// How soon is read again what could not be read, at the latest.
const AGAIN: Duration = Duration::from_secs(30);
/// Properties that have a meaning for everybody (KEP-2149): they are told before all others.
const WELL_KNOWN: [&str; 2] = ["cluster.clusterset.k8s.io", "clusterset.k8s.io"];
/// Longest name of a property, in bytes.
const LONGEST_NAME: usize = 253;
/// Longest version or platform that is told, in bytes.
const LONGEST_VERSION: usize = 64;

/// Facts of the replica. `None`: not read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Version and platform of its API server.
    version: Option<(String, String)>,
    nodes: Option<Nodes>,
    services: Option<Ranges>,
    properties: Option<Vec<PropertyReport>>,
}

impl Facts {
    /// Puts what was read into a report. The rest stays as the report has it.
    pub fn put(&self, report: &mut ReplicaReport) {
        if let Some((version, platform)) = &self.version {
            (report.version, report.platform) = (Some(version.clone()), Some(platform.clone()));
        }
        if let Some(nodes) = &self.nodes {
            nodes.put(report);
        }
        if let Some(services) = &self.services {
            report.service_cidrs = services.told(MOST_RANGES);
        }
        if let Some(properties) = &self.properties {
            report.properties.clone_from(properties);
        }
    }
}

/// Reads facts of a replica.
pub struct Reader {
    client: Client,
    /// Kinds that may not be read, as far as that was said.
    refused: Vec<Resource>,
    facts: Facts,
}

/// What became of a reading.
enum Reading {
    /// All that there is was read.
    Done,
    /// The kind is not served, or may not be read.
    Nothing,
    /// It could not be read this time.
    Failed,
}

impl Reader {
    /// A reader that has read nothing.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, refused: Vec::new(), facts: Facts::default() }
    }

    /// Reads every so often, a tenth more or less, until `cancel`.
    pub async fn follow(mut self, every: Duration, facts: watch::Sender<Facts>, cancel: CancellationToken) {
        let reading = async {
            loop {
                let whole = self.read().await;
                facts.send_if_modified(|told| {
                    let differs = *told != self.facts;
                    if differs {
                        told.clone_from(&self.facts);
                    }
                    differs
                });
                let wait = jittered(every);
                tokio::time::sleep(if whole { wait } else { wait.min(AGAIN) }).await;
            }
        };
        cancel.run_until_cancelled(reading).await;
    }

    /// Reads all. Returns whether all that could ever be read was.
    async fn read(&mut self) -> bool {
        let version = tokio::time::timeout(ASIDE, self.client.kube().apiserver_version()).await;
        let version = version.ok().and_then(Result::ok);
        let is_short = |text: &String| (1..=LONGEST_VERSION).contains(&text.len());
        let mut whole = version.is_some();
        if let Some(version) = version {
            let both = Some((version.git_version, version.platform));
            self.facts.version = both.filter(|(version, platform)| is_short(version) && is_short(platform));
        }
        let mut nodes = Nodes::none();
        let read = self.list(&NODES, usize::MAX, |node| nodes.add(node.raw.get())).await;
        whole &= settle(&mut self.facts.nodes, &read, nodes, Nodes::default());
        let mut services = Ranges::default();
        let add = |object: Object| ranges_of(&object).iter().for_each(|range| services.add(range));
        let read = self.list(&SERVICE_CIDRS, FEW, add).await;
        whole &= settle(&mut self.facts.services, &read, services, Ranges::default());
        for resource in &CLUSTER_PROPERTIES {
            let mut properties = Vec::new();
            let read = self.list(resource, FEW, |object| properties.extend(property(&object))).await;
            whole &= settle(&mut self.facts.properties, &read, bounded(properties), Vec::new());
            if !matches!(read, Reading::Nothing) {
                break;
            }
        }
        whole
    }

    /// Reads a list page by page, so many pages at most.
    async fn list(&mut self, resource: &Resource, pages: usize, mut add: impl FnMut(Object)) -> Reading {
        let mut query = ListQuery { limit: Some(PAGE), ..ListQuery::default() };
        for _ in 0..pages {
            match self.client.list_page(resource, None, &query).await {
                Ok(page) => {
                    page.items.into_iter().for_each(&mut add);
                    query.continue_token = page.next;
                    if query.continue_token.is_none() {
                        break;
                    }
                }
                Err(CallError::NotFound { .. }) => return Reading::Nothing,
                Err(error @ CallError::Forbidden { .. }) => {
                    if !self.refused.contains(resource) {
                        tracing::warn!(%error, "the report has no facts of them");
                        self.refused.push(resource.clone());
                    }
                    return Reading::Nothing;
                }
                Err(error) => {
                    tracing::debug!(%error, "facts not read");
                    return Reading::Failed;
                }
            }
        }
        self.refused.retain(|refused| refused != resource);
        Reading::Done
    }
}

/// Takes in what was read. Returns whether that is all that there is to read.
fn settle<T>(fact: &mut Option<T>, reading: &Reading, read: T, nothing: T) -> bool {
    match reading {
        Reading::Done => *fact = Some(read),
        Reading::Nothing => *fact = Some(nothing),
        Reading::Failed => return false,
    }
    true
}

fn ranges_of(object: &Object) -> Vec<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Frame {
        spec: Spec,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Spec {
        cidrs: Vec<String>,
    }
    let Frame { spec } = serde_json::from_str(object.raw.get()).unwrap_or_default();
    spec.cidrs
}

fn property(object: &Object) -> Option<PropertyReport> {
    #[derive(Deserialize)]
    struct Frame {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        value: String,
    }
    let Frame { spec: Spec { value } } = serde_json::from_str(object.raw.get()).ok()?;
    let name = object.meta.name.clone();
    let fits = name.len() <= LONGEST_NAME && (1..=LONGEST_PROPERTY).contains(&value.chars().count());
    (fits && object.meta.deletion_timestamp.is_none()).then_some(PropertyReport { name, value })
}

/// Those that a report has room for, in a fixed order.
fn bounded(mut properties: Vec<PropertyReport>) -> Vec<PropertyReport> {
    let is_other = |property: &PropertyReport| !WELL_KNOWN.contains(&property.name.as_str());
    properties.sort_by(|one, other| (is_other(one), &one.name).cmp(&(is_other(other), &other.name)));
    properties.truncate(MOST_PROPERTIES);
    properties
}

/// A tenth more or less. Without randomness it is just so.
fn jittered(every: Duration) -> Duration {
    let permille =
        muster_kit::random::bytes().map_or(1000, |bytes| 900 + u32::from(u16::from_le_bytes(bytes)) % 201);
    every * permille / 1000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use muster_api::report::replica::NodesReport;
    use serde_json::json;
    use serde_json::value::RawValue;

    use super::*;

    fn object(name: &str, spec: &serde_json::Value) -> Object {
        let object = json!({"metadata": {"name": name, "uid": "u", "resourceVersion": "1"}, "spec": spec});
        Object::parse(RawValue::from_string(object.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn what_was_not_read_stays_as_it_was_told_and_what_may_not_be_read_goes() {
        let mut report = ReplicaReport {
            id: Some("i".to_owned()),
            nodes: Some(NodesReport { total: 3, ready: 3 }),
            capacity: [("cpu".to_owned(), "4".to_owned())].into(),
            service_cidrs: vec!["10.96.0.0/12".to_owned()],
            ..ReplicaReport::default()
        };
        let told = report.clone();
        Facts::default().put(&mut report);
        assert_eq!(report, told);
        let facts =
            Facts { nodes: Some(Nodes::default()), services: Some(Ranges::default()), ..Facts::default() };
        facts.put(&mut report);
        assert_eq!(report, ReplicaReport { id: told.id, ..ReplicaReport::default() });
    }

    #[test]
    fn properties_are_bounded_and_the_well_known_ones_come_first() {
        let read = |name: &str, value: &str| property(&object(name, &json!({"value": value})));
        assert_eq!(read("a", &"ä".repeat(1024)).unwrap().value.chars().count(), 1024);
        assert_eq!(read("a", &"a".repeat(1025)), None);
        assert_eq!(read("a", ""), None);
        assert_eq!(property(&object("a", &json!({"value": 1}))), None);
        let mut all: Vec<_> = (0..100).filter_map(|n| read(&format!("a{n:03}"), "v")).collect();
        all.extend(WELL_KNOWN.iter().rev().filter_map(|name| read(name, "v")));
        let told = bounded(all);
        let names: Vec<_> = told.iter().take(3).map(|property| property.name.as_str()).collect();
        assert_eq!(names, ["cluster.clusterset.k8s.io", "clusterset.k8s.io", "a000"]);
        assert_eq!(told.len(), MOST_PROPERTIES);
    }

    #[test]
    fn ranges_of_services_are_read() {
        assert_eq!(ranges_of(&object("k", &json!({"cidrs": ["10.96.0.0/12"]}))), ["10.96.0.0/12"]);
        assert!(ranges_of(&object("k", &json!({"cidrs": 1}))).is_empty());
    }

    #[test]
    fn intervals_differ_by_a_tenth_at_most() {
        let every = Duration::from_secs(300);
        let waits: BTreeSet<_> = (0..100).map(|_| jittered(every)).collect();
        assert!(waits.len() > 10, "{waits:?}");
        assert!(waits.iter().all(|wait| (270..=330).contains(&wait.as_secs())), "{waits:?}");
    }
}

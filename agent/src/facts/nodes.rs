//! What all nodes of a cluster are together.

use std::collections::BTreeMap;

use muster_api::report::ReplicaReport;
use muster_api::report::replica::{MOST_AMOUNTS, MOST_RANGES, NodesReport};
use serde::Deserialize;

use super::quantity::Sum;
use super::ranges::Ranges;

/// Most resources that are counted; so many have no names in any cluster.
const MOST: usize = 256;
/// Longest name of a resource, in bytes: a prefix, a slash and a name.
const LONGEST_NAME: usize = 317;
/// What is told of first, where there are too many resources.
const FIRST: [&str; 4] = ["cpu", "memory", "pods", "ephemeral-storage"];

/// All nodes together. The default is that nothing is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    count: Option<NodesReport>,
    capacity: Sums,
    allocatable: Sums,
    ranges: Ranges,
}

/// Sums by resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums(BTreeMap<String, Sum>);

/// A node, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Node {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "podCIDR")]
    range: Option<String>,
    #[serde(rename = "podCIDRs")]
    ranges: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    capacity: BTreeMap<String, String>,
    allocatable: BTreeMap<String, String>,
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Nodes {
    /// No nodes.
    pub(super) fn none() -> Self {
        Self { count: Some(NodesReport::default()), ..Self::default() }
    }

    /// Adds a node: JSON. One that is malformed counts, and is not ready.
    pub(super) fn add(&mut self, node: &str) {
        let Node { spec, status } = serde_json::from_str(node).unwrap_or_default();
        let is_ready = |condition: &Condition| condition.kind == "Ready" && condition.status == "True";
        let count = self.count.get_or_insert_default();
        count.total += 1;
        count.ready += i64::from(status.conditions.iter().any(is_ready));
        self.capacity.add(&status.capacity);
        self.allocatable.add(&status.allocatable);
        let ranges = spec.ranges.iter().chain(spec.range.iter().filter(|_| spec.ranges.is_empty()));
        ranges.for_each(|range| self.ranges.add(range));
    }

    /// Puts them into a report, in the place of what it said of nodes.
    pub(super) fn put(&self, report: &mut ReplicaReport) {
        report.nodes = self.count;
        report.capacity = self.capacity.told();
        report.allocatable = self.allocatable.told();
        report.pod_cidrs = self.ranges.told(MOST_RANGES);
    }
}

impl Sums {
    fn add(&mut self, amounts: &BTreeMap<String, String>) {
        for (name, amount) in amounts {
            let known = FIRST.contains(&name.as_str());
            let has_room = known || self.0.len() < MOST && name.len() <= LONGEST_NAME;
            match self.0.get_mut(name) {
                Some(sum) => sum.add(amount),
                None if has_room => self.0.entry(name.clone()).or_default().add(amount),
                None => {}
            }
        }
    }

    fn told(&self) -> BTreeMap<String, String> {
        let first = FIRST.iter().filter_map(|name| self.0.get_key_value(*name));
        let others = self.0.iter().filter(|(name, _)| !FIRST.contains(&name.as_str()));
        let told = first.chain(others).filter_map(|(name, sum)| Some((name.clone(), sum.text()?)));
        told.take(MOST_AMOUNTS).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(ready: &str, cpu: &str, range: &str) -> Value {
        json!({
            "metadata": {"name": "n"}, "spec": {"podCIDR": range, "podCIDRs": [range]},
            "status": {
                "capacity": {"cpu": cpu, "memory": "16Gi", "hugepages-2Mi": "0", "nvidia.com/gpu": "2"},
                "allocatable": {"cpu": cpu, "memory": "15Gi"},
                "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
                "images": [{"names": ["a"], "sizeBytes": 1}],
            },
        })
    }

    fn told(nodes: &[Value]) -> ReplicaReport {
        let mut all = Nodes::none();
        for node in nodes {
            all.add(&node.to_string());
        }
        let mut report = ReplicaReport::default();
        all.put(&mut report);
        report
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
    }

    #[test]
    fn nodes_are_counted_and_what_they_have_is_added() {
        let report = told(&[
            node("True", "4", "10.0.0.0/24"),
            node("False", "3900m", "10.0.1.0/24"),
            node("Unknown", "100m", ""),
        ]);
        assert_eq!(report.nodes, Some(NodesReport { total: 3, ready: 1 }));
        assert_eq!(report.capacity, map(&[("cpu", "8"), ("memory", "48Gi"), ("nvidia.com/gpu", "6")]));
        assert_eq!(report.allocatable, map(&[("cpu", "8"), ("memory", "45Gi")]));
        assert_eq!(report.pod_cidrs, ["10.0.0.0/23"]);
    }

    #[test]
    fn no_nodes_are_none_and_one_that_is_malformed_counts() {
        assert_eq!(told(&[]).nodes, Some(NodesReport { total: 0, ready: 0 }));
        let report = told(&[json!({"status": {"capacity": []}}), json!(1), node("True", "1", "")]);
        assert_eq!(report.nodes, Some(NodesReport { total: 3, ready: 1 }));
        assert_eq!(report.capacity.get("cpu").map(String::as_str), Some("1"));
    }

    #[test]
    fn a_report_has_room_for_so_many_resources_and_the_well_known_ones_are_among_them() {
        let many: BTreeMap<String, &str> =
            (0..1000).map(|n| (format!("a.example.com/{n:04}"), "1")).collect();
        let mut node = node("True", "4", "");
        for (name, amount) in many {
            node["status"]["capacity"][name] = amount.into();
        }
        node["status"]["capacity"]["x".repeat(318)] = "1".into();
        let report = told(&[node]);
        assert_eq!(report.capacity.len(), MOST_AMOUNTS);
        for name in ["a.example.com/0000", "cpu", "memory"] {
            assert!(report.capacity.contains_key(name), "{name}: {:?}", report.capacity);
        }
    }
}

//! `docs/conditions.md`, made from the lists.

use std::fmt::Write as _;

use crate::conditions::{Entry, Listed, lists};
use crate::events::{EventReason, controller};
use crate::metrics::{Described, LABELS, Metric, controller as controller_metrics};

const HEAD: &str = "\
<!-- Generated from directory/api by `make crds`. Do not edit. -->
# Conditions, Events and metrics

The directory's controller keeps the status of the Cluster entries. The agent reports in the `ClusterReport` of its cluster: in the directory, in the cluster's execution namespace, and as
a copy `directory-sync` in the replica's namespace `muster-system`. The copy is written first, so it is there also while
the directory cannot be reached.

    kubectl get mcr -A                                         # in the directory: the fleet
    kubectl -n muster-system describe mcr directory-sync       # in the replica: this cluster

Nothing that is not confirmed is ever deleted. While a condition below is not True, the replica keeps what it has,
unless the text says otherwise.
";

const REPORT: &str = "ClusterReport";

/// Where the conditions of a Work and of its manifests are.
fn intro(owner: &str) -> &'static str {
    match owner {
        "Cluster" => {
            "
In `status.conditions` of a Cluster entry in the directory. They are written on transitions only, since every cluster
watches every entry: what moves is in the report.
"
        }
        "Work" => {
            "
In `status.conditions` of a Work. `observedGeneration` is the generation of the Work.
"
        }
        "manifest" => {
            "
In `status.manifestConditions` of a Work. `observedGeneration` is the generation of the object in the cluster. A status
has 32 KiB at most: where there is no room for all manifests, healthy ones are left out first, and the condition Applied of
the Work says how many.
"
        }
        "ClusterProfile" => {
            "
In `status.conditions` of a ClusterProfile in the directory, for other tools: [directory.md](directory.md) says more.
"
        }
        _ => "",
    }
}

/// The text of `docs/conditions.md`.
#[must_use]
pub fn conditions_markdown() -> String {
    let mut text = HEAD.to_owned();
    for (owner, list) in lists() {
        let _ = write!(text, "\n## Conditions of a {owner}\n"); // writing to a String cannot fail
        text.push_str(intro(owner));
        for listed in &list {
            condition(&mut text, owner, listed);
        }
    }
    text.push_str(
        "\n## Events\n\n| reason | type | what happened | what to do |\n| --- | --- | --- | --- |\n",
    );
    for event in EventReason::ALL {
        row(&mut text, &[event.as_str(), event.severity().as_str(), event.meaning(), event.next()]);
    }
    text.push_str("\nOf the directory's controller, about Cluster entries, in the namespace `default`:\n");
    text.push_str("\n| reason | type | what happened | what to do |\n| --- | --- | --- | --- |\n");
    for event in controller::EventReason::ALL {
        row(&mut text, &[event.as_str(), event.severity().as_str(), event.meaning(), event.next()]);
    }
    text.push_str("\n## Metrics\n\nOf the agent:\n\n");
    metrics::<Metric>(&mut text);
    text.push_str("\nOf the directory's controller:\n\n");
    metrics::<controller_metrics::Metric>(&mut text);
    text.push_str("\n| label | what it says |\n| --- | --- |\n");
    for (label, meaning) in LABELS {
        row(&mut text, &[label, meaning]);
    }
    text
}

fn metrics<M: Described>(text: &mut String) {
    text.push_str("| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n");
    for metric in M::ALL {
        let name = format!("`{}`", metric.name());
        let labels = metric.labels().join(", ");
        row(text, &[&name, metric.metric_type().as_str(), &labels, metric.help()]);
    }
}

fn condition(text: &mut String, owner: &str, Listed { kind, meaning, reasons }: &Listed) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\n### {}\n\n{meaning}\n", heading(owner, kind));
    text.push_str(
        "\n| reason | status | what it means | cause | what to do |\n| --- | --- | --- | --- | --- |\n",
    );
    for Entry { reason, meaning, explanation } in reasons {
        let status = explanation.status.as_str();
        row(text, &[reason, status, meaning, explanation.cause, explanation.remedy]);
    }
}

/// Types of one name are of a Work and of its manifests: a heading is one place to link to.
fn heading(owner: &str, kind: &str) -> String {
    if owner == REPORT { kind.to_owned() } else { format!("{kind} of a {owner}") }
}

fn row(text: &mut String, cells: &[&str]) {
    for cell in cells {
        text.push_str("| ");
        text.push_str(cell);
        text.push(' ');
    }
    text.push_str("|\n");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_document_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conditions.md");
        let found = std::fs::read_to_string(path).expect("docs/conditions.md: run `make crds`");
        assert!(found == conditions_markdown(), "docs/conditions.md is stale: run `make crds`");
    }

    #[test]
    fn the_document_holds_every_entry_once() {
        let text = conditions_markdown();
        for (owner, list) in lists() {
            for Listed { kind, reasons, .. } in list {
                assert_eq!(
                    text.matches(&format!("### {}\n", heading(owner, kind))).count(),
                    1,
                    "{owner} {kind}"
                );
                for entry in reasons {
                    let status = entry.explanation.status.as_str();
                    let cell = format!("| {} | {status} | {} |", entry.reason, entry.meaning);
                    assert_eq!(text.matches(&cell).count(), 1, "{owner} {kind} {}", entry.reason);
                }
            }
        }
        // Conditions may have reasons of the same names.
        let (_, events) = text.split_once("\n## Events\n").expect("a part about Events");
        for event in EventReason::ALL {
            assert_eq!(events.matches(&format!("| {} |", event.as_str())).count(), 1, "{event:?}");
        }
        for metric in Metric::ALL {
            assert_eq!(text.matches(&format!("`{}`", metric.name())).count(), 1, "{metric:?}");
        }
    }
}

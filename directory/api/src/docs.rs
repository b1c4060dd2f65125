//! `docs/conditions.md`, made from the lists.

use std::fmt::Write as _;

use crate::conditions::{ConditionType, Entry};
use crate::events::EventReason;
use crate::metrics::{LABELS, Metric};

const HEAD: &str = "\
<!-- Generated from directory/api by `make crds`. Do not edit. -->
# Conditions, Events and metrics

The agent reports in the `ClusterReport` of its cluster: in the directory, in the cluster's execution namespace, and as
a copy `directory-sync` in the replica's namespace `muster-system`. The copy is written first, so it is there also while
the directory cannot be reached.

    kubectl get mcr -A                                         # in the directory: the fleet
    kubectl -n muster-system describe mcr directory-sync       # in the replica: this cluster

Nothing that is not confirmed is ever deleted. While a condition below is not True, the replica keeps what it has,
unless the text says otherwise.
";

/// The text of `docs/conditions.md`.
#[must_use]
pub fn conditions_markdown() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Conditions of a ClusterReport\n");
    for kind in ConditionType::ALL {
        condition(&mut text, *kind);
    }
    text.push_str(
        "\n## Events\n\n| reason | type | what happened | what to do |\n| --- | --- | --- | --- |\n",
    );
    for event in EventReason::ALL {
        row(&mut text, &[event.as_str(), event.severity().as_str(), event.meaning(), event.next()]);
    }
    text.push_str("\n## Metrics\n\n| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n");
    for metric in Metric::ALL {
        let name = format!("`{}`", metric.name());
        let labels = metric.labels().join(", ");
        row(&mut text, &[&name, metric.metric_type().as_str(), &labels, metric.help()]);
    }
    text.push_str("\n| label | what it says |\n| --- | --- |\n");
    for (label, meaning) in LABELS {
        row(&mut text, &[label, meaning]);
    }
    text
}

fn condition(text: &mut String, kind: ConditionType) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\n### {}\n\n{}\n", kind.as_str(), kind.meaning());
    text.push_str(
        "\n| reason | status | what it means | cause | what to do |\n| --- | --- | --- | --- | --- |\n",
    );
    for Entry { reason, meaning, explanation } in kind.reasons() {
        let status = explanation.status.as_str();
        row(text, &[reason, status, meaning, explanation.cause, explanation.remedy]);
    }
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
        for kind in ConditionType::ALL {
            assert_eq!(text.matches(&format!("### {}\n", kind.as_str())).count(), 1, "{kind:?}");
            for entry in kind.reasons() {
                let cell = format!(
                    "| {} | {} | {} |",
                    entry.reason,
                    entry.explanation.status.as_str(),
                    entry.meaning
                );
                assert_eq!(text.matches(&cell).count(), 1, "{kind:?} {}", entry.reason);
            }
        }
        for event in EventReason::ALL {
            assert_eq!(text.matches(&format!("| {} |", event.as_str())).count(), 1, "{event:?}");
        }
        for metric in Metric::ALL {
            assert_eq!(text.matches(&format!("`{}`", metric.name())).count(), 1, "{metric:?}");
        }
    }
}

//! What is tried.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_api::resource::ROLE_BINDINGS;
use muster_engine::Target;
use muster_engine::item::Item;
use muster_engine::ledger::{Ledger, Of, Phase, Place, WorkPart};
use muster_engine::mark::Maker;
use muster_engine::work::Options;
use serde_json::json;

use super::TRIAL;

/// A ledger in which every field is set that there is in this phase.
pub(super) fn full(phase: Phase) -> Ledger {
    let text = |text: &str| text.to_owned();
    let target = Target { resource: ROLE_BINDINGS, namespace: Some(text(TRIAL)), name: text(TRIAL) };
    let subject = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TRIAL});
    let mut item = Item::new(target.clone()).with("subjects", json!([subject])).with(
        "roleRef",
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}),
    );
    item.labels.insert(text(TRIAL), text(TRIAL));
    item.annotations.insert(text(TRIAL), text(TRIAL));
    let of_work = Options { suspend: true, ..Options::default() };
    let own = Options { allow_deletion: true, ..Options::default() };
    let part = WorkPart {
        namespace: text(TRIAL),
        options: Arc::new(of_work),
        places: [(target.clone(), Place { ordinal: 0, options: Arc::new(own) })].into(),
        left: BTreeMap::new(),
        departure: (phase == Phase::Leaving).then(|| TRIAL.into()),
    };
    Ledger {
        of: Of::Work(Box::new(part)),
        maker: Maker { name: text(TRIAL), uid: text(TRIAL) },
        generation: 1,
        era: 1,
        resource_version: text("1"),
        directory: text(TRIAL),
        replica: text(TRIAL),
        nonce: text(TRIAL),
        phase,
        items: vec![Arc::new(item)],
        resources: [target].into(),
        applied: None,
    }
}

//! `approve` and `deny`: whether a cluster comes in.

use muster_api::marks;
use muster_api::resource::CLUSTERS;
use serde_json::json;

use crate::api::Call;
use crate::args::{NamedWriting, Target};
use crate::connect::connect;
use crate::failure::Failure;
use crate::fleet;
use crate::kubectl::Kubectl;
use crate::output::note;

/// What is said to a cluster that wants to come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Approve,
    Deny,
}

impl Answer {
    /// The value of the annotation, which is what became of the cluster, too.
    fn value(self) -> &'static str {
        match self {
            Self::Approve => marks::APPROVAL_APPROVED,
            Self::Deny => marks::APPROVAL_DENIED,
        }
    }
}

pub(super) async fn run(target: &Target, flags: &NamedWriting, answer: Answer) -> Result<(), Failure> {
    let connection = connect(target, flags.writing.dry_run).await?;
    let (api, name) = (&connection.api, flags.name.as_str());
    fleet::entry(api, name).await?;
    let change = json!({"metadata": {"annotations": {marks::APPROVAL: answer.value()}}});
    let call = Call::new("patch", &CLUSTERS, None, Some(name));
    let entry = api.patch(&CLUSTERS, None, name, &change).await.map_err(|error| api.failure(call, error))?;
    note(&format!("cluster.multicluster.coreos.com/{name} {}", api.became(answer.value())));
    if !api.is_rehearsal() {
        note(&match answer {
            Answer::Approve => format!(
                "the directory's controller gives its account the rights. Where its credential has ended meanwhile: {}",
                api.kubectl().muster(&format!("token {name}"))
            ),
            Answer::Deny => format!(
                "the directory's controller deletes its account, and with it all its tokens end; the cluster keeps what it \
                 has. To take it off the list: {}",
                api.kubectl().muster(&format!("unregister {name}"))
            ),
        });
    }
    super::written(flags.writing, &entry)
}

pub(super) fn explain(kubectl: &Kubectl, flags: &NamedWriting, answer: Answer) -> String {
    let annotation = format!("{}={}", marks::APPROVAL, answer.value());
    format!("{}\n", kubectl.run(&format!("annotate mcl {} --overwrite {annotation}", flags.name)))
}

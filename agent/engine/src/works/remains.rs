//! What people are told of what is to go and is still there: which object waits, and for what.

use muster_api::resource::NAMESPACES;

use super::Works;
use super::brief::Brief;
use super::bundle::Bundle;
use crate::ledger::Phase;
use crate::protected;
use crate::target::Target;
use crate::work::Deletion;

/// How somebody says what is to become of what Muster does not delete by itself.
const WORD: &str = "to have it deleted, set multicluster.coreos.com/allow-deletion to \"true\"; to keep it, set multicluster.coreos.com/deletion to orphan";

impl Works {
    /// What is still there of a Work that goes, and why.
    pub(super) fn remaining(&self, bundle: &Bundle, brief: &Brief) -> String {
        if bundle.is_suspended() {
            let left = brief.targets().count();
            return format!(
                "{left} objects stay while the Work is suspended, or only planned: remove that annotation"
            );
        }
        if let Some(held) = self.held(bundle, brief) {
            return held;
        }
        if let Some(doubt) = &bundle.doubt {
            return format!("everything stays: {doubt}");
        }
        let left = brief.targets().filter(|target| !self.is_gone(bundle, brief, target)).count();
        let why = self.obstacle(bundle, brief).or_else(|| self.awaits_others(bundle, brief));
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{left} objects are still there{why}")
    }

    /// Why something that a Work does not ask for any more is still there, where that does not pass within moments.
    pub(super) fn left_behind(&self, bundle: &Bundle, brief: &Brief) -> Option<String> {
        if brief.phase != Phase::Applying || brief.left.is_empty() || bundle.is_suspended() {
            return None;
        }
        let doubt = || {
            let doubt = bundle.doubt.as_ref()?;
            let target = brief.left.keys().find(|target| !self.is_gone(bundle, brief, target))?;
            Some(format!("{target} stays: {doubt}"))
        };
        let held = self.held(bundle, brief).or_else(doubt).or_else(|| self.obstacle(bundle, brief));
        held.or_else(|| self.awaits_others(bundle, brief))
    }

    /// Which object stays since another Work asks for it, or may.
    fn awaits_others(&self, bundle: &Bundle, brief: &Brief) -> Option<String> {
        let beside = self.beside(bundle);
        let left = brief.left.keys().filter(|target| !self.is_gone(bundle, brief, target));
        let wanted = |target: &&Target| self.is_claimed(brief, target) || beside.asks_for(target);
        if let Some(claimed) = left.into_iter().find(wanted) {
            return Some(format!("{claimed} is wanted by another Work, which has not taken it over"));
        }
        let mut left = brief.left.keys().filter(|target| !self.is_gone(bundle, brief, target));
        let (target, work) = left.find_map(|target| Some((target, beside.may_ask_for(target)?)))?;
        Some(format!(
            "{target} stays: Work {work} names it, and cannot be followed there: see its status, and mend it"
        ))
    }

    /// What of an object that goes only by somebody's word is said.
    pub(super) fn held(&self, bundle: &Bundle, brief: &Brief) -> Option<String> {
        if let Some(held) = self.hold_told(&bundle.work.uid) {
            return Some(held);
        }
        let (target, earlier) = brief.left.iter().find_map(|(target, options)| {
            let observed = self.slots.get(target)?.observed.as_ref()?;
            let maker = observed.mark.as_ref()?.maker.as_ref()?;
            let earlier = maker.uid != brief.work.uid;
            let protected = earlier || protected::is_protected(&target.resource);
            let waits = protected && !options.allow_deletion && options.deletion == Deletion::Delete;
            (waits && !observed.deleting && !self.is_gone(bundle, brief, target)).then_some((target, earlier))
        })?;
        Some(if earlier {
            format!("{target} was made for an earlier Work of this name, and nobody saw that one go: {WORD}")
        } else {
            format!("{target} is of a protected kind: {WORD}")
        })
    }

    /// What one of the objects that are to go waits for.
    fn obstacle(&self, bundle: &Bundle, brief: &Brief) -> Option<String> {
        let waits = |target: &Target| {
            let slot = self.slots.get(target).filter(|_| !self.is_gone(bundle, brief, target))?;
            match &slot.observed {
                Some(observed) if observed.deleting && !observed.finalizers.is_empty() => {
                    let finalizers = observed.finalizers.join(", ");
                    Some(format!("{target} is being deleted, and waits for its finalizers {finalizers}"))
                }
                Some(observed) if observed.deleting && target.resource == NAMESPACES => {
                    Some(format!("{target} is being deleted: what is in it goes first"))
                }
                Some(observed) if observed.deleting => None,
                _ if slot.clearing.failures() > 0 => {
                    let (_, message) = slot.failure.as_ref()?;
                    Some(format!("{target}: {message}"))
                }
                _ => None,
            }
        };
        brief.left.keys().find_map(waits)
    }
}

//! What a Work asks for, with the kinds that the replica serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_api::Resource;

use super::brief::{Brief, Wanted};
use super::bundle::{Bundle, Demand, Flawed, Why};
use super::catalog::{Catalog, Lookup};
use super::reserved::reserved;
use crate::item::Item;
use crate::ledger::{Home, Phase};
use crate::target::Target;
use crate::values;
use crate::work::order::{ItemRef, defined, duplicates};
use crate::work::{Gvk, Named, Work};

impl Bundle {
    /// Makes a demand of what the Work says, if that changed, or what is known of its kinds. None is made while nothing
    /// is known yet of one of them. The versions of API groups in which a kind was not found are kept.
    pub(super) fn compile(&mut self, catalog: &Catalog, home: &Home, own: &str, now: Duration) {
        let goes = self.seen.as_ref().is_some_and(|seen| seen.deleting);
        let Some(work) = self.source.as_ref().filter(|_| self.stale) else { return };
        self.unfound.clear();
        let definitions = definitions(work);
        let recorded: BTreeSet<&Resource> = self
            .keeper
            .latest()
            .iter()
            .flat_map(|brief| brief.targets())
            .map(|target| &target.resource)
            .collect();
        let (mut items, mut flaws, mut unasked) = (Vec::new(), Vec::new(), false);
        for slot in &work.manifests {
            let flawed = |why| Flawed { ordinal: slot.ordinal, named: slot.named.clone(), why };
            let manifest = match &slot.manifest {
                Ok(manifest) => match reserved(manifest, own) {
                    Some(why) => {
                        flaws.push(flawed(Why::Unsupported(why)));
                        continue;
                    }
                    None => manifest,
                },
                Err(flaw) => {
                    flaws.push(flawed(Why::Flaw(flaw.clone())));
                    continue;
                }
            };
            let Gvk { group, version, kind } = &manifest.gvk;
            let own = definitions.iter().find(|resource| {
                resource.group == *group && resource.version == *version && resource.kind == *kind
            });
            let lookup = catalog.find(group, version, kind, now);
            // What is recorded already stays so, though its kind is not served now.
            let own = own.or_else(|| {
                let alike = |resource: &&Resource| {
                    resource.group == *group && resource.version == *version && resource.kind == *kind
                };
                recorded.iter().copied().find(alike).filter(|_| lookup != Lookup::Unasked)
            });
            let found = match (lookup, own) {
                (Lookup::Found(resource), _) => Ok(resource),
                (_, Some(resource)) => Ok(resource.clone()),
                (Lookup::Unasked, None) => {
                    unasked = true;
                    Err(Why::UnknownKind)
                }
                (Lookup::Unknown, None) => Err(Why::UnknownKind),
                (Lookup::Failed(_, message), None) => Err(Why::Undiscovered(message)),
            };
            let found = match found {
                Ok(found) => found,
                Err(why) => {
                    flaws.push(flawed(why));
                    self.unfound.insert((group.clone(), version.clone()));
                    continue;
                }
            };
            match manifest.resolve(&found) {
                Ok(item) => items.push((slot.ordinal, Arc::clone(&manifest.options), item)),
                Err(flaw) => flaws.push(flawed(Why::Flaw(flaw))),
            }
        }
        if unasked || !self.safe.seal(items.iter_mut().map(|(_, _, item)| item), goes) {
            return;
        }
        self.stale = false;
        refuse_duplicates(&mut items, &mut flaws);
        items.sort_by(|(_, _, one), (_, _, other)| one.target.cmp(&other.target));
        let wanted = items.iter().map(|(ordinal, options, item)| Wanted::new(item, *ordinal, options));
        let brief = Brief {
            work: work.maker.clone(),
            namespace: work.namespace.clone(),
            generation: work.generation,
            era: home.era.number,
            resource_version: work.resource_version.clone(),
            directory: home.directory.clone(),
            replica: home.replica.clone(),
            nonce: home.nonce.clone(),
            phase: Phase::Applying,
            departure: None,
            options: Arc::clone(&work.options),
            wanted: wanted.collect(),
            references: items.iter().flat_map(|(_, _, item)| values::references(item)).collect(),
            left: BTreeMap::new(),
            applied: None,
        };
        let items = items.into_iter().map(|(_, _, item)| Arc::new(item)).collect();
        self.demand = Some(Demand { brief: Arc::new(brief), items });
        self.flaws = flaws;
        // Where a kind is waited for, it is looked through again when there is one.
        if self.unfound.is_empty() {
            self.source = None;
        }
    }
}

/// The resources that the Work's own definitions bring.
fn definitions(work: &Work) -> Vec<Resource> {
    let manifests = work.manifests.iter().filter_map(|slot| slot.manifest.as_ref().ok());
    manifests.filter_map(|manifest| defined(manifest.into())).flatten().collect()
}

type Piece = (usize, Arc<crate::work::Options>, Item);

/// What names an object that an earlier manifest names already is not applied.
fn refuse_duplicates(items: &mut Vec<Piece>, flaws: &mut Vec<Flawed>) {
    let refs: Vec<(usize, ItemRef<'_>)> =
        items.iter().map(|(ordinal, _, item)| (*ordinal, ItemRef::from(item))).collect();
    let mut twice = duplicates(refs).into_iter();
    items.retain(|(ordinal, _, item)| match twice.next().flatten() {
        None => true,
        Some(flaw) => {
            let Target { resource, namespace, name } = &item.target;
            let named = Named {
                group: resource.group.to_string(),
                version: resource.version.to_string(),
                kind: resource.kind.to_string(),
                namespace: namespace.clone().unwrap_or_default(),
                name: name.clone(),
            };
            flaws.push(Flawed { ordinal: *ordinal, named, why: Why::Flaw(flaw) });
            false
        }
    });
}

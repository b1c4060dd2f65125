//! What a ledger of a Work records, without the bodies of its manifests: those are in the replica, and are read from
//! there when they are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::era::Recorded;
use crate::fields::Path;
use crate::item::Item;
use crate::keeper::Record;
use crate::ledger::{Applied, Ledger, Of, Phase, Place, WorkPart};
use crate::mark::Maker;
use crate::target::Target;
use crate::values::{self, Digest};
use crate::work::Options;

/// What a ledger of a Work records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The Work.
    pub work: Maker,
    /// Its namespace in the directory.
    pub namespace: String,
    /// Its generation that this records.
    pub generation: i64,
    /// The number of the era of the directory in which that was recorded.
    pub era: u32,
    /// Its resourceVersion at that time.
    pub resource_version: String,
    /// `kube-system` UID of the directory.
    pub directory: String,
    /// `kube-system` UID of the replica.
    pub replica: String,
    /// The nonce in the marks of the objects.
    pub nonce: String,
    /// Whether the objects are wanted.
    pub phase: Phase,
    /// The options of the Work.
    pub options: Arc<Options>,
    /// What is to be there, in the order of targets. Empty once it is to go.
    pub wanted: Vec<Wanted>,
    /// The digests of the values that what is wanted refers to.
    pub references: BTreeSet<Digest>,
    /// What may be there beside that, with the options that hold for it.
    pub left: BTreeMap<Target, Arc<Options>>,
    /// The UID of the replica's own entry with which it ends, where it is [`Phase::Leaving`].
    pub departure: Option<Arc<str>>,
    /// What is there; `None` where it was never written, or was lost.
    pub applied: Option<BTreeMap<Target, Applied>>,
}

/// One object that is to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub target: Target,
    /// Digest of what is asked for.
    pub digest: String,
    /// Place of its manifest in the Work's list, from 0.
    pub ordinal: usize,
    /// The options that hold for it.
    pub options: Arc<Options>,
    /// The fields that are left to others, as they lie in its manifest.
    pub ignored: Box<[Path]>,
}

// === impl Wanted ===

impl Wanted {
    /// One object that is to be there, from its manifest.
    #[must_use]
    pub fn new(item: &Item, ordinal: usize, options: &Arc<Options>) -> Self {
        let ignored = match options.ignored() {
            paths if paths.is_empty() => Box::default(),
            paths => {
                let manifest = item.value();
                paths.iter().map(|path| path.locate(&manifest)).collect()
            }
        };
        let (target, digest, options) = (item.target.clone(), item.digest(), Arc::clone(options));
        Self { target, digest, ordinal, options, ignored }
    }
}

// === impl Brief ===

impl Brief {
    /// What a ledger records, if it is a Work's.
    #[must_use]
    pub fn of(ledger: &Ledger) -> Option<Self> {
        let Of::Work(part) = &ledger.of else { return None };
        let WorkPart { namespace, options, places, left, departure } = part.as_ref();
        let wanted = ledger.items.iter().filter_map(|item| {
            let Place { ordinal, options } = places.get(&item.target)?;
            Some(Wanted::new(item, *ordinal, options))
        });
        let mut wanted: Vec<Wanted> = wanted.collect();
        wanted.shrink_to_fit();
        Some(Self {
            work: ledger.maker.clone(),
            namespace: namespace.clone(),
            generation: ledger.generation,
            era: ledger.era,
            resource_version: ledger.resource_version.clone(),
            directory: ledger.directory.clone(),
            replica: ledger.replica.clone(),
            nonce: ledger.nonce.clone(),
            phase: ledger.phase,
            options: Arc::clone(options),
            wanted,
            references: ledger.items.iter().flat_map(|item| values::references(item)).collect(),
            left: left.clone(),
            departure: departure.clone(),
            applied: ledger.applied.clone(),
        })
    }

    /// The ledger that records this. `items` are the bodies of what is wanted, in the same order.
    #[must_use]
    pub fn ledger(&self, items: Vec<Arc<Item>>) -> Ledger {
        let places = self.wanted.iter().map(|wanted| {
            let place = Place { ordinal: wanted.ordinal, options: Arc::clone(&wanted.options) };
            (wanted.target.clone(), place)
        });
        let part = WorkPart {
            namespace: self.namespace.clone(),
            options: Arc::clone(&self.options),
            places: places.collect(),
            left: self.left.clone(),
            departure: self.departure.clone(),
        };
        Ledger {
            of: Of::Work(Box::new(part)),
            maker: self.work.clone(),
            generation: self.generation,
            era: self.era,
            resource_version: self.resource_version.clone(),
            directory: self.directory.clone(),
            replica: self.replica.clone(),
            nonce: self.nonce.clone(),
            phase: self.phase,
            resources: self.targets().cloned().collect(),
            items,
            applied: self.applied.clone(),
        }
    }

    /// What of the Work it records.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        Recorded { era: self.era, generation: self.generation }
    }

    /// All that may be there.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.wanted.iter().map(|wanted| &wanted.target).chain(self.left.keys())
    }

    /// What is asked for of an object, if it is to be there.
    #[must_use]
    pub fn wants(&self, target: &Target) -> Option<&Wanted> {
        let place = self.wanted.binary_search_by(|wanted| wanted.target.cmp(target)).ok()?;
        self.wanted.get(place)
    }

    /// What is asked for of an object, in whatever version of its API.
    #[must_use]
    pub fn wants_object(&self, target: &Target) -> Option<&Wanted> {
        self.wants(target).or_else(|| self.wanted.iter().find(|wanted| wanted.target.is_same_object(target)))
    }

    /// Whether the objects are to be the same, with the same options, whatever their order and the generation that asks
    /// for them. What is the same is not recorded anew.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let same = |(one, two): (&Wanted, &Wanted)| {
            (&one.target, &one.digest, &one.options) == (&two.target, &two.digest, &two.options)
        };
        (&self.work, &self.directory, &self.replica, &self.nonce)
            == (&other.work, &other.directory, &other.replica, &other.nonce)
            && (self.phase, &self.departure, &self.options) == (other.phase, &other.departure, &other.options)
            && self.wanted.len() == other.wanted.len()
            && self.wanted.iter().zip(&other.wanted).all(same)
            && self.left == other.left
    }

    /// The same Work, where all that may be there is to go.
    #[must_use]
    pub fn ending(&self) -> Self {
        let wanted = self.wanted.iter().map(|wanted| (wanted.target.clone(), Arc::clone(&wanted.options)));
        let left = self.left.iter().map(|(target, options)| (target.clone(), Arc::clone(options)));
        Self {
            phase: Phase::Deleting,
            left: left.chain(wanted).collect(),
            wanted: Vec::new(),
            references: BTreeSet::new(),
            departure: None,
            ..self.clone()
        }
    }

    /// The same, with the replica's own entry of this UID.
    #[must_use]
    pub fn leaving(&self, entry: &str) -> Self {
        Self { phase: Phase::Leaving, departure: Some(entry.into()), ..self.ending() }
    }

    /// The same Work, where nothing goes after all. What may be there is known still: it is wanted again once the Work can be
    /// followed.
    #[must_use]
    pub fn staying(&self) -> Self {
        Self { phase: Phase::Applying, departure: None, ..self.clone() }
    }

    /// Whether it is recorded that all of it goes with the own entry of this UID.
    #[must_use]
    pub fn leaves_with(&self, entry: &str) -> bool {
        self.phase == Phase::Leaving && self.departure.as_deref() == Some(entry)
    }
}

impl Record for Arc<Brief> {
    fn same(&self, other: &Self) -> bool {
        self.asks_the_same(other)
            && (self.generation, self.era, &self.resource_version)
                == (other.generation, other.era, &other.resource_version)
            && self.wanted == other.wanted
    }
}

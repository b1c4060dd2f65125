//! The mark that every object made for policies and Works bears, beside its label: for whom it was made, and by what the agent
//! knows it again. A copy of the object under another name bears a mark of another name, so it is nobody's.

use muster_api::marks;

use crate::item::{Item, short_digest};
use crate::target::Target;

/// Stands for a policy where an object may be wanted by several: it outlives each of them.
const SHARED: &str = "-";
/// Ends the mark of what was made for a Work.
const WORK: &str = "work";

/// The policy or the Work that an object was made for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Maker {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// What the annotation `multicluster.coreos.com/made-for` says: `NAME/UID/NONCE/PLACE/CONTENT`, and `/work` after it on
/// what was made for a Work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The policy or the Work; `None` for what several policies may share.
    pub maker: Option<Maker>,
    /// The nonce of the ledger.
    pub nonce: String,
    /// Digest of kind, namespace and name.
    place: String,
    /// Digest of what was asked for.
    content: String,
    /// Whether it was made for a Work.
    work: bool,
}

impl Mark {
    /// The mark of an item that policies ask for.
    #[must_use]
    pub fn of(item: &Item, maker: Option<Maker>, nonce: &str) -> Self {
        let (place, content) = (place(&item.target), item.digest());
        Self { maker, nonce: nonce.to_owned(), place, content, work: false }
    }

    /// The mark of an object that a Work asks for. `digest`: that of the item.
    #[must_use]
    pub fn of_work(target: &Target, work: Maker, nonce: &str, digest: &str) -> Self {
        let (place, content) = (place(target), digest.to_owned());
        Self { maker: Some(work), nonce: nonce.to_owned(), place, content, work: true }
    }

    /// Whether a mark with this nonce reads back. One that somebody wrote into a ledger may not.
    #[must_use]
    pub fn bears(nonce: &str) -> bool {
        !nonce.is_empty() && !nonce.contains('/')
    }

    /// Whether it was made for a Work, and not for policies.
    #[must_use]
    pub fn is_of_work(&self) -> bool {
        self.work
    }

    /// The annotation's value.
    #[must_use]
    pub fn text(&self) -> String {
        let (name, uid) =
            self.maker.as_ref().map_or((SHARED, SHARED), |maker| (maker.name.as_str(), maker.uid.as_str()));
        let end = if self.work { format!("/{WORK}") } else { String::new() };
        format!("{name}/{uid}/{}/{}/{}{end}", self.nonce, self.place, self.content)
    }

    /// Reads the annotation of an object. `None`: there is none, or it was made for another object.
    #[must_use]
    pub fn read(object: &muster_api::Meta, target: &Target) -> Option<Self> {
        let text = object.annotations.get(marks::MADE_FOR)?;
        let mut parts = text.split('/').map(str::to_owned);
        let (name, uid) = (parts.next()?, parts.next()?);
        let (nonce, found, content) = (parts.next()?, parts.next()?, parts.next()?);
        let end = parts.next();
        let work = end.is_some();
        if end.is_some_and(|end| end != WORK) || parts.next().is_some() || found != place(target) {
            return None;
        }
        let maker = (name != SHARED).then_some(Maker { name, uid });
        Some(Self { maker, nonce, place: found, content, work })
    }
}

fn place(target: &Target) -> String {
    let Target { resource, namespace, name } = target;
    let text = format!("{}/{}/{name}", resource.full_name(), namespace.as_deref().unwrap_or_default());
    short_digest(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use muster_api::Meta;
    use muster_api::resource::CLUSTERS;

    use super::*;

    fn target(name: &str) -> Target {
        Target { resource: CLUSTERS, namespace: None, name: name.into() }
    }

    fn meta(text: String) -> Meta {
        Meta { annotations: [(marks::MADE_FOR.to_owned(), text)].into(), ..Meta::default() }
    }

    #[test]
    fn a_mark_reads_back_and_a_copy_of_the_object_bears_none() {
        let maker = Maker { name: "web-api".into(), uid: "u".into() };
        let of = |maker| Mark::of(&Item::new(target("a")), maker, "n");
        let of_work = Mark::of_work(&target("a"), maker.clone(), "n", "digest");
        assert_ne!(of(Some(maker.clone())), of_work);
        for mark in [of(Some(maker)), of(None), of_work] {
            assert_eq!(Mark::read(&meta(mark.text()), &target("a")), Some(mark.clone()));
            assert_eq!(Mark::read(&meta(mark.text()), &target("b")), None, "a copy under another name");
        }
        assert!(Mark::bears("n") && !Mark::bears("") && !Mark::bears("n/n"));
        for bad in ["", "a", "-/-/n", "a/b/c/d/e/f", "a/b/c/d/e/work/work"] {
            assert_eq!(Mark::read(&meta(bad.into()), &target("a")), None, "{bad}");
        }
    }
}

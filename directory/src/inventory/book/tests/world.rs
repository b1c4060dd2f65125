//! The inventory in memory: a server that does what plans ask for, and tells of it as watches do.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::*;
use super::ID;
use crate::testing::{merge, object};

pub(super) struct World {
    pub(super) book: Book,
    pub(super) profiles: BTreeMap<String, Value>,
    pub(super) mono: Duration,
    pub(super) version: u64,
    pub(super) written: Vec<String>,
    pub(super) fails: bool,
    /// When the definition of entries was made.
    pub(super) defined: Timestamp,
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            book: Book::new("inventory"),
            profiles: BTreeMap::new(),
            mono: Duration::from_secs(1000),
            version: 1,
            written: Vec::new(),
            fails: false,
            defined: Timestamp::from_second(1_700_000_000).unwrap(),
        };
        world.restart(&[]);
        world
    }

    /// Another controller begins, and lists what there is.
    pub(super) fn restart(&mut self, entries: &[Value]) {
        self.book = Book::new("inventory");
        let profiles: Vec<_> = self.profiles.values().cloned().collect();
        for (source, objects) in
            [(Source::Entries, entries), (Source::Reports, &[][..]), (Source::Profiles, &profiles[..])]
        {
            self.book.see(source, Change::ListBegan);
            for listed in objects {
                self.book.see(source, Change::Listed(object(listed)));
            }
            self.book.see(source, Change::ListComplete);
        }
        self.settle();
    }

    pub(super) fn now(&self) -> Now {
        let wall = Timestamp::from_second(1_800_000_000).unwrap();
        Now { mono: self.mono, wall: wall + SignedDuration::try_from(self.mono).unwrap() }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.mono += Duration::from_secs(1);
            self.settle();
        }
    }

    pub(super) fn entry(&mut self, name: &str, uid: &str, ready: &str) -> Value {
        self.version += 1;
        let at = "2026-11-22T00:00:00Z";
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": at});
        let (status, reason) = match ready {
            "True" => ("True", "Reporting"),
            "False" => ("False", "ReplicaUnreachable"),
            "Left" => ("False", "Left"),
            _ => ("Unknown", "HeartbeatLost"),
        };
        json!({
            "metadata": {
                "name": name, "uid": uid, "resourceVersion": self.version.to_string(),
                "creationTimestamp": self.now().wall.to_string(),
            },
            "status": {
                "id": ID, "version": "v1.36.3",
                "conditions": [condition("Enrolled", "True", "Enrolled"), condition("Ready", status, reason)],
            },
        })
    }

    /// An entry is made or changes.
    pub(super) fn enter(&mut self, name: &str, ready: &str) -> Value {
        let entry = self.entry(name, "e1", ready);
        self.put(&entry)
    }

    pub(super) fn put(&mut self, entry: &Value) -> Value {
        self.book.see(Source::Entries, Change::Applied(object(entry)));
        self.settle();
        entry.clone()
    }

    pub(super) fn leave(&mut self, entry: &Value) {
        self.book.see(Source::Entries, Change::Gone(object(entry)));
        self.settle();
    }

    pub(super) fn report(&mut self, name: &str, id: &str, properties: &Value) {
        self.version += 1;
        let report = json!({
            "metadata": {
                "name": name, "namespace": format!("muster-cluster-{name}"), "uid": "r",
                "resourceVersion": self.version.to_string(),
            },
            "status": {"replica": {"id": id, "properties": properties}},
        });
        self.book.see(Source::Reports, Change::Applied(object(&report)));
        self.settle();
    }

    /// Somebody changes a profile, or makes one.
    pub(super) fn change(&mut self, name: &str, patch: &Value) {
        self.version += 1;
        let mut profile = self.profiles.remove(name).unwrap_or_else(|| json!({"metadata": {"name": name}}));
        merge(&mut profile, patch);
        merge(&mut profile, &json!({"metadata": {"resourceVersion": self.version.to_string()}}));
        if profile["metadata"]["uid"].is_null() {
            profile["metadata"]["uid"] = format!("p{}", self.version).into();
            profile["metadata"]["creationTimestamp"] = self.now().wall.to_string().into();
        }
        self.book.see(Source::Profiles, Change::Applied(object(&profile)));
        self.profiles.insert(name.to_owned(), profile);
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..20 {
            let plans = self.book.decide(self.now());
            if plans.is_empty() {
                return;
            }
            for Plan { name, step } in plans {
                let outcome = self.carry_out(&name, step);
                self.book.done(&name, outcome, self.mono);
            }
        }
        panic!("it does not settle: {:?}", self.written);
    }

    pub(super) fn carry_out(&mut self, name: &str, step: Step) -> Outcome {
        let (word, patch) = match step {
            Step::Make(body) => ("make", body),
            Step::Mend(body) => ("mend", body),
            Step::Tell { status, .. } => ("tell", json!({ "status": *status })),
            Step::Remove { made, .. } if made.unwrap() < self.defined => return Outcome::Doubtful,
            Step::Remove { uid, .. } => {
                self.written.push(format!("remove {name}"));
                let gone = self.profiles.remove(name).unwrap();
                assert_eq!(gone["metadata"]["uid"], uid);
                self.book.see(Source::Profiles, Change::Gone(object(&gone)));
                return Outcome::Gone;
            }
        };
        self.written.push(format!("{word} {name}"));
        if self.fails {
            return Outcome::Failed;
        }
        self.change(name, &patch);
        Outcome::Written(Box::new(object(&self.profiles[name])))
    }

    pub(super) fn written(&mut self) -> Vec<String> {
        std::mem::take(&mut self.written)
    }

    pub(super) fn condition(&self, name: &str, kind: &str) -> (String, String) {
        let conditions = self.profiles[name]["status"]["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["type"] == kind).unwrap();
        let text = |field: &str| found[field].as_str().unwrap().to_owned();
        (text("status"), text("reason"))
    }

    pub(super) fn told(&mut self) -> Vec<EventReason> {
        self.book.notices().into_iter().map(|notice| notice.reason).collect()
    }
}

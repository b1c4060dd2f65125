//! Any answer to a watch or a list: each line is an event, or an error that repeats nothing of it; and whatever the objects
//! are, the engine takes them, and what people are told of it stays bounded and has no value of a Secret.
//!
//! An input has parts. A line `# WATCH`, `# WATCH from VERSION` or `# WATCH page` says which watch the lines after it are the
//! answer to: of the directory `own-entry`, `entries`, `policies`, `works`; of the replica `copies`, `report`, `definitions`,
//! `ledgers`, `namespaces`, `policy-copies`, or the plural of another kind of which Works make objects.

use std::sync::OnceLock;

use muster_agent::ledgers::watched::Mapping;
use muster_agent::metrics::Metrics;
use muster_agent::watches::change;
use muster_api::resource::{APPLIED_WORKS, CLUSTERS, CRDS, NAMESPACES, POLICIES, REPORTS, WORKS};
use muster_engine::Kind;
use muster_engine::event::{DirectoryWatch, Event, ReplicaWatch};
use muster_kit::client::{CallError, Client, ClientOptions, Form};
use muster_kit::testing::Authority;
use muster_kit::watch::{Target, WatchEvent, replay};
use muster_kit::{Credential, Endpoint};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::planted;
use crate::said::message;
use crate::world::{World, resource};

/// Most bytes of an error: an Event takes 1,024, and says it is cut.
const LONGEST: usize = 4_096;
/// Most bytes of a line here.
const LINE: usize = 16 * 1024;

/// Which watch an answer is to.
#[derive(Clone)]
enum Watch {
    Directory(DirectoryWatch),
    Replica(ReplicaWatch),
    Ledgers,
    Objects,
}

/// The watch of a name, and what it is after.
fn watch(name: &str) -> Option<(Watch, Target)> {
    use DirectoryWatch::{Entries, OwnEntry, Policies, Works};
    use ReplicaWatch::{Applied, Copies, Definitions, Report};
    let of = |watch, resource| (watch, resource, None, Form::Whole);
    let (watch, resource, namespace, form) = match name {
        "own-entry" => of(Watch::Directory(OwnEntry), CLUSTERS),
        "entries" => of(Watch::Directory(Entries), CLUSTERS),
        "policies" => of(Watch::Directory(Policies), POLICIES),
        "works" => (Watch::Directory(Works), WORKS, Some("x"), Form::Whole),
        "copies" => of(Watch::Replica(Copies), CLUSTERS),
        "report" => (Watch::Replica(Report), REPORTS, Some("agent-system"), Form::Whole),
        "definitions" => (Watch::Replica(Definitions), CRDS, None, Form::Metadata),
        "ledgers" => of(Watch::Ledgers, APPLIED_WORKS),
        "namespaces" => of(Watch::Replica(Applied(Kind::Namespace)), NAMESPACES),
        "policy-copies" => of(Watch::Replica(Applied(Kind::Copy)), POLICIES),
        plural => of(Watch::Objects, resource(plural)?),
    };
    let namespace = namespace.map(str::to_owned);
    Some((watch, Target { resource, namespace, labels: None, fields: None, form }))
}

/// A client that is never used to call anybody: what it says of errors is what counts.
fn surroundings() -> &'static (Runtime, Client) {
    static ONCE: OnceLock<(Runtime, Client)> = OnceLock::new();
    ONCE.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let inside = runtime.enter();
        let server = "https://127.0.0.1:1".parse().expect("an address");
        let endpoint = Endpoint::new(server, vec![Authority::new().der()], None, Credential::None);
        let client = Client::new(&endpoint.expect("an endpoint"), ClientOptions::default());
        let client = client.expect("a client");
        drop(inside);
        (runtime, client)
    })
}

/// See the module.
#[must_use]
pub fn holds(bytes: &[u8]) -> bool {
    if planted::is_in(&String::from_utf8_lossy(bytes)) {
        return false;
    }
    let mut world = World::new();
    let mut mapping = Mapping::new(Metrics::new().expect("metrics"));
    let mut found = false;
    for part in parts(bytes) {
        let Some((head, body)) = part else { continue };
        let mut words = head.split_ascii_whitespace();
        let Some((watch, target)) = words.next().and_then(watch) else { continue };
        found = true;
        let events = match words.next() {
            Some("page") => page(&target, body),
            Some("from") => stream(&target, Some(words.next().unwrap_or("1")), body),
            _ => stream(&target, None, body),
        };
        for event in events {
            planted::is_not_told(&format!("{event:?}"));
            if let WatchEvent::Failed(error) = &event {
                message(&error.to_string(), LONGEST);
            }
            match &watch {
                Watch::Directory(watch) => world.directory(*watch, change(event, CallError::to_string)),
                Watch::Replica(watch) => {
                    world.tell(Event::Replica { watch: *watch, change: change(event, CallError::to_string) });
                }
                Watch::Ledgers => {
                    mapping.map(event).map(Event::Ledgers).into_iter().for_each(|event| world.tell(event));
                }
                Watch::Objects => {
                    let change = change(event, CallError::to_string);
                    world.tell(Event::Objects { resource: target.resource.clone(), namespace: None, change });
                }
            }
        }
        world.look();
    }
    found
}

/// The parts of an input: the head of each, without its `#`, and its body.
fn parts(bytes: &[u8]) -> impl Iterator<Item = Option<(&str, &[u8])>> {
    let parts = bytes.split(|byte| *byte == b'#').skip(1);
    parts.map(|part| {
        let end = part.iter().position(|byte| *byte == b'\n')?;
        let (head, body) = part.split_at_checked(end)?;
        Some((std::str::from_utf8(head).ok()?, body.get(1..)?))
    })
}

fn stream(target: &Target, from: Option<&str>, body: &[u8]) -> Vec<WatchEvent> {
    let lines = body.split_inclusive(|byte| *byte == b'\n').flat_map(planted_in).collect();
    let (runtime, client) = surroundings();
    runtime.block_on(replay::stream(client, target, from, lines, LINE))
}

fn page(target: &Target, body: &[u8]) -> Vec<WatchEvent> {
    let body = planted_in(body);
    let Ok(text) = std::str::from_utf8(&body) else { return Vec::new() };
    match replay::page(target, text) {
        Ok(page) => {
            let resource_version = page.resource_version;
            let listed = page.items.into_iter().map(WatchEvent::Listed);
            let all = std::iter::once(WatchEvent::Init).chain(listed);
            all.chain([WatchEvent::Complete { resource_version }]).collect()
        }
        Err(error) => vec![WatchEvent::Failed(error)],
    }
}

/// A line with the value in its Secrets; as it is where it has none.
fn planted_in(line: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(line) else { return line.to_vec() };
    if planted::plant(&mut value) == 0 {
        return line.to_vec();
    }
    let mut text = value.to_string();
    text.push('\n');
    text.into_bytes()
}

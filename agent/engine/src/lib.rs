//! The decisions of the agent, and nothing else: no client, no clock, no task.
//!
//! ```text
//!  directory ─▶ Event ┐                                   ┌▶ Plan ─▶ (the agent carries it out)
//!  replica   ─▶ Event ├─▶ Engine::on(event, now) ─────────┤            │
//!  outcomes  ─▶ Event ┘   one index, owned by one task    └▶ report    │
//!       ▲                                                              │
//!       └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! What comes in is an [`Event`]; what goes out is a list of [`Plan`]s, each a list of [`Step`]s for the agent to
//! carry out, whose outcome comes in as an event again. Any number of plans may be under way.
//!
//! Where to look:
//! - which copies of entries are written, and when: [`slot`], and for all names [`mirror`];
//! - what policies ask for: [`policy`] compiles one, [`policies`] makes it so by way of its [`ledger`];
//! - what a Work asks for: [`work`] reads one, manifest by manifest;
//! - who may delete, and on what evidence: [`evidence`]. A [`Step::Delete`] needs a [`Deletion`](evidence::Deletion), and
//!   only the evidence that the rules of that module make permits one;
//! - which directory is the right one: [`pin`];
//! - whether what was applied has become what was asked for: [`readiness`], and what more of it is reported:
//!   [`feedback`];
//! - what people are told: [`Engine::conditions`].

pub mod applyset;
mod bounded;
pub mod difference;
pub mod directory;
pub mod engine;
pub mod entry;
pub mod era;
pub mod event;
pub mod evidence;
mod excerpt;
pub mod failure;
pub mod feedback;
pub mod fields;
pub mod hold;
pub mod item;
pub mod keeper;
pub mod kind;
pub mod ledger;
mod lenient;
pub mod listing;
mod live;
mod managed;
pub mod mark;
pub mod memory;
pub mod mirror;
pub mod observed;
pub mod pace;
pub mod pin;
pub mod plan;
pub mod policies;
pub mod policy;
mod protected;
pub mod readiness;
pub mod refusal;
pub mod removals;
pub mod scope;
pub mod selector;
pub mod slot;
mod state;
pub mod target;
pub mod time;
pub mod values;
pub mod voice;
pub mod work;
pub mod work_status;
pub mod works;

pub use engine::Engine;
pub use event::{Change, Event, StepOutcome};
pub use failure::Failure;
pub use kind::Kind;
pub use memory::Memory;
pub use pin::Pin;
pub use plan::{Plan, PlanId, Source, Step};
pub use scope::Scope;
pub use target::Target;
pub use time::Now;

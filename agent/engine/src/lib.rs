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
//! - what is written, and when: [`slot`], and for all names [`mirror`];
//! - who may delete, and on what evidence: [`evidence`]. A [`Step::Delete`] needs a [`Deletion`](evidence::Deletion), that
//!   needs a [`Confirmed`], and only the rules of that module make one;
//! - which directory is the right one: [`pin`];
//! - what people are told: [`report`].

pub mod directory;
pub mod engine;
pub mod entry;
pub mod event;
pub mod evidence;
pub mod failure;
pub mod item;
pub mod listing;
pub mod mirror;
pub mod pin;
pub mod plan;
pub mod policy;
pub mod removals;
pub mod report;
pub mod scope;
pub mod selector;
pub mod slot;
mod state;
pub mod target;
pub mod time;

pub use engine::Engine;
pub use event::{Change, Event, StepOutcome};
pub use evidence::Confirmed;
pub use failure::Failure;
pub use pin::Pin;
pub use plan::{Plan, PlanId, Source, Step};
pub use scope::Scope;
pub use target::Target;
pub use time::Now;

//! The engine of the switch: route, match, time out, reverse, break.
//!
//! [`Switch`] is a state machine without a clock, a socket, a lock or chance. The world tells it
//! things ([`Input`]), it says what it wants ([`Output`]), and [`Record`]s are what it must not
//! forget. The same inputs at the same times give the same outputs, in every run.
//!
//! ```text
//!   Input ──► handle ──► poll_output ──► Persist(record) ──► store ──► Committed ──┐
//!     ▲                             └──► Send(after record) ──► link ◄─────────────┘
//!     └──────────── Received, Written, Unsent, LinkUp, LinkDown ◄──┘
//! ```
//!
//! What it does not do: read configuration (it is given a [`plan::Plan`]), know an encoding (it
//! sees messages), or keep history (the store does).

#![forbid(unsafe_code)]

mod admission;
mod answer;
mod breaker;
mod bridge;
mod bug;
mod contract;
mod durable;
mod engine;
pub mod enquiry;
mod event;
pub mod fact;
mod facts;
mod grant;
mod intent;
mod keys;
mod map;
mod pending;
pub mod plan;
pub mod record;
mod reversals;
mod route;
mod session;
pub mod time;

pub use breaker::Position;
#[cfg(feature = "planted-bugs")]
pub use bug::{Bug, plant, planted};
pub use contract::{
    Action, Closing, Command, Control, Input, Leg, Order, Output, Tag, Target, Unreadable, Unsent,
};
pub use engine::{GroupLook, HostLook, Nearest, Resume, Rrn, Seen, Switch, sign_on};
pub use event::{Carried, Dropped, Event, Kind, Named, Parking, Shedding};
pub use keys::Stored;
pub use plan::{BankId, ConnectionId, GroupId, LinkId, ParticipantId, Plan};
pub use record::{Record, RecordId, TxnId};
pub use route::{Route, Taken};
pub use session::State;
pub use time::{Now, Tick, Utc};

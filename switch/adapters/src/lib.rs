//! Third parties over HTTP: banks, card platforms, identity checks, billers, and those by whom
//! customers are told something.
//!
//! The engine asks ([`Ask`](veksel_core::enquiry::Ask)), an adapter finds out and says a
//! [`Verdict`](veksel_core::enquiry::Verdict). A provider is data (a profile), a pure transformer
//! between enquiries and what stands on its wire, a way to prove who we are, and quirks of single
//! banks. One executor makes every call: it obeys the deadline, retries only what is safe, breaks
//! the circuit, bounds what it reads and refuses addresses it should not call.
//!
//! What it does not do: decide, remember (tokens and connections apart), or read a card number.

#![forbid(unsafe_code)]

mod adapters;
mod berlin_group;
mod billers;
pub mod client;
mod code;
mod dates;
pub mod didit;
mod droppay;
mod email;
pub mod examine;
mod executor;
mod fcm;
mod files;
pub mod flight;
mod heartbeat;
mod hook;
mod iban;
mod keys;
mod mark;
pub mod money;
mod neonomics;
mod oauth;
pub mod oidc;
#[cfg(feature = "otlp")]
mod otlp;
pub mod providers;
mod random;
mod slack;
mod sms;
pub mod sumsub;

pub use adapters::{AdapterError, Adapters, Certificate};
pub use berlin_group::{Pushed, pushed};
pub use executor::audit::{AuditSink, CallEvent, Span, audit};
pub use executor::trace::Traces;
pub use executor::{BROKEN, Circuit};
#[cfg(feature = "otlp")]
pub use otlp::{Collector, MessageEvent, Recorded};

pub use files::read_secret;
pub use heartbeat::Heartbeat;
pub use keys::KeyHost;
pub use slack::{Posted, Slack};

//! Wires: the sockets of a shard, as a source of engine inputs and a sink of messages.
//!
//! A [`Wires`] owns every listener and connection of one shard. It lives on one thread, inside a
//! tokio `LocalSet`, and is driven in turns:
//!
//! 1. await [`Wires::ready`]: connections have read, split and decoded what arrived;
//! 2. take every [`Input`](veksel_core::Input) with [`Wires::poll_input`], in order of arrival;
//! 3. give messages to [`Wires::send`], which encodes them and never waits;
//! 4. [`Wires::flush`]: one write per connection that has something to say.
//!
//! Every queue has a bound. A full inbox or too many unanswered requests stop the reading of a
//! socket, so that TCP holds the peer back; a peer that does not read is closed; a message that
//! cannot go out comes back as `Unsent`.
//!
//! Nothing here decides anything about a message, and nothing looks into one beyond its type,
//! whether it has a trace number, its MAC, and what the codec of its link needs.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod connection;
mod counters;
mod dialer;
mod exclusive;
mod inbox;
mod link;
mod listener;
mod mac;
mod outbox;
mod secret_file;
mod stream;
mod sweep;
mod tls;
mod wires;

pub use counters::{CloseReason, LinkStats};
pub use link::LinkError;
pub use mac::{MacError, MacFault, Macs};
pub use tls::TlsError;
pub use tls::client::{TlsClient, TlsStream};
pub use tls::crowd::subscriber;
pub use tls::handshake::HandshakeFault;
pub use tls::listing::{Listed, Purpose, of_file, of_host, of_listener};
pub use tls::renewal::{Certificates, Holder, Unusable};
pub use tls::server::{TlsAccepted, TlsServer};
pub use tls::{check_dial, check_listen};
pub use wires::{KeyChange, Renewal, Wires};

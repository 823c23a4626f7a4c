//! ISO 8583 messages: bytes to values and back.
//!
//! A [`Dialect`] says as data what the messages of a link look like; a [`Codec`] is a dialect
//! ready for use; a [`Message`] is a received frame with an index of its fields and the values
//! set since; a [`Framing`] finds messages in a stream of bytes.
//!
//! ```
//! use veksel_codecs::{Codec, Dialect, Message, Mti, field};
//!
//! let codec = Codec::new(Dialect::shipped("cbs-ascii-bin")?);
//! let mut echo = Message::of(Mti::parse("0800").unwrap());
//! echo.set(field::TRANSMISSION, "1120142807");
//! echo.set(field::STAN, 123);
//! echo.set(field::NETWORK_CODE, 301);
//! let mut bytes = bytes::BytesMut::new();
//! codec.encode(&echo, &mut bytes)?;
//!
//! let mut read = Message::new();
//! codec.decode_into(&bytes, &mut read)?;
//! assert_eq!(read.get(field::STAN), Some(123));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is total: any bytes give a value or an error, and an error says where and why but
//! never what. There is no I/O, no clock, no log and no panic here, and nothing of routing,
//! sockets or money.

#![forbid(unsafe_code)]
// The bytes come from strangers: no index, slice or sum may fail on them. Denied here beside the
// workspace's lints, because a manifest cannot both inherit and add.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "tests fail by panicking"))]

mod code_page;
mod codec;
mod coding;
mod content;
mod described;
pub mod dialect;
mod error;
pub mod field;
mod field_set;
mod frame;
#[cfg(feature = "import")]
pub mod import;
mod message;
mod mti;
pub mod nested;
mod presence;
mod raw;
mod response_code;
pub mod structured;
mod words;

pub use code_page::CodePage;
pub use codec::{Codec, Line, Refusal, is_known_class};
pub use coding::Coding;
pub use content::{Content, Sensitivity, mask_account, mask_pan};
pub use dialect::Dialect;
pub use error::{DecodeError, EncodeError, Fault, FieldNumber, FieldPath, Part};
pub use field::Key;
pub use frame::{BASE1_WIDTH, FrameError, Framing, Header, KeepAlive, LengthForm, Step};
pub use message::{FieldSet, Message, Octets, Raw, Text};
pub use mti::{Class, Mti};
pub use presence::{Answer, Request, Rule};
pub use response_code::{CodeText, Edition, ResponseCode};

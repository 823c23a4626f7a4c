//! Why bytes are not frames, or a message fits none.

use crate::error::{Fault, FieldNumber};
use core::fmt;

/// Why a stream of bytes is not a sequence of frames, or a message does not fit a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The length is not made of decimal digits.
    NotDigits,
    /// The length is smaller than what it counts.
    TooShort {
        /// As declared.
        declared: u32,
        /// The smallest possible.
        least: u32,
    },
    /// The frame is longer than the link allows or than its length can say.
    TooLong {
        /// As declared, or as it would have to be.
        declared: u64,
        /// The most possible.
        most: u32,
    },
    /// A frame of length zero where the policy refuses them.
    Empty,
    /// The frame does not begin with the link's marker.
    Marker,
    /// The frame does not end with the link's trailer.
    Trailer,
    /// The first byte of the header is not the length of a BASE I header.
    Header {
        /// As it stands there.
        found: u8,
    },
    /// The message contains the trailer that would end it.
    TrailerInside,
    /// The message that would tell where its frame ends tells it wrongly.
    Message {
        /// Which field, or what stands in front of all.
        field: FieldNumber,
        /// Where it begins in the message.
        offset: u32,
        /// What is wrong with it.
        fault: Fault,
    },
    /// Only a dialect tells where the frame ends, and there is none.
    NoDialect,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDigits => f.write_str("frame length is not made of digits"),
            Self::TooShort { declared, least } => {
                write!(f, "frame length {declared} is smaller than {least}, which it counts")
            }
            Self::TooLong { declared, most } => {
                write!(f, "frame of {declared} bytes is longer than {most}")
            }
            Self::Empty => f.write_str("frame of length zero"),
            Self::Marker => f.write_str("frame does not begin with the marker of the link"),
            Self::Trailer => f.write_str("frame does not end with the trailer of the link"),
            Self::Header { found } => {
                write!(f, "frame header of length {found}, which is none of BASE I")
            }
            Self::TrailerInside => {
                f.write_str("message contains the bytes that end a frame of the link")
            }
            Self::Message { field, offset, fault } => {
                write!(f, "message has no end: {field} at offset {offset}: {fault}")
            }
            Self::NoDialect => f.write_str("only a dialect tells where the frame ends"),
        }
    }
}

impl core::error::Error for FrameError {}

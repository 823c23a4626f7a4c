//! Framing: where a message begins and ends in a stream of bytes.
//!
//! One parametrised type covers the framings of the field. It never waits, never allocates and
//! never trusts a length: the caller keeps the bytes, and a declared length is checked against
//! the limit before anything is done with it. After an error the stream cannot be resynchronised
//! and the connection must be closed.

use bytes::BytesMut;
use core::fmt;

/// How the length in front of a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthForm {
    /// Big-endian binary in 2 bytes.
    Binary2,
    /// Big-endian binary in 4 bytes.
    Binary4,
    /// Four ASCII digits.
    Ascii4,
    /// Four decimal digits packed in 2 bytes.
    Bcd2,
}

/// What stands between the length and the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing.
    None,
    /// Exactly these bytes are written; as many are taken off, whatever they are, and given back
    /// with the answer.
    Fixed(Vec<u8>),
    /// A TPDU of 5 bytes: an id, destination and source. These bytes are written when no request
    /// is answered; an answer carries those of its request with the two addresses exchanged.
    Tpdu([u8; 5]),
}

/// What a frame of length zero means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// Nothing: it is skipped.
    Ignore,
    /// It is sent back.
    Echo,
    /// It is a mistake of the peer.
    Reject,
}

/// How frames are delimited on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    /// How the length is written.
    pub length: LengthForm,
    /// Whether the length counts its own bytes.
    pub counts_itself: bool,
    /// Whether the length counts the header.
    pub counts_header: bool,
    /// What stands between the length and the message.
    pub header: Header,
    /// What a length of zero means.
    pub keep_alive: KeepAlive,
    /// Longest message in bytes, without length and header; 65,535 at most.
    pub frame_max: u32,
}

/// What the next bytes of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A frame has begun or may begin; more bytes are needed.
    Incomplete,
    /// A whole frame.
    Frame {
        /// The bytes between length and message.
        header: &'a [u8],
        /// The message.
        message: &'a [u8],
        /// How many bytes of the input it took.
        consumed: usize,
    },
    /// A frame of length zero that the policy lets pass.
    KeepAlive {
        /// How many bytes of the input it took.
        consumed: usize,
    },
}

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
        }
    }
}

impl core::error::Error for FrameError {}

impl LengthForm {
    /// Bytes the length takes.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::Binary2 | Self::Bcd2 => 2,
            Self::Binary4 | Self::Ascii4 => 4,
        }
    }

    /// The largest number it can say.
    const fn most(self) -> u64 {
        match self {
            Self::Binary2 => 0xFFFF,
            Self::Binary4 => 0xFFFF_FFFF,
            Self::Ascii4 | Self::Bcd2 => 9_999,
        }
    }

    /// Reads the number; `bytes` has the form's width.
    fn read(self, bytes: &[u8]) -> Result<u32, FrameError> {
        match self {
            Self::Binary2 | Self::Binary4 => {
                Ok(bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
            }
            Self::Ascii4 => decimal(bytes.iter().map(|byte| byte.wrapping_sub(b'0'))),
            Self::Bcd2 => decimal(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15])),
        }
    }

    /// Writes the number into `out`, which has the form's width. The number is at most `most`.
    fn write(self, number: u64, out: &mut [u8]) {
        let mut rest = number;
        for byte in out.iter_mut().rev() {
            let (above, digit) = match self {
                Self::Binary2 | Self::Binary4 => (rest >> 8, rest & 0xFF),
                Self::Ascii4 => (rest / 10, (rest % 10) | u64::from(b'0')),
                Self::Bcd2 => (rest / 100, ((rest / 10 % 10) << 4) | (rest % 10)),
            };
            *byte = u8::try_from(digit).unwrap_or(0);
            rest = above;
        }
    }
}

/// The number that decimal digits, most significant first, stand for.
fn decimal(mut digits: impl Iterator<Item = u8>) -> Result<u32, FrameError> {
    digits.try_fold(0u32, |number, digit| {
        let digit = (digit < 10).then_some(digit).ok_or(FrameError::NotDigits)?;
        Ok(number.saturating_mul(10).saturating_add(u32::from(digit)))
    })
}

impl Framing {
    /// Two bytes of binary length that count the message only: the commonest form, and the
    /// default of the CBS link.
    #[must_use]
    pub const fn binary2() -> Self {
        Self {
            length: LengthForm::Binary2,
            counts_itself: false,
            counts_header: false,
            header: Header::None,
            keep_alive: KeepAlive::Ignore,
            frame_max: 8_192,
        }
    }

    /// Bytes the header takes.
    #[must_use]
    pub fn header_width(&self) -> usize {
        match &self.header {
            Header::None => 0,
            Header::Fixed(bytes) => bytes.len(),
            Header::Tpdu(bytes) => bytes.len(),
        }
    }

    /// What the length counts besides the message.
    fn overhead(&self) -> usize {
        let itself = if self.counts_itself { self.length.width() } else { 0 };
        let header = if self.counts_header { self.header_width() } else { 0 };
        itself.saturating_add(header)
    }

    /// Looks for one frame at the start of `input`, which begins where the last frame ended.
    ///
    /// The same bytes give the same frames however they are cut into reads.
    ///
    /// # Errors
    /// When the bytes cannot be the beginning of a frame of this link.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Step<'a>, FrameError> {
        let Some((length, rest)) = input.split_at_checked(self.length.width()) else {
            return Ok(Step::Incomplete);
        };
        let declared = self.length.read(length)?;
        if declared == 0 {
            return match self.keep_alive {
                KeepAlive::Reject => Err(FrameError::Empty),
                KeepAlive::Ignore | KeepAlive::Echo => {
                    Ok(Step::KeepAlive { consumed: length.len() })
                }
            };
        }
        let least = u32::try_from(self.overhead()).unwrap_or(u32::MAX);
        let Some(message) = declared.checked_sub(least).filter(|length| *length > 0) else {
            return Err(FrameError::TooShort { declared, least: least.saturating_add(1) });
        };
        if message > self.frame_max {
            return Err(FrameError::TooLong { declared: message.into(), most: self.frame_max });
        }
        let message_width = usize::try_from(message).unwrap_or(usize::MAX);
        let Some((header, rest)) = rest.split_at_checked(self.header_width()) else {
            return Ok(Step::Incomplete);
        };
        let Some((message, rest)) = rest.split_at_checked(message_width) else {
            return Ok(Step::Incomplete);
        };
        Ok(Step::Frame { header, message, consumed: input.len().saturating_sub(rest.len()) })
    }

    /// Appends one frame. `header` is what [`Framing::answer_header`] gave for the request, or
    /// empty; `write` appends the message.
    ///
    /// # Errors
    /// What `write` returns, or [`FrameError::TooLong`] if the message does not fit; `out` is
    /// then as it was before. A length never wraps.
    pub fn encode<E: From<FrameError>>(
        &self,
        header: &[u8],
        out: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        let width = self.length.width();
        out.extend_from_slice([0; 4].get(..width).unwrap_or_default());
        match &self.header {
            Header::None => {}
            Header::Fixed(own) if header.len() != own.len() => out.extend_from_slice(own),
            Header::Tpdu(own) if header.len() != own.len() => out.extend_from_slice(own),
            Header::Fixed(_) | Header::Tpdu(_) => out.extend_from_slice(header),
        }
        let message_start = out.len();
        if let Err(error) = write(out) {
            out.truncate(start);
            return Err(error);
        }
        let message = out.len().saturating_sub(message_start);
        let declared = u64::try_from(message.saturating_add(self.overhead())).unwrap_or(u64::MAX);
        let most = self.length.most().min(u64::from(self.frame_max));
        let message = u64::try_from(message).unwrap_or(u64::MAX);
        if message > u64::from(self.frame_max) || declared > self.length.most() {
            out.truncate(start);
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            return Err(FrameError::TooLong { declared: message, most }.into());
        }
        let end = start.saturating_add(width);
        if let Some(length) = out.get_mut(start..end) {
            self.length.write(declared, length);
        }
        Ok(())
    }

    /// Appends a frame of length zero.
    pub fn encode_keep_alive(&self, out: &mut BytesMut) {
        let start = out.len();
        out.extend_from_slice([0; 4].get(..self.length.width()).unwrap_or_default());
        if let Some(length) = out.get_mut(start..) {
            self.length.write(0, length);
        }
    }

    /// The header of the answer to a request that carried `header`: the same bytes, and for a
    /// TPDU with destination and source exchanged.
    pub fn answer_header(&self, header: &[u8], out: &mut Vec<u8>) {
        out.clear();
        match (&self.header, header) {
            (Header::Tpdu(_), &[id, to0, to1, from0, from1]) => {
                out.extend_from_slice(&[id, from0, from1, to0, to1]);
            }
            (Header::None | Header::Fixed(_) | Header::Tpdu(_), _) => out.extend_from_slice(header),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(length: LengthForm) -> Framing {
        Framing { length, ..Framing::binary2() }
    }

    fn frame(framing: &Framing, message: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        framing
            .encode(&[], &mut out, |out| {
                out.extend_from_slice(message);
                Ok::<(), FrameError>(())
            })
            .unwrap();
        out.to_vec()
    }

    /// The wire forms of a 63-byte message in the field survey, table 1.3.
    #[test]
    fn wire_forms_of_63_bytes() {
        let tpdu = Header::Tpdu([0x60, 0, 1, 0, 0]);
        let inclusive = Framing { counts_itself: true, ..Framing::binary2() };
        let with_tpdu =
            Framing { header: tpdu, counts_header: true, ..framing(LengthForm::Binary2) };
        let reserved = Framing { header: Header::Fixed(vec![0, 0]), ..Framing::binary2() };
        for (framing, start) in [
            (Framing::binary2(), &[0x00, 0x3F][..]),
            (inclusive, &[0x00, 0x41]),
            (with_tpdu, &[0x00, 0x44, 0x60, 0x00, 0x01, 0x00, 0x00]),
            (framing(LengthForm::Bcd2), &[0x00, 0x63]),
            (framing(LengthForm::Ascii4), b"0063"),
            (reserved, &[0x00, 0x3F, 0x00, 0x00]),
            (framing(LengthForm::Binary4), &[0x00, 0x00, 0x00, 0x3F]),
            (
                Framing { counts_itself: true, ..framing(LengthForm::Binary4) },
                &[0x00, 0x00, 0x00, 0x43],
            ),
        ] {
            let wire = frame(&framing, &[b'x'; 63]);
            assert_eq!(wire.get(..start.len()), Some(start));
            let Ok(Step::Frame { message, consumed, .. }) = framing.decode(&wire) else {
                panic!("{framing:?}");
            };
            assert_eq!((message.len(), consumed), (63, wire.len()));
            for cut in 0..wire.len() {
                assert_eq!(framing.decode(&wire[..cut]), Ok(Step::Incomplete), "{framing:?} {cut}");
            }
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
        let error = Framing::binary2().decode(&[0xFF, 0xFF]);
        assert_eq!(error, Err(FrameError::TooLong { declared: 65_535, most: 8_192 }));
        let error = framing(LengthForm::Binary4).decode(&[0xFF; 4]);
        assert_eq!(error, Err(FrameError::TooLong { declared: 0xFFFF_FFFF, most: 8_192 }));
    }

    #[test]
    fn an_inclusive_length_smaller_than_itself_does_not_underflow() {
        let framing = Framing { counts_itself: true, ..Framing::binary2() };
        for declared in 1..=2 {
            let wire = [0, declared];
            let error = framing.decode(&wire);
            assert_eq!(error, Err(FrameError::TooShort { declared: declared.into(), least: 3 }));
        }
    }

    #[test]
    fn a_message_too_long_for_its_length_is_refused_and_leaves_nothing() {
        let framing = Framing { frame_max: 65_535, ..framing(LengthForm::Bcd2) };
        let mut out = BytesMut::from(&b"before"[..]);
        let result = framing.encode(&[], &mut out, |out| {
            out.extend_from_slice(&[0; 10_000]);
            Ok::<(), FrameError>(())
        });
        assert_eq!(result, Err(FrameError::TooLong { declared: 10_000, most: 9_999 }));
        assert_eq!(&out[..], b"before");
    }

    #[test]
    fn keep_alive_follows_the_policy() {
        for (keep_alive, expected) in [
            (KeepAlive::Ignore, Ok(Step::KeepAlive { consumed: 2 })),
            (KeepAlive::Echo, Ok(Step::KeepAlive { consumed: 2 })),
            (KeepAlive::Reject, Err(FrameError::Empty)),
        ] {
            let framing = Framing { keep_alive, ..Framing::binary2() };
            assert_eq!(framing.decode(&[0, 0, 0, 1]), expected);
        }
    }

    #[test]
    fn a_tpdu_answer_goes_back_where_the_request_came_from() {
        let framing = Framing { header: Header::Tpdu([0x60, 0, 1, 0, 2]), ..Framing::binary2() };
        let mut header = Vec::new();
        framing.answer_header(&[0x60, 0x12, 0x34, 0x56, 0x78], &mut header);
        assert_eq!(header, [0x60, 0x56, 0x78, 0x12, 0x34]);
    }

    #[test]
    fn letters_in_a_decimal_length_are_refused() {
        assert_eq!(framing(LengthForm::Ascii4).decode(b"00a3"), Err(FrameError::NotDigits));
        assert_eq!(framing(LengthForm::Bcd2).decode(&[0x00, 0x6A]), Err(FrameError::NotDigits));
    }
}

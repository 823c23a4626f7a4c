//! Framing: where a message begins and ends in a stream of bytes.
//!
//! One parametrised type covers the framings of the field. On the wire stand, each of them if the
//! link has it: marker, length, reserved bytes, header, message, trailer. It never waits, never
//! allocates and never trusts a length: the caller keeps the bytes, and a declared length is
//! checked against the limit before anything is done with it. After an error the stream cannot be
//! resynchronised and the connection must be closed.
//!
//! Where nothing else delimits messages (PAD, X.25 over TCP) they stand one after another, and the
//! dialect tells where each ends ([`LengthForm::Message`]). Pauses mean nothing: what a frame is
//! never depends on how the stream was cut.

use crate::codec::Codec;
use bytes::BytesMut;
pub use error::FrameError;
pub use length::LengthForm;
use trailer::find;

mod bare;
mod error;
mod length;
mod trailer;

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
    /// A BASE I header: its own length (22), flags, total length, destination and source station
    /// of 3 bytes each, and eleven bytes of control information. These bytes are written when no
    /// request is answered; an answer carries those of its request with the stations exchanged.
    /// The total length is written anew each time.
    ///
    /// A message that the network rejects comes back with 26 bytes, the last four saying why. It
    /// is given as any other frame with that header; the engine has no rule for rejects, so on a
    /// host link the request it belongs to ends by its deadline and, if it moves money, by a
    /// reversal.
    Base1([u8; BASE1_WIDTH]),
}

/// Bytes of a BASE I header.
pub const BASE1_WIDTH: usize = 22;
/// Bytes of the header of a message that BASE I rejects.
const BASE1_REJECT_WIDTH: usize = 26;

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
///
/// Without a length ([`LengthForm::None`]) a frame ends with its trailer, commonly ETX (`03`). Such
/// a link carries only messages without that byte: a binary bitmap, packed digits or a PIN block
/// may contain it by chance, so that the dialect must be of characters throughout, bitmaps and
/// binary fields as hexadecimal. A message that contains the trailer is refused when it is written;
/// when one is received the frame is cut short, the message in it is refused as truncated, and what
/// follows is refused, too.
///
/// Where the message itself tells its end ([`LengthForm::Message`]) any dialect will do, and what a
/// message may not be delimited by ends the connection: a wrong length, a field that the dialect
/// does not define. There are no frames of length zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    /// How the length is written.
    pub length: LengthForm,
    /// Whether the length counts its own bytes.
    pub counts_itself: bool,
    /// Whether the length counts the header.
    pub counts_header: bool,
    /// Whether the length counts the trailer.
    pub counts_trailer: bool,
    /// Bytes with which every frame begins, such as `D0 4A` of record boundary preservation; they
    /// are never counted, and a frame that begins otherwise is an error.
    pub marker: Vec<u8>,
    /// Bytes after the length that mean nothing and are never counted: these are written, any are
    /// read.
    pub reserved: Vec<u8>,
    /// What stands before the message.
    pub header: Header,
    /// Bytes with which every frame ends, such as ETX.
    pub trailer: Vec<u8>,
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

impl Framing {
    /// Two bytes of binary length that count the message only: the commonest form, and the
    /// default of the CBS link.
    #[must_use]
    pub const fn binary2() -> Self {
        Self {
            length: LengthForm::Binary2,
            counts_itself: false,
            counts_header: false,
            counts_trailer: false,
            marker: Vec::new(),
            reserved: Vec::new(),
            header: Header::None,
            trailer: Vec::new(),
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
            Header::Base1(bytes) => bytes.len(),
        }
    }

    /// What the length counts besides the message.
    #[must_use]
    pub fn overhead(&self) -> usize {
        let itself = if self.counts_itself { self.length.width() } else { 0 };
        let header = if self.counts_header { self.header_width() } else { 0 };
        let trailer = if self.counts_trailer { self.trailer.len() } else { 0 };
        itself.saturating_add(header).saturating_add(trailer)
    }

    /// Looks for one frame at the start of `input`, which begins where the last frame ended.
    /// `codec` is that of the link.
    ///
    /// The same bytes give the same frames however they are cut into reads.
    ///
    /// # Errors
    /// When the bytes cannot be the beginning of a frame of this link.
    pub fn decode_with<'a>(&self, codec: &Codec, input: &'a [u8]) -> Result<Step<'a>, FrameError> {
        self.step(Some(codec), input)
    }

    /// The same for those who know no dialect, and know that the framing needs none.
    ///
    /// # Errors
    /// The same, and [`FrameError::NoDialect`] if only a dialect tells where a frame ends.
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Step<'a>, FrameError> {
        self.step(None, input)
    }

    #[inline]
    fn step<'a>(&self, codec: Option<&Codec>, input: &'a [u8]) -> Result<Step<'a>, FrameError> {
        let Some(rest) = input.strip_prefix(self.marker.as_slice()) else {
            return match self.marker.starts_with(input) {
                true => Ok(Step::Incomplete),
                false => Err(FrameError::Marker),
            };
        };
        if self.length == LengthForm::None {
            return self.decode_to_trailer(input, rest);
        }
        if self.length == LengthForm::Message {
            return self.decode_bare(codec, input, rest);
        }
        let Some((length, rest)) = rest.split_at_checked(self.length.width()) else {
            return Ok(Step::Incomplete);
        };
        let declared = self.length.read(length)?;
        if declared == 0 {
            return self.keep_alive(input, rest);
        }
        let least = u32::try_from(self.overhead()).unwrap_or(u32::MAX);
        let Some(message) = declared.checked_sub(least).filter(|length| *length > 0) else {
            return Err(FrameError::TooShort { declared, least: least.saturating_add(1) });
        };
        let most = usize::try_from(self.frame_max).unwrap_or(usize::MAX);
        let too_long = |message: usize| {
            let declared = u64::try_from(message).unwrap_or(u64::MAX);
            Err(FrameError::TooLong { declared, most: self.frame_max })
        };
        // Of a reject, which shows further on, the length may count four bytes of header more.
        let more = match self.header {
            Header::Base1(_) if self.counts_header => {
                BASE1_REJECT_WIDTH.saturating_sub(BASE1_WIDTH)
            }
            _ => 0,
        };
        let mut message_width = usize::try_from(message).unwrap_or(usize::MAX);
        if message_width > most.saturating_add(more) {
            return too_long(message_width);
        }
        let Some((_, rest)) = rest.split_at_checked(self.reserved.len()) else {
            return Ok(Step::Incomplete);
        };
        let mut header_width = self.header_width();
        if let (Header::Base1(_), Some(found)) = (&self.header, rest.first()) {
            let more = base1_width(*found)?.saturating_sub(header_width);
            header_width = header_width.saturating_add(more);
            let counted = if self.counts_header { more } else { 0 };
            message_width = message_width.saturating_sub(counted);
            if message_width == 0 {
                let least = least.saturating_add(u32::try_from(counted).unwrap_or(u32::MAX));
                return Err(FrameError::TooShort { declared, least: least.saturating_add(1) });
            }
            if message_width > most {
                return too_long(message_width);
            }
        }
        let Some((header, rest)) = rest.split_at_checked(header_width) else {
            return Ok(Step::Incomplete);
        };
        let Some((message, rest)) = rest.split_at_checked(message_width) else {
            return Ok(Step::Incomplete);
        };
        let Some((trailer, rest)) = rest.split_at_checked(self.trailer.len()) else {
            return Ok(Step::Incomplete);
        };
        if trailer != self.trailer {
            return Err(FrameError::Trailer);
        }
        Ok(Step::Frame { header, message, consumed: input.len().saturating_sub(rest.len()) })
    }

    /// A frame of length zero, of which `rest` follows the length.
    fn keep_alive<'a>(&self, input: &'a [u8], rest: &'a [u8]) -> Result<Step<'a>, FrameError> {
        if self.keep_alive == KeepAlive::Reject {
            return Err(FrameError::Empty);
        }
        let Some((_, rest)) = rest.split_at_checked(self.reserved.len()) else {
            return Ok(Step::Incomplete);
        };
        Ok(Step::KeepAlive { consumed: input.len().saturating_sub(rest.len()) })
    }

    /// Appends one frame. `header` is what [`Framing::answer_header`] gave for the request, or
    /// empty; `write` appends the message.
    ///
    /// # Errors
    /// What `write` returns, [`FrameError::TooLong`] if the message does not fit, or
    /// [`FrameError::TrailerInside`] if its end could not be found; `out` is then as it was
    /// before. A length never wraps.
    pub fn encode<E: From<FrameError>>(
        &self,
        header: &[u8],
        out: &mut BytesMut,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        let length_start = start.saturating_add(self.marker.len());
        let header_start = self.encode_head(header, out);
        let message_start = out.len();
        let result = write(out).and_then(|()| {
            let message = out.len().saturating_sub(message_start);
            let header = message_start.saturating_sub(header_start);
            let declared = self.declared(message, header)?;
            if let Header::Base1(_) = self.header {
                let total = u64::try_from(message.saturating_add(header)).unwrap_or(u64::MAX);
                let place = header_start.saturating_add(3)..header_start.saturating_add(5);
                if let (Ok(total), Some(place)) = (u16::try_from(total), out.get_mut(place)) {
                    place.copy_from_slice(&total.to_be_bytes());
                } else {
                    return Err(FrameError::TooLong { declared: total, most: 0xFFFF }.into());
                }
            }
            out.extend_from_slice(&self.trailer);
            let end = length_start.saturating_add(self.length.width());
            if let Some(length) = out.get_mut(length_start..end) {
                self.length.write(declared, length);
            }
            let body = out.get(length_start..).unwrap_or_default();
            let body_width = body.len().saturating_sub(self.trailer.len());
            if self.length == LengthForm::None && find(body, &self.trailer) != Some(body_width) {
                return Err(FrameError::TrailerInside.into());
            }
            Ok(())
        });
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Appends what stands before the message, the length still zero; says where the header is.
    fn encode_head(&self, header: &[u8], out: &mut BytesMut) -> usize {
        out.extend_from_slice(&self.marker);
        out.extend_from_slice(
            [0; length::WIDTH_MAX].get(..self.length.width()).unwrap_or_default(),
        );
        out.extend_from_slice(&self.reserved);
        let header_start = out.len();
        let own: &[u8] = match &self.header {
            Header::None => return header_start,
            Header::Fixed(own) => own,
            Header::Tpdu(own) => own,
            Header::Base1(own) => own,
        };
        let is_reject = matches!(self.header, Header::Base1(_))
            && header.len() == BASE1_REJECT_WIDTH
            && self.length != LengthForm::None;
        let given = header.len() == own.len() || is_reject;
        out.extend_from_slice(if given { header } else { own });
        header_start
    }

    /// The length of a frame, if it can be said.
    fn declared(&self, message: usize, header: usize) -> Result<u64, FrameError> {
        let more = if self.counts_header { header.saturating_sub(self.header_width()) } else { 0 };
        let declared = message.saturating_add(self.overhead()).saturating_add(more);
        let declared = u64::try_from(declared).unwrap_or(u64::MAX);
        let message = u64::try_from(message).unwrap_or(u64::MAX);
        if message > u64::from(self.frame_max) || declared > self.length.most() {
            let most = self.length.most().min(u64::from(self.frame_max));
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            return Err(FrameError::TooLong { declared: message, most });
        }
        Ok(declared)
    }

    /// Appends a frame of length zero, if this framing has one.
    pub fn encode_keep_alive(&self, out: &mut BytesMut) {
        if self.length == LengthForm::Message {
            return;
        }
        out.extend_from_slice(&self.marker);
        let start = out.len();
        out.extend_from_slice(
            [0; length::WIDTH_MAX].get(..self.length.width()).unwrap_or_default(),
        );
        if let Some(length) = out.get_mut(start..) {
            self.length.write(0, length);
        }
        match self.length {
            LengthForm::None => out.extend_from_slice(&self.trailer),
            _ => out.extend_from_slice(&self.reserved),
        }
    }

    /// The header of the answer to a request that carried `header`: the same bytes, and for a
    /// TPDU or BASE I with destination and source exchanged.
    pub fn answer_header(&self, header: &[u8], out: &mut Vec<u8>) {
        out.clear();
        match (&self.header, header) {
            (Header::Tpdu(_), &[id, to0, to1, from0, from1]) => {
                out.extend_from_slice(&[id, from0, from1, to0, to1]);
            }
            (Header::Base1(_), header) if header.len() >= BASE1_WIDTH => {
                let (head, stations) = header.split_at_checked(5).unwrap_or_default();
                let (to, stations) = stations.split_at_checked(3).unwrap_or_default();
                let (from, rest) = stations.split_at_checked(3).unwrap_or_default();
                // An answer is no reject, whatever it answers.
                let rest = rest.get(..BASE1_WIDTH.saturating_sub(11)).unwrap_or_default();
                for part in [head, from, to, rest] {
                    out.extend_from_slice(part);
                }
                if let (Some(width), Ok(own)) = (out.first_mut(), u8::try_from(BASE1_WIDTH)) {
                    *width = own;
                }
            }
            (Header::None | Header::Fixed(_) | Header::Tpdu(_) | Header::Base1(_), _) => {
                out.extend_from_slice(header);
            }
        }
    }
}

/// The width of a BASE I header by its first byte.
fn base1_width(found: u8) -> Result<usize, FrameError> {
    match usize::from(found) {
        width @ (BASE1_WIDTH | BASE1_REJECT_WIDTH) => Ok(width),
        _ => Err(FrameError::Header { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(length: LengthForm) -> Framing {
        Framing { length, ..Framing::binary2() }
    }

    #[test]
    fn no_length_and_no_trailer_never_ends_and_is_bounded() {
        let framing = Framing { frame_max: 10, ..framing(LengthForm::None) };
        assert_eq!(framing.decode(&[b'x'; 9]), Ok(Step::Incomplete));
        assert_eq!(
            framing.decode(&[b'x'; 10]),
            Err(FrameError::TooLong { declared: 11, most: 10 })
        );
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

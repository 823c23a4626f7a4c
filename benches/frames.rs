//! Frames that are not built but filled in: two requests whose numbers stand at known places, and
//! the answer of a host that looks at nothing.
//!
//! The load generator, the host and the bare forwarder must cost little beside what is measured,
//! so none of them decodes. Frames have a length of two bytes and about a hundred more.

use crate::Failure;
use bytes::BytesMut;
use veksel_codecs::{Codec, Dialect, Message, Mti, field};

/// Bytes before the message.
pub const LENGTH: usize = 2;
/// Where DE11 of every frame stands: after MTI, both bitmaps, DE3, DE4 and DE7.
pub const STAN: usize = LENGTH + 4 + 16 + 6 + 12 + 10;
/// Where DE37 stands: after DE11, DE12, DE13 and a DE32 of six digits.
pub const RRN: usize = STAN + 6 + 6 + 4 + 8;
/// Where DE39 of an answer stands.
pub const CODE: usize = RRN + 12;
/// The byte of the bitmap with DE39, and its bit.
const CODE_BIT: (usize, u8) = (LENGTH + 4 + 4, 0b0000_0010);

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An inquiry: nothing is recorded before it leaves.
    Balance,
    /// A payment: intent and outcome are recorded.
    Transfer,
}

impl Kind {
    /// One lower-case word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Transfer => "transfer",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Balance, Self::Transfer].into_iter().find(|kind| kind.word() == word)
    }
}

/// A request as a frame, to be copied and numbered.
///
/// # Errors
/// The dialect has moved a field that is expected at a known place.
pub fn request(kind: Kind) -> Result<Vec<u8>, Failure> {
    let (stan, rrn) = (987_654, "123456789012");
    let (code, amount) = match kind {
        Kind::Balance => ("310000", 0),
        Kind::Transfer => ("401020", 10_000),
    };
    let mut message = Message::of(Mti::known(b"0200"));
    message.set(field::PROCESSING_CODE, code);
    message.set(field::AMOUNT, amount);
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, stan);
    message.set(field::LOCAL_TIME, "152807");
    message.set(field::LOCAL_DATE, "1120");
    message.set(field::ACQUIRER, "500001");
    message.set(field::RRN, rrn);
    message.set(field::TERMINAL, "ATM00017");
    message.set(field::ACCEPTOR, "MERCHANT0000017");
    message.set(field::CURRENCY, 578);
    message.set(field::ACCOUNT, "10000000001");
    if kind == Kind::Transfer {
        message.set(field::COUNTER_ACCOUNT, "10000000002");
    }
    let mut out = BytesMut::new();
    Codec::new(Dialect::shipped("cbs-ascii-bin")?).encode(&message, &mut out)?;
    let mut frame = u16::try_from(out.len())?.to_be_bytes().to_vec();
    frame.extend_from_slice(&out);
    let stands = |at: usize, text: &str| frame.get(at..at + text.len()) == Some(text.as_bytes());
    if stands(STAN, "987654") && stands(RRN, rrn) { Ok(frame) } else { Err("fields moved".into()) }
}

/// The length of the first frame in `bytes`, if it is whole.
#[must_use]
pub fn whole(bytes: &[u8]) -> Option<usize> {
    let [high, low, ..] = bytes else { return None };
    let length = LENGTH + usize::from(u16::from_be_bytes([*high, *low]));
    (bytes.len() >= length && length >= CODE).then_some(length)
}

/// Appends the answer 00 to a request: the same fields and DE39.
pub fn answer(request: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&request[..CODE]);
    out.extend_from_slice(b"00");
    out.extend_from_slice(&request[CODE..]);
    let length = u16::try_from(request.len()).unwrap_or(u16::MAX);
    out[at..at + LENGTH].copy_from_slice(&length.to_be_bytes());
    out[at + LENGTH + 2] = b'1';
    out[at + CODE_BIT.0] |= CODE_BIT.1;
}

/// Writes a number with leading zeros over all of `into`.
pub fn put(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' | (number % 10) as u8;
        number /= 10;
    }
}

/// Reads the trace number of a frame.
#[must_use]
pub fn stan(frame: &[u8]) -> u32 {
    frame[STAN..STAN + 6].iter().fold(0, |stan, digit| stan * 10 + u32::from(digit & 15))
}

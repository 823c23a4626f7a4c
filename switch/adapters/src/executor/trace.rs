//! The trace that calls belong to, as W3C Trace Context has it: an id of 16 bytes for all that is
//! done for one message, and one of 8 for each attempt, in the header `traceparent`.
//!
//! Whether a trace is recorded is decided by its id, so that everybody who sees it decides alike;
//! who hands one over has decided already.

use crate::random;
use core::fmt;
use veksel_core::enquiry::Secret;

/// A trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    id: [u8; 16],
    /// Who asked us, if he said so.
    parent: [u8; 8],
    is_sampled: bool,
}

/// Makes traces from what they are found by.
#[derive(Debug)]
pub(crate) struct Traces {
    /// Tells the numbers of this process from those of others.
    salt: Secret,
    /// Of a hundred, so many are recorded.
    percent: u32,
}

impl Traces {
    pub(crate) fn new(percent: u32) -> Self {
        Self { salt: Secret::new(random::hex(&random::bytes::<16>())), percent }
    }

    /// The trace of a text: the one it names, or always the same one of ours.
    pub(crate) fn of(&self, text: &str) -> Trace {
        Trace::parse(text, self.percent).unwrap_or_else(|| self.own(text))
    }

    fn own(&self, text: &str) -> Trace {
        let whole = format!("{}/{text}", self.salt.expose());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, whole.as_bytes());
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Trace { id, parent: [0; 8], is_sampled: is_sampled(&id, self.percent) }
    }
}

/// By the part of the id that is random for everybody (W3C Trace Context, level 2).
fn is_sampled(id: &[u8; 16], percent: u32) -> bool {
    let tail = id.iter().skip(9).fold(0_u64, |tail, byte| tail << 8 | u64::from(*byte));
    // Seven bytes; a hundred times as much fits easily.
    u128::from(tail) * 100 < u128::from(percent) << 56
}

impl Trace {
    /// `00-…-…-01`, or an id alone.
    fn parse(text: &str, percent: u32) -> Option<Self> {
        let Some(rest) = text.strip_prefix("00-") else {
            let id = unhex(text)?;
            return Some(Self { id, parent: [0; 8], is_sampled: is_sampled(&id, percent) });
        };
        let mut parts = rest.split('-');
        let (id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let [flags] = unhex::<1>(flags)?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self { id: unhex(id)?, parent: unhex(parent)?, is_sampled: flags & 1 == 1 })
    }

    /// The trace id.
    pub(crate) const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Who asked us; zeros if nobody said so.
    pub(crate) const fn parent(&self) -> [u8; 8] {
        self.parent
    }

    /// Whether it is recorded.
    pub(crate) const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// The header of a call that has this span id.
    pub(crate) fn header(&self, span: [u8; 8]) -> String {
        let flags = u8::from(self.is_sampled);
        format!("00-{}-{}-{flags:02x}", random::hex(&self.id), random::hex(&span))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({})", random::hex(&self.id))
    }
}

/// The bytes of lower-case hexadecimal; `None` if it is none, or all zeros where there are more.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != N * 2 || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    (N == 1 || bytes.iter().any(|byte| *byte != 0)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_that_is_handed_over_is_gone_on_with() {
        let traces = Traces::new(0);
        let trace = traces.of(GIVEN);
        assert!(trace.is_sampled(), "who began it has decided");
        assert_eq!(trace.parent(), [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        let header = trace.header([1; 8]);
        assert_eq!(header, "00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-01");
        assert!(!Traces::new(100).of(&GIVEN.replace("-01", "-00")).is_sampled());
        let bare = Traces::new(100).of("4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((bare.id(), bare.parent()), (trace.id(), [0; 8]));
    }

    #[test]
    fn anything_else_has_one_of_ours_that_stays() {
        let traces = Traces::new(100);
        for text in ["txn-7", "ask-1", "", "00-0-0-0", "00000000000000000000000000000000"] {
            let trace = traces.of(text);
            assert_eq!(trace, traces.of(text), "{text}");
            assert_ne!(trace.id(), [0; 16], "{text}");
        }
        assert_ne!(traces.of("txn-7"), traces.of("txn-8"));
        // Another switch has the same numbers and other traces.
        assert_ne!(traces.of("txn-7"), Traces::new(100).of("txn-7"));
    }

    #[test]
    fn so_many_of_a_hundred_are_recorded() {
        for (percent, least, most) in [(0, 0, 0), (10, 800, 1_200), (100, 10_000, 10_000)] {
            let traces = Traces::new(percent);
            let count =
                (0..10_000).filter(|txn| traces.of(&format!("txn-{txn}")).is_sampled()).count();
            assert!((least..=most).contains(&count), "{percent}: {count}");
        }
    }
}

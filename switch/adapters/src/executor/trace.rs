//! The trace that calls belong to, as W3C Trace Context has it: an id of 16 bytes for all that is
//! done for one message, and one of 8 for each attempt, in the header `traceparent`.
//!
//! Whether a trace is recorded is decided by its id, so that everybody who sees it decides alike;
//! who hands one over has decided already.

use super::audit::Span;
use crate::random;
use core::fmt;
use veksel_core::enquiry::Secret;
use veksel_core::{Named, TxnId};

/// A trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    id: [u8; 16],
    /// Who asked us, if he said so.
    parent: [u8; 8],
    is_sampled: bool,
}

/// Makes traces from what they are found by. A clone makes the same.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Tells the numbers of this process from those of others.
    salt: Secret,
    /// Of a hundred, so many are recorded.
    percent: u32,
    has_roots: bool,
}

impl Traces {
    /// Traces of which so many of a hundred are recorded.
    #[must_use]
    pub fn new(percent: u32) -> Self {
        let salt = Secret::new(random::hex(&random::bytes::<16>()));
        Self { salt, percent, has_roots: false }
    }

    /// The same where each message has a span of its own ([`Self::message`]), above those of the
    /// calls that are made for it.
    #[must_use]
    pub fn with_roots(self) -> Self {
        Self { has_roots: true, ..self }
    }

    /// The span of a message, in the trace that it names or in one of ours: that of its
    /// transaction, if it has one.
    #[must_use]
    pub fn message(&self, named: Option<Named>, txn: Option<TxnId>) -> Span {
        let trace = match (named, txn) {
            (Some(Named { trace, parent }), _) => {
                let decided = parent.map(|(_, is_sampled)| is_sampled);
                let is_sampled = decided.unwrap_or_else(|| is_sampled(&trace, self.percent));
                let parent = parent.map_or([0; 8], |(parent, _)| parent);
                Trace { id: trace, parent, is_sampled }
            }
            (None, Some(txn)) => self.own(&name(txn)),
            (None, None) => {
                let id = random::bytes();
                Trace { id, parent: [0; 8], is_sampled: is_sampled(&id, self.percent) }
            }
        };
        let id = txn.map_or_else(random::bytes, |txn| self.root(txn));
        Span { trace: trace.id, parent: trace.parent, id, is_sampled: trace.is_sampled }
    }

    /// The trace of a text: the one it names, or always the same one of ours.
    pub(crate) fn of(&self, text: &str) -> Trace {
        Trace::parse(text, self.percent).unwrap_or_else(|| self.own(text))
    }

    /// The same for what is asked for a transaction: the span of its message is above it.
    pub(crate) fn within(&self, text: &str, txn: Option<TxnId>) -> Trace {
        let trace = self.of(text);
        match txn.filter(|_| self.has_roots) {
            Some(txn) => Trace { parent: self.root(txn), ..trace },
            None => trace,
        }
    }

    fn own(&self, text: &str) -> Trace {
        let id = self.digest("", text);
        Trace { id, parent: [0; 8], is_sampled: is_sampled(&id, self.percent) }
    }

    /// The span of a transaction's message.
    fn root(&self, txn: TxnId) -> [u8; 8] {
        self.digest("root/", &name(txn))
    }

    /// Bytes that are always the same for this text, and in no other process.
    fn digest<const N: usize>(&self, what: &str, text: &str) -> [u8; N] {
        let whole = format!("{}/{what}{text}", self.salt.expose());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, whole.as_bytes());
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        bytes
    }
}

/// What a transaction is called in the audit trail, and its trace is made of if nobody named one.
fn name(txn: TxnId) -> String {
    format!("txn-{}", txn.0)
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
    fn a_message_is_above_the_calls_that_are_made_for_it() {
        let traces = Traces::new(100).with_roots();
        let (given, txn) = (Trace::parse(GIVEN, 0).unwrap(), Some(TxnId(7)));
        let named = Named { trace: given.id, parent: Some((given.parent, true)) };
        for (named, text) in [(Some(named), GIVEN), (None, "txn-7")] {
            let span = traces.message(named, txn);
            let call = traces.within(text, txn);
            assert_eq!((call.id(), call.parent()), (span.trace, span.id), "{text}");
            assert_ne!(span.id, [0; 8]);
            let above = named.and_then(|named| named.parent).map_or([0; 8], |(above, _)| above);
            assert_eq!(span.parent, above, "{text}");
        }
        // Two messages that name one trace are two spans of it.
        let other = traces.message(Some(named), Some(TxnId(8)));
        let first = traces.message(Some(named), txn);
        assert_eq!(other.trace, first.trace);
        assert_ne!(other.id, first.id);
        // Who handed the trace over has decided; else its id does.
        let never = Traces::new(0).with_roots();
        assert!(never.message(Some(named), txn).is_sampled);
        assert!(!never.message(Some(Named { parent: None, ..named }), txn).is_sampled);
        assert!(!never.message(None, None).is_sampled);
        // Where messages have no spans, calls are below whoever asked us.
        let plain = Traces::new(100);
        assert_eq!(plain.within(GIVEN, txn), plain.of(GIVEN));
        assert_eq!(traces.within("ask-1", None), traces.of("ask-1"));
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

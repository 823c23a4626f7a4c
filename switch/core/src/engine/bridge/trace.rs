//! What the calls behind a request are found by: what its channel put into DE59 if that names a
//! trace (W3C Trace Context), else the number of its transaction. DE59 goes back unaltered, so
//! whoever sent it finds the calls that were made for it.

use super::Switch;
use crate::event::Named;
use crate::record::TxnId;
use veksel_codecs::{Message, field};

/// `00-` trace id `-` span id `-` flags.
const WHOLE: usize = 55;

/// A trace id alone.
const BARE: usize = 32;

impl Switch {
    /// The trace of a transaction: what its channel named, also when the channel has its first
    /// answer, as long as the transaction is not over.
    pub(super) fn trace(&self, txn: TxnId) -> String {
        let own = || format!("txn-{}", txn.0);
        if let Some(held) = self.bridge.held.get(&txn) {
            let given = held.request.get(field::ECHO_DATA);
            return given.filter(|text| named(text).is_some()).map_or_else(own, |text| {
                let text: &str = &text;
                text.to_owned()
            });
        }
        let number = field::ECHO_DATA.number().get();
        let carried = self.durable.intent(txn).map(|intent| intent.carried.as_slice());
        let given = carried.unwrap_or_default().iter().find(|(known, _)| *known == number);
        given.filter(|(_, text)| named(text).is_some()).map_or_else(own, |(_, text)| text.clone())
    }
}

/// The trace that a request names.
pub(in crate::engine) fn named_by(request: &Message) -> Option<Named> {
    request.get(field::ECHO_DATA).and_then(|text| named(&text))
}

/// The trace that a text names. Nothing else of DE59 may leave for anybody else.
fn named(text: &str) -> Option<Named> {
    match text.len() {
        BARE => Some(Named { trace: id(text)?, parent: None }),
        WHOLE => {
            let mut parts = text.split('-');
            let (version, trace, span, flags) =
                (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            if version != "00" || parts.next().is_some() {
                return None;
            }
            let [flags] = bytes(flags)?;
            Some(Named { trace: id(trace)?, parent: Some((id(span)?, flags & 1 == 1)) })
        }
        _ => None,
    }
}

/// A number that is not all zeros.
fn id<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text).filter(|bytes| bytes.iter().any(|byte| *byte != 0))
}

/// The bytes of lower-case hexadecimal of just this length.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != N * 2 || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_trace_is_one() {
        for text in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ] {
            let found = named(text).unwrap();
            assert_eq!(found.trace[..2], [0x4b, 0xf9], "{text}");
            assert_eq!(found.parent.is_some_and(|(_, sampled)| sampled), text.ends_with("-01"));
        }
        for text in [
            "",
            "4761739001010010",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00000000000000000000000000000000",
            "customer 12345 of the branch no 7",
        ] {
            assert!(named(text).is_none(), "{text}");
        }
    }
}

//! What the calls behind a request are found by: what its channel put into DE59 if that names a
//! trace (W3C Trace Context), else the number of its transaction. DE59 goes back unaltered, so
//! whoever sent it finds the calls that were made for it.

use super::Switch;
use crate::record::TxnId;
use veksel_codecs::field;

/// `00-` trace id `-` span id `-` flags.
const WHOLE: usize = 55;

/// A trace id alone.
const BARE: usize = 32;

impl Switch {
    /// The trace of a transaction.
    pub(super) fn trace(&self, txn: TxnId) -> String {
        let held = self.bridge.held.get(&txn);
        let given = held.and_then(|held| held.request.get(field::ECHO_DATA));
        match given.as_deref().filter(|text| is_trace(text)) {
            Some(given) => given.to_owned(),
            None => format!("txn-{}", txn.0),
        }
    }
}

/// Whether a text names a trace. Nothing else of DE59 may leave for anybody else.
fn is_trace(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &str, length: usize| {
        part.len() == length && is_hex(part) && part.bytes().any(|b| b != b'0')
    };
    match text.len() {
        BARE => is_id(text, BARE),
        WHOLE => {
            let parts: Vec<&str> = text.split('-').collect();
            let [version, trace, span, flags] = parts.as_slice() else { return false };
            *version == "00"
                && is_id(trace, BARE)
                && is_id(span, 16)
                && flags.len() == 2
                && is_hex(flags)
        }
        _ => false,
    }
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
            assert!(is_trace(text), "{text}");
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
            assert!(!is_trace(text), "{text}");
        }
    }
}

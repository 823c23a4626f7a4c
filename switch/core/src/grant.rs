//! What a participant may write into the fields that say who it is and where it stands.
//!
//! The identity of a connection names the participant (guarantees 5.2); its grants bound what the
//! messages on that connection may claim: DE32, DE33, DE41 and DE42. A field that is not there
//! claims nothing: whether it must be there is the dialect's business.

use veksel_codecs::field::{self, Characters, Key};
use veksel_codecs::{FieldNumber, Message};

/// A part of the values a field may have. Compared with the value without the spaces behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// This value.
    Exact(String),
    /// Every value that begins so.
    Prefix(String),
    /// Every value as long as both and between them, both included. Both have one length.
    Range(String, String),
}

/// The values a participant may write into one field. By default every value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grant {
    /// `None` is every value. An empty list is none at all.
    pub spans: Option<Vec<Span>>,
}

/// The grants of a participant. By default every value of every field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Grants {
    /// DE32, the acquiring institution.
    pub acquirers: Grant,
    /// DE33, the forwarding institution.
    pub forwarders: Grant,
    /// DE41, the terminal.
    pub terminals: Grant,
    /// DE42, the card acceptor.
    pub acceptors: Grant,
}

impl Span {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == exact,
            Self::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Self::Range(first, last) => {
                value.len() == first.len() && (first.as_str()..=last.as_str()).contains(&value)
            }
        }
    }
}

impl Grant {
    /// Whether a value lies within it.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        self.spans.as_ref().is_none_or(|spans| spans.iter().any(|span| span.holds(value)))
    }
}

impl Grants {
    /// Whether everything is granted, so that no message need be looked at.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        let Self { acquirers, forwarders, terminals, acceptors } = self;
        acquirers.spans.is_none()
            && forwarders.spans.is_none()
            && terminals.spans.is_none()
            && acceptors.spans.is_none()
    }

    /// The first field of a message that claims what is not granted.
    #[must_use]
    pub fn beyond(&self, message: &Message) -> Option<FieldNumber> {
        if self.is_open() {
            return None;
        }
        let claims: [(Key<Characters>, &Grant); 4] = [
            (field::ACQUIRER, &self.acquirers),
            (field::FORWARDER, &self.forwarders),
            (field::TERMINAL, &self.terminals),
            (field::ACCEPTOR, &self.acceptors),
        ];
        let is_beyond = |(key, grant): &(Key<Characters>, &Grant)| {
            grant.spans.is_some()
                && message.has(*key)
                && !message.get(*key).is_some_and(|value| grant.holds(value.trimmed()))
        };
        claims.into_iter().find(is_beyond).map(|(key, _)| key.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::Mti;

    fn grant(spans: &[Span]) -> Grant {
        Grant { spans: Some(spans.to_vec()) }
    }

    #[test]
    fn spans_hold_what_they_say_and_nothing_beside_it() {
        let exact = grant(&[Span::Exact("500001".into())]);
        assert!(exact.holds("500001"));
        for other in ["50000", "5000010", "500002", ""] {
            assert!(!exact.holds(other), "{other}");
        }
        let prefix = grant(&[Span::Prefix("ATM0".into())]);
        assert!(prefix.holds("ATM00017") && prefix.holds("ATM0"));
        assert!(!prefix.holds("ATM1") && !prefix.holds("atm0"));
        let range = grant(&[Span::Range("ATM00010".into(), "ATM00020".into())]);
        assert!(["ATM00010", "ATM00015", "ATM00020"].iter().all(|value| range.holds(value)));
        for other in ["ATM00009", "ATM00021", "ATM0001", "ATM000150", "ATM0001"] {
            assert!(!range.holds(other), "{other}");
        }
    }

    #[test]
    fn an_empty_list_grants_nothing_and_none_everything() {
        assert!(!grant(&[]).holds("500001") && !grant(&[]).holds(""));
        assert!(Grant::default().holds("500001"));
    }

    #[test]
    fn a_message_claims_what_it_has() {
        let mut message = Message::of(Mti::known(b"0200"));
        message.set(field::ACQUIRER, "500001");
        message.set(field::TERMINAL, "ATM00017");
        let mut grants = Grants::default();
        assert!(grants.is_open());
        assert_eq!(grants.beyond(&message), None);
        grants.forwarders = grant(&[]);
        assert!(!grants.is_open());
        assert_eq!(grants.beyond(&message), None, "a field that is not there claims nothing");
        grants.terminals = grant(&[Span::Prefix("POS".into())]);
        assert_eq!(grants.beyond(&message), Some(field::TERMINAL.number()));
        grants.acquirers = grant(&[Span::Exact("500002".into())]);
        assert_eq!(grants.beyond(&message), Some(field::ACQUIRER.number()));
        message.set(field::ACQUIRER, "500002");
        message.set(field::TERMINAL, "POS1    ");
        assert_eq!(grants.beyond(&message), None, "spaces behind a value are none of it");
    }
}

//! The gate: what waits until a record is durable. Messages, questions for third parties, answers
//! to those who called over HTTP, and news for customers.
//!
//! Records are numbered in order and become durable in order, so what waits for them is a queue:
//! it opens from the front. What waited for a refused record never leaves.

use crate::notices::News;
use std::collections::VecDeque;
use veksel_codecs::Message;
use veksel_core::enquiry::{Ask, CallId, Told};
use veksel_core::{ConnectionId, RecordId, Tag, Tick};

/// A message that is to be written.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) connection: ConnectionId,
    pub(crate) message: Message,
    pub(crate) tag: Option<Tag>,
    /// Not to be begun at this time or later.
    pub(crate) expires: Option<Tick>,
}

/// What can wait.
#[derive(Debug)]
pub(crate) enum Held {
    /// For a connection.
    Letter(Letter),
    /// For a third party, since then.
    Ask(Box<Ask>, Tick),
    /// For somebody who called.
    Told(CallId, Box<Told>),
    /// For a customer.
    News(Box<News>),
}

/// What waits for records.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    durable: RecordId,
    waiting: VecDeque<(RecordId, Held)>,
}

impl Gate {
    /// Numbers up to this one were durable before the process started.
    pub(crate) fn new(durable: RecordId) -> Self {
        Self { durable, waiting: VecDeque::new() }
    }

    /// Gives it back if nothing holds it, and keeps it otherwise.
    pub(crate) fn pass(&mut self, after: Option<RecordId>, held: Held) -> Option<Held> {
        match after {
            Some(record) if record > self.durable => {
                self.waiting.push_back((record, held));
                None
            }
            Some(_) | None => Some(held),
        }
    }

    /// Records up to this one are durable.
    pub(crate) fn open(&mut self, upto: RecordId) {
        self.durable = self.durable.max(upto);
    }

    /// The next that nothing holds any more.
    pub(crate) fn next(&mut self) -> Option<Held> {
        let (record, _) = self.waiting.front()?;
        if *record > self.durable {
            return None;
        }
        self.waiting.pop_front().map(|(_, held)| held)
    }

    /// Takes out what waits for records that the store refused, wherever it stands: a message can
    /// wait for an older record than the one before it.
    pub(crate) fn refuse(&mut self, refused: impl Fn(RecordId) -> bool) -> Vec<Held> {
        let (out, stays) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(record, _)| refused(*record));
        self.waiting = stays.into();
        out.into_iter().map(|(_, held)| held).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_core::LinkId;
    use veksel_core::enquiry::{Addressee, AskId, Enquiry};

    /// One of each kind in turn, by a number.
    fn held(number: u64) -> Held {
        match number % 3 {
            0 => {
                let enquiry = Enquiry::Review { applicant: String::new() };
                let (id, to) = (AskId(number), Addressee::Kyc);
                let trace = String::new();
                Held::Ask(
                    Box::new(Ask {
                        id,
                        to,
                        enquiry,
                        within_ms: 1,
                        trace,
                        txn: None,
                        address: None,
                    }),
                    Tick(0),
                )
            }
            1 => {
                let connection = ConnectionId { link: LinkId(0), serial: number };
                let message = Message::new();
                Held::Letter(Letter { connection, message, tag: None, expires: None })
            }
            _ => Held::Told(CallId(number), Box::new(Told::Noted)),
        }
    }

    fn number(held: &Held) -> u64 {
        match held {
            Held::Letter(letter) => letter.connection.serial,
            Held::Ask(ask, _) => ask.id.0,
            Held::Told(id, _) => id.0,
            Held::News(_) => panic!("there is none here"),
        }
    }

    #[test]
    fn what_waits_leaves_when_its_record_is_durable_and_not_before() {
        let mut gate = Gate::new(RecordId(5));
        assert!(gate.pass(None, held(1)).is_some());
        assert!(gate.pass(Some(RecordId(5)), held(2)).is_some());
        for number in [3, 4, 5] {
            assert!(gate.pass(Some(RecordId(6)), held(number)).is_none());
        }
        assert!(gate.pass(Some(RecordId(8)), held(6)).is_none());
        assert!(gate.next().is_none());
        gate.open(RecordId(7));
        for expected in [3, 4, 5] {
            assert_eq!(number(&gate.next().unwrap()), expected);
        }
        assert!(gate.next().is_none() && !gate.is_empty());
        gate.open(RecordId(8));
        assert!(gate.next().is_some() && gate.is_empty());
    }

    #[test]
    fn what_waits_for_a_refused_record_is_found_behind_others() {
        let mut gate = Gate::new(RecordId(5));
        for (record, serial) in [(6, 1), (8, 2), (6, 3), (9, 4), (6, 5)] {
            assert!(gate.pass(Some(RecordId(record)), held(serial)).is_none());
        }
        let refused = gate.refuse(|record| record == RecordId(6));
        assert_eq!(refused.iter().map(number).collect::<Vec<_>>(), [1, 3, 5]);
        gate.open(RecordId(9));
        let left: Vec<_> = std::iter::from_fn(|| gate.next()).collect();
        assert_eq!(left.iter().map(number).collect::<Vec<_>>(), [2, 4]);
    }
}

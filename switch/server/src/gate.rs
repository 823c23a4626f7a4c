//! The gate: messages that wait until a record is durable.
//!
//! Records are numbered in order and become durable in order, so what waits for them is a queue:
//! it opens from the front. What waited for a refused record never leaves.

use std::collections::VecDeque;
use veksel_codecs::Message;
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

/// Letters that wait for records.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    durable: RecordId,
    waiting: VecDeque<(RecordId, Letter)>,
}

impl Gate {
    /// Numbers up to this one were durable before the process started.
    pub(crate) fn new(durable: RecordId) -> Self {
        Self { durable, waiting: VecDeque::new() }
    }

    /// Gives the letter back if nothing holds it, and keeps it otherwise.
    pub(crate) fn pass(&mut self, after: Option<RecordId>, letter: Letter) -> Option<Letter> {
        match after {
            Some(record) if record > self.durable => {
                self.waiting.push_back((record, letter));
                None
            }
            Some(_) | None => Some(letter),
        }
    }

    /// Records up to this one are durable.
    pub(crate) fn open(&mut self, upto: RecordId) {
        self.durable = self.durable.max(upto);
    }

    /// The next letter that nothing holds any more.
    pub(crate) fn next(&mut self) -> Option<Letter> {
        let (record, _) = self.waiting.front()?;
        if *record > self.durable {
            return None;
        }
        self.waiting.pop_front().map(|(_, letter)| letter)
    }

    /// Takes out what waits for records that the store refused, wherever it stands: a message can
    /// wait for an older record than the one before it.
    pub(crate) fn refuse(&mut self, refused: impl Fn(RecordId) -> bool) -> Vec<Letter> {
        let (out, stays) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(record, _)| refused(*record));
        self.waiting = stays.into();
        out.into_iter().map(|(_, letter)| letter).collect()
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

    fn letter(serial: u64) -> Letter {
        let connection = ConnectionId { link: LinkId(0), serial };
        Letter { connection, message: Message::new(), tag: None, expires: None }
    }

    #[test]
    fn a_letter_leaves_when_its_record_is_durable_and_not_before() {
        let mut gate = Gate::new(RecordId(5));
        assert!(gate.pass(None, letter(1)).is_some());
        assert!(gate.pass(Some(RecordId(5)), letter(2)).is_some());
        assert!(gate.pass(Some(RecordId(6)), letter(3)).is_none());
        assert!(gate.pass(Some(RecordId(8)), letter(4)).is_none());
        assert!(gate.next().is_none());
        gate.open(RecordId(7));
        assert_eq!(gate.next().unwrap().connection.serial, 3);
        assert!(gate.next().is_none() && !gate.is_empty());
        gate.open(RecordId(8));
        assert!(gate.next().is_some() && gate.is_empty());
    }

    #[test]
    fn what_waits_for_a_refused_record_is_found_behind_others() {
        let mut gate = Gate::new(RecordId(5));
        for (record, serial) in [(6, 1), (8, 2), (6, 3), (9, 4)] {
            assert!(gate.pass(Some(RecordId(record)), letter(serial)).is_none());
        }
        let refused = gate.refuse(|record| record == RecordId(6));
        let serials: Vec<_> = refused.iter().map(|letter| letter.connection.serial).collect();
        assert_eq!(serials, [1, 3]);
        gate.open(RecordId(9));
        let left: Vec<_> = std::iter::from_fn(|| gate.next()).collect();
        assert_eq!(left.iter().map(|letter| letter.connection.serial).collect::<Vec<_>>(), [2, 4]);
    }
}

//! Answers that are held back, in the order in which they are due.
//!
//! The queue is bounded. When it is full, its owner sends an answer at once instead.

use std::collections::BTreeMap;

use veksel_codecs::Message;
use veksel_core::plan::ConnectionId;
use veksel_core::time::Tick;

/// An answer and where it goes.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) connection: ConnectionId,
    pub(super) message: Message,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Late {
    letters: BTreeMap<(Tick, u64), Letter>,
    letters_max: usize,
    next: u64,
}

impl Late {
    pub(super) fn new(letters_max: usize) -> Self {
        Self { letters: BTreeMap::new(), letters_max, next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.letters.len() >= self.letters_max
    }

    /// Keeps a letter until `due`.
    pub(super) fn keep(&mut self, due: Tick, letter: Letter) {
        debug_assert!(!self.is_full(), "the owner asks first");
        self.letters.insert((due, self.next), letter);
        self.next = self.next.wrapping_add(1);
    }

    /// The next letter whose time has come.
    pub(super) fn poll(&mut self, now: Tick) -> Option<Letter> {
        let first = self.letters.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(super) fn next_due(&self) -> Option<Tick> {
        self.letters.first_key_value().map(|((due, _), _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_core::plan::LinkId;

    fn letter(serial: u64) -> Letter {
        let connection = ConnectionId { link: LinkId(0), serial };
        Letter { connection, message: Message::new() }
    }

    #[test]
    fn letters_leave_when_due_and_in_order() {
        let mut late = Late::new(3);
        for (due, serial) in [(20, 1), (10, 2), (10, 3)] {
            assert!(!late.is_full());
            late.keep(Tick(due), letter(serial));
        }
        assert!(late.is_full());
        assert_eq!(late.next_due(), Some(Tick(10)));
        let mut poll = |now| late.poll(Tick(now)).map(|letter| letter.connection.serial);
        assert_eq!(
            [poll(9), poll(10), poll(19), poll(19), poll(20)],
            [None, Some(2), Some(3), None, Some(1)]
        );
        assert_eq!((late.len(), late.next_due()), (0, None));
    }
}

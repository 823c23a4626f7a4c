//! What was asked lately, so that the same request again is known before the journal knows it.
//!
//! The journal is what lasts: this only bridges the moments before a record is durable, and spares
//! a read. It is bounded; the oldest make room.

use super::outcome::Decision;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a request is remembered (http-contracts 4.5, rule 10).
const KEEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Recent requests.
#[derive(Debug)]
pub(super) struct Remembered {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<[u8; 32], Entry>,
    /// Oldest first; one that was forgotten otherwise may still stand here.
    order: VecDeque<([u8; 32], Instant)>,
}

#[derive(Clone, Debug)]
struct Entry {
    body: [u8; 32],
    since: Instant,
    /// DE7 of the message that it became.
    sent: Option<String>,
    decision: Option<Decision>,
}

/// What is known of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Recalled {
    /// Nothing, or nothing that came of it.
    New,
    /// Its idempotency key came before with something else.
    Other,
    /// It was decided.
    Decided(Decision),
    /// It became a message with this DE7, of which nobody knows the end.
    Sent(String),
}

impl Remembered {
    pub(super) fn new(most: u32) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), table: Mutex::default() }
    }

    /// What is known of the request with this key and content.
    pub(super) fn recall(&self, key: [u8; 32], body: [u8; 32]) -> Recalled {
        self.table().known(key, body).unwrap_or(Recalled::New)
    }

    /// The same, and from now on the key is this request's.
    pub(super) fn note(&self, key: [u8; 32], body: [u8; 32]) -> Recalled {
        let mut table = self.table();
        if let Some(known) = table.known(key, body) {
            return known;
        }
        let since = Instant::now();
        table.entries.insert(key, Entry { body, since, sent: None, decision: None });
        table.order.push_back((key, since));
        while table.order.len() > self.most {
            let Some((oldest, since)) = table.order.pop_front() else { break };
            if table.entries.get(&oldest).is_some_and(|entry| entry.since == since) {
                table.entries.remove(&oldest);
            }
        }
        Recalled::New
    }

    /// It becomes a message with this DE7 now.
    pub(super) fn sent(&self, key: [u8; 32], transmission: &str) {
        if let Some(entry) = self.table().entries.get_mut(&key) {
            entry.sent = Some(transmission.to_owned());
        }
    }

    /// It was decided.
    pub(super) fn decided(&self, key: [u8; 32], decision: &Decision) {
        if let Some(entry) = self.table().entries.get_mut(&key) {
            entry.decision = Some(decision.clone());
        }
    }

    /// Nothing was done: it may come again as a new one.
    pub(super) fn forget(&self, key: [u8; 32]) {
        self.table().entries.remove(&key);
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// `None` if the key is nobody's.
    fn known(&self, key: [u8; 32], body: [u8; 32]) -> Option<Recalled> {
        let entry = self.entries.get(&key).filter(|entry| entry.since.elapsed() < KEEP)?;
        if entry.body != body {
            return Some(Recalled::Other);
        }
        Some(match (&entry.decision, &entry.sent) {
            (Some(decision), _) => Recalled::Decided(decision.clone()),
            (None, Some(sent)) => Recalled::Sent(sent.clone()),
            (None, None) => Recalled::New,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::digest_of;

    fn bytes(number: u8) -> [u8; 32] {
        digest_of(&[&[number]])
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_known_for_seven_days_and_another_under_its_key_is_not_it() {
        let remembered = Remembered::new(1_024);
        // Whoever only asks notes nothing.
        assert_eq!(remembered.recall(bytes(1), bytes(11)), Recalled::New);
        assert_eq!(remembered.note(bytes(1), bytes(10)), Recalled::New);
        assert_eq!(remembered.note(bytes(1), bytes(10)), Recalled::New);
        assert_eq!(remembered.recall(bytes(1), bytes(10)), Recalled::New);
        assert_eq!(remembered.recall(bytes(1), bytes(11)), Recalled::Other);
        assert_eq!(remembered.note(bytes(1), bytes(11)), Recalled::Other);
        remembered.sent(bytes(1), "1121080000");
        assert_eq!(remembered.recall(bytes(1), bytes(10)), Recalled::Sent("1121080000".into()));
        remembered.decided(bytes(1), &Decision::Approved);
        assert_eq!(remembered.recall(bytes(1), bytes(10)), Recalled::Decided(Decision::Approved));
        assert_eq!(remembered.recall(bytes(1), bytes(11)), Recalled::Other);
        tokio::time::advance(KEEP).await;
        assert_eq!(remembered.note(bytes(1), bytes(11)), Recalled::New);
        assert_eq!(remembered.recall(bytes(1), bytes(12)), Recalled::Other);
        remembered.forget(bytes(1));
        assert_eq!(remembered.note(bytes(1), bytes(12)), Recalled::New);
    }

    #[test]
    fn the_oldest_make_room() {
        let remembered = Remembered::new(2);
        for number in 0..10 {
            assert_eq!(remembered.note(bytes(number), bytes(number)), Recalled::New);
            assert!(remembered.table().entries.len() <= 2);
        }
        for kept in [8, 9] {
            assert_eq!(remembered.recall(bytes(kept), bytes(1)), Recalled::Other);
        }
        assert_eq!(remembered.recall(bytes(1), bytes(2)), Recalled::New);
    }
}

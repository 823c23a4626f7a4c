//! The line of alarms that wait to be told: bounded, the oldest goes for one more, and a title is
//! quiet for a while after it was told. What is held back is counted, and the next of its title
//! says how many. Time is an argument.

use super::Alert;
use std::collections::{BTreeMap, VecDeque};
use veksel_core::Utc;

/// Titles that are remembered; names of the configuration are part of some.
const TITLES_MAX: usize = 4_096;

/// An alarm that waits to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Waiting {
    pub(super) alert: Alert,
    /// When it was raised.
    pub(super) at: Utc,
    /// How many of its title were held back before it.
    pub(super) withheld: u64,
    /// Whether it was written to standard error because its channel could not be reached.
    pub(super) is_shown: bool,
}

impl Waiting {
    pub(super) const fn new(alert: Alert, at: Utc, withheld: u64) -> Self {
        Self { alert, at, withheld, is_shown: false }
    }
}

#[derive(Debug)]
struct Title {
    /// When it was last let through, in milliseconds.
    last: u64,
    withheld: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    most: usize,
    cooldown_ms: u64,
    line: VecDeque<Waiting>,
    titles: BTreeMap<String, Title>,
}

impl Outbox {
    pub(super) const fn new(most: usize, cooldown_ms: u64) -> Self {
        Self { most, cooldown_ms, line: VecDeque::new(), titles: BTreeMap::new() }
    }

    /// Takes an alarm in, unless one of its title was let through a moment ago.
    pub(super) fn put(&mut self, now_ms: u64, at: Utc, alert: Alert) {
        if let Some(title) = self.titles.get_mut(&alert.title) {
            if now_ms < title.last.saturating_add(self.cooldown_ms) {
                title.withheld = title.withheld.saturating_add(1);
                return;
            }
            title.last = now_ms;
            let withheld = std::mem::take(&mut title.withheld);
            self.push(Waiting::new(alert, at, withheld));
            return;
        }
        if self.titles.len() >= TITLES_MAX {
            self.forget();
        }
        self.titles.insert(alert.title.clone(), Title { last: now_ms, withheld: 0 });
        self.push(Waiting::new(alert, at, 0));
    }

    /// The oldest.
    pub(super) fn take(&mut self) -> Option<Waiting> {
        self.line.pop_front()
    }

    /// It could not be told now.
    pub(super) fn give_back(&mut self, waiting: Waiting) {
        match self.line.len() < self.most {
            true => self.line.push_front(waiting),
            false => self.note(&waiting),
        }
    }

    fn push(&mut self, waiting: Waiting) {
        while self.line.len() >= self.most.max(1) {
            if let Some(oldest) = self.line.pop_front() {
                self.note(&oldest);
            }
        }
        self.line.push_back(waiting);
    }

    /// One that is lost counts as held back, and so does what it would have told of.
    fn note(&mut self, lost: &Waiting) {
        if let Some(title) = self.titles.get_mut(&lost.alert.title) {
            title.withheld = title.withheld.saturating_add(1).saturating_add(lost.withheld);
        }
    }

    /// Forgets the title that has been quiet for longest.
    fn forget(&mut self) {
        let oldest = self.titles.iter().min_by_key(|(_, title)| title.last);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.titles.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn put(outbox: &mut Outbox, now_ms: u64, title: &str) {
        outbox.put(now_ms, Utc(now_ms), Alert::info(title, "m"));
    }

    fn taken(outbox: &mut Outbox) -> Vec<(String, u64)> {
        let mut taken = Vec::new();
        while let Some(waiting) = outbox.take() {
            taken.push((waiting.alert.title, waiting.withheld));
        }
        taken
    }

    #[test]
    fn a_title_is_quiet_for_ten_minutes_and_the_next_says_how_many_were_held_back() {
        let mut outbox = Outbox::new(100, 10 * MINUTE);
        for at in [0, 1, 5 * MINUTE, 10 * MINUTE - 1] {
            put(&mut outbox, at, "a");
        }
        put(&mut outbox, 2, "b");
        assert_eq!(taken(&mut outbox), [("a".to_owned(), 0), ("b".to_owned(), 0)]);
        put(&mut outbox, 10 * MINUTE, "a");
        assert_eq!(taken(&mut outbox), [("a".to_owned(), 3)]);
        put(&mut outbox, 20 * MINUTE, "a");
        assert_eq!(taken(&mut outbox), [("a".to_owned(), 0)]);
    }

    #[test]
    fn the_line_is_bounded_and_the_oldest_goes() {
        let mut outbox = Outbox::new(100, MINUTE);
        for number in 0..103 {
            put(&mut outbox, 0, &format!("t{number:03}"));
        }
        let waiting = taken(&mut outbox);
        assert_eq!(waiting.len(), 100);
        assert_eq!(waiting.first(), Some(&("t003".to_owned(), 0)));
        // What was lost shows when its title comes again.
        put(&mut outbox, MINUTE, "t000");
        assert_eq!(taken(&mut outbox), [("t000".to_owned(), 1)]);
    }

    #[test]
    fn what_could_not_be_told_comes_first_again_while_there_is_room() {
        let mut outbox = Outbox::new(2, 0);
        put(&mut outbox, 0, "a");
        let first = outbox.take().unwrap();
        put(&mut outbox, 1, "b");
        outbox.give_back(first.clone());
        assert_eq!(outbox.take(), Some(first.clone()));
        put(&mut outbox, 2, "c");
        outbox.give_back(first);
        assert_eq!(taken(&mut outbox), [("b".to_owned(), 0), ("c".to_owned(), 0)]);
        put(&mut outbox, 3, "a");
        assert_eq!(taken(&mut outbox), [("a".to_owned(), 1)]);
    }

    #[test]
    fn titles_are_bounded() {
        let mut outbox = Outbox::new(1, MINUTE);
        for number in 0..TITLES_MAX as u64 + 10 {
            put(&mut outbox, number, &format!("t{number}"));
        }
        assert_eq!(outbox.titles.len(), TITLES_MAX);
        assert!(!outbox.titles.contains_key("t0"));
    }
}

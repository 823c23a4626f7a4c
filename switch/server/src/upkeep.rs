//! Upkeep of the journal: what is settled and old enough is removed, and a journal that holds as
//! much as it may takes no new payments until room is made. It never forgets anything for room.

use veksel_core::{Now, Tick, Utc};

/// How often old records are looked for, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// How far the clock on the wall may move against the other before it is not believed.
const SKEW_MS: u64 = 3_600_000;

/// When to trim, and whether the journal is full.
#[derive(Debug)]
pub(crate) struct Upkeep {
    keep_ms: u64,
    records_max: u64,
    next: Tick,
    /// Records the journal holds.
    held: u64,
    is_full: bool,
    /// The wall clock less the other, in milliseconds.
    offset: Option<u64>,
}

impl Upkeep {
    /// For a journal that holds so many records now.
    pub(crate) const fn new(keep_ms: u64, records_max: u32, held: u64) -> Self {
        let records_max = records_max as u64;
        Self { keep_ms, records_max, next: Tick(0), held, is_full: false, offset: None }
    }

    /// What is older than this may go; `None` if it is not time yet.
    pub(crate) fn trim(&mut self, now: Now) -> Option<Utc> {
        if now.tick < self.next {
            return None;
        }
        self.next = now.tick.after_ms(EVERY_MS);
        // Where the clocks stood to each other at first; a clock that was set since may be wrong,
        // and what is removed for it would be gone.
        let offset = now.utc.0.saturating_sub(now.tick.0 / 1_000_000);
        let first = *self.offset.get_or_insert(offset);
        if first.abs_diff(offset) > SKEW_MS {
            tracing::warn!("the clock was set; nothing is removed from the journal");
            return None;
        }
        Some(Utc(now.utc.0.saturating_sub(self.keep_ms)))
    }

    /// Records the journal holds.
    pub(crate) const fn held(&self) -> u64 {
        self.held
    }

    /// How many it may hold.
    pub(crate) const fn held_max(&self) -> u64 {
        self.records_max
    }

    /// Whether it was full when that was last asked.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }

    /// So many records were stored.
    pub(crate) const fn stored(&mut self, count: u64) {
        self.held = self.held.saturating_add(count);
    }

    /// So many records were removed.
    pub(crate) const fn removed(&mut self, count: u64) {
        self.held = self.held.saturating_sub(count);
    }

    /// Whether that the journal is full has changed, and to what.
    pub(crate) fn change(&mut self) -> Option<bool> {
        let is_full = self.held >= self.records_max;
        let before = std::mem::replace(&mut self.is_full, is_full);
        (before != is_full).then_some(is_full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_while_it_holds_as_much_as_it_may() {
        let mut upkeep = Upkeep::new(1_000, 100, 90);
        assert_eq!(upkeep.change(), None);
        upkeep.stored(10);
        assert_eq!(upkeep.change(), Some(true));
        upkeep.stored(1);
        assert_eq!(upkeep.change(), None);
        upkeep.removed(1);
        assert_eq!(upkeep.change(), None, "one more than it may is still full");
        upkeep.removed(1);
        assert_eq!(upkeep.change(), Some(false));
    }

    #[test]
    fn old_records_are_looked_for_at_once_and_then_every_minute() {
        let mut upkeep = Upkeep::new(1_000, 100, 0);
        let at = |ms| Now { tick: Tick(0).after_ms(ms), utc: Utc(5_000 + ms) };
        assert_eq!(upkeep.trim(at(0)), Some(Utc(4_000)));
        assert_eq!(upkeep.trim(at(59_999)), None);
        assert_eq!(upkeep.trim(at(60_000)), Some(Utc(64_000)));
        let set = Now { utc: Utc(900_000_000), ..at(120_000) };
        assert_eq!(upkeep.trim(set), None, "a clock that jumped removes nothing");
    }
}

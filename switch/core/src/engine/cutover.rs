//! Cut-over (DE70 201): a host closes its business date, and the next begins (switch semantics 42).
//!
//! The date belongs to the group. It changes between two messages, for all connections at once,
//! and the change is in the audit. What a request is booked under the host says in DE15 of its
//! answer; the switch never makes one up.

use super::Switch;
use crate::event::Event;
use crate::plan::GroupId;
use crate::time::{Now, Utc};
use veksel_codecs::{Message, field};

const DAY_MS: u64 = 24 * 3_600_000;
const NOON_MS: u64 = 12 * 3_600_000;

impl Switch {
    /// Takes in a cut-over. `false` if the date it names is none.
    pub(super) fn cut_over(&mut self, now: Now, group: GroupId, request: &Message) -> bool {
        let Some(live) = self.group(group) else { return false };
        let before = live.business_date;
        let date = match request.get(field::SETTLEMENT_DATE) {
            Some(date) => date.as_bytes().first_chunk::<4>().copied().filter(|date| is_date(*date)),
            None => Some(day_after(now.utc, before)),
        };
        let Some(date) = date else { return false };
        // Said again, it changes nothing.
        if before == Some(date) {
            return true;
        }
        if let Some(live) = self.group_mut(group) {
            live.business_date = Some(date);
        }
        let name = self.plan.groups.get(usize::from(group.0)).map(|group| group.name.clone());
        let was = before.map_or_else(|| "not known".to_owned(), shown);
        let detail = format!("{}: {was} to {}", name.unwrap_or_default(), shown(date));
        self.note(now, "switch", "cut-over", detail);
        self.count(Event::CutOver { group, date });
        true
    }
}

fn shown(date: [u8; 4]) -> String {
    String::from_utf8_lossy(&date).into_owned()
}

/// Whether this is `MMDD`.
fn is_date(date: [u8; 4]) -> bool {
    let [a, b, c, d] = date.map(|digit| char::from(digit).to_digit(10).unwrap_or(99));
    (1..=12).contains(&(a * 10 + b)) && (1..=31).contains(&(c * 10 + d))
}

fn date_of(utc: Utc) -> [u8; 4] {
    utc.transmission().first_chunk::<4>().copied().unwrap_or_default()
}

/// The day after the business date. Of one that is not known, or not near today, it is the day
/// that begins at the midnight nearest to now.
fn day_after(utc: Utc, before: Option<[u8; 4]>) -> [u8; 4] {
    let near = (0..6).map(|days| Utc((utc.0 + days * DAY_MS).saturating_sub(3 * DAY_MS)));
    let known = near.rev().find(|day| Some(date_of(*day)) == before);
    match known {
        Some(day) => date_of(Utc(day.0 + DAY_MS)),
        None => date_of(Utc(utc.0 + NOON_MS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_day_is_the_next_day() {
        // 2026-11-20 14:28:07 UTC, and 2026-12-31 23:30 UTC.
        let (noon, eve) = (Utc(1_795_184_887_000), Utc(1_798_759_800_000));
        assert_eq!(date_of(noon), *b"1120");
        assert_eq!(day_after(noon, None), *b"1121");
        assert_eq!(day_after(Utc(noon.0 - 6 * 3_600_000), None), *b"1120");
        assert_eq!(day_after(noon, Some(*b"1120")), *b"1121");
        assert_eq!(day_after(noon, Some(*b"1119")), *b"1120");
        assert_eq!(day_after(noon, Some(*b"0401")), *b"1121", "nobody knows what that was");
        assert_eq!(date_of(eve), *b"1231");
        assert_eq!(day_after(eve, Some(*b"1231")), *b"0101");
    }

    #[test]
    fn dates() {
        for (date, expected) in [
            (b"0101", true),
            (b"1231", true),
            (b"0229", true),
            (b"1301", false),
            (b"0001", false),
            (b"0100", false),
            (b"0132", false),
            (b"1A01", false),
        ] {
            assert_eq!(is_date(*date), expected, "{date:?}");
        }
    }
}

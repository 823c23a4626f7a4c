//! What the platform tells of by itself: events about cards, and when they are tried again.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Why an event is told (S4, Notifications).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// A hold was placed.
    NewHold,
    /// A hold grew.
    HoldIncrease,
    /// A transaction without a hold.
    WithoutHold,
    /// A hold was completed.
    Settled,
    /// A hold shrank.
    HoldDecrease,
    /// Money came to a card on its own.
    OriginalCredit,
    /// A hold was let go.
    Reversal,
    /// A merchant gave money back.
    Refund,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NewHold,
        Self::HoldIncrease,
        Self::WithoutHold,
        Self::Settled,
        Self::HoldDecrease,
        Self::OriginalCredit,
        Self::Reversal,
        Self::Refund,
    ];

    /// `type` of the event.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::NewHold | Self::HoldIncrease | Self::WithoutHold => "CARD_TRANSACTION",
            Self::Settled => "CARD_TRANSACTION_SETTLED",
            Self::HoldDecrease | Self::OriginalCredit | Self::Reversal | Self::Refund => {
                "CARD_TRANSACTION_REFUND"
            }
        }
    }

    /// `isPending`: true of an authorisation hold, false of what is settled.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        match self {
            Self::NewHold | Self::HoldIncrease | Self::HoldDecrease | Self::Reversal => true,
            Self::WithoutHold | Self::Settled | Self::OriginalCredit | Self::Refund => false,
        }
    }
}

/// An event. It has no `accountBalances` and no `updatedBalance`: the platform does not know them.
pub(super) fn event(
    number: u64,
    occasion: Occasion,
    (id, account): (&str, &str),
    (amount, currency): (&str, &str),
) -> Value {
    let mut event = Map::new();
    event.insert("eventId".to_owned(), json!(format!("e-{number}")));
    event.insert("type".to_owned(), json!(occasion.kind()));
    event.insert("transactionId".to_owned(), json!(id));
    event.insert("accountId".to_owned(), json!(account));
    event.insert("isPending".to_owned(), json!(occasion.is_pending()));
    event.insert("amount".to_owned(), json!({ "amount": amount, "currency": currency }));
    Value::Object(event)
}

/// Seconds between attempts: 18 more over 48 hours, each wait longer by the same factor.
pub const WAITS_S: [u64; 18] = [
    5, 9, 15, 27, 48, 84, 149, 262, 460, 810, 1_426, 2_510, 4_418, 7_776, 13_687, 24_090, 42_399,
    74_625,
];

/// Whether an answer says to try again. No answer at all does.
#[must_use]
pub const fn is_tried_again(status: u16) -> bool {
    matches!(status, 401 | 403 | 429 | 500..=599)
}

/// One event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) body: Vec<u8>,
    /// Attempts that failed.
    pub(super) failed: usize,
}

/// Events that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// By when they are due, in milliseconds, and their number.
    waiting: BTreeMap<(u64, u64), Delivery>,
    next: u64,
    /// Attempts that were begun; events that were taken; events that were given up.
    pub(super) tried: u64,
    pub(super) taken: u64,
    pub(super) lost: u64,
}

impl Queue {
    /// Adds one; drops it and says `false` if there are too many.
    pub(super) fn push(&mut self, due: u64, delivery: Delivery) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.next += 1;
        self.waiting.insert((due, self.next), delivery);
        true
    }

    /// The next that is to be sent now.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Delivery> {
        let place = *self.waiting.range(..=(now_ms, u64::MAX)).next()?.0;
        self.tried += 1;
        self.waiting.remove(&place)
    }

    /// One was sent; `status` is what was answered, if anything was.
    pub(super) fn done(&mut self, mut delivery: Delivery, status: Option<u16>, now_ms: u64) {
        if status.is_some_and(|status| (200..300).contains(&status)) {
            self.taken += 1;
            return;
        }
        let wait = WAITS_S.get(delivery.failed).filter(|_| status.is_none_or(is_tried_again));
        let Some(wait) = wait else {
            self.lost += 1;
            return;
        };
        delivery.failed += 1;
        if !self.push(now_ms.saturating_add(wait * 1_000), delivery) {
            self.lost += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Events that wait at one time.
const WAITING_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_pending_and_what_is_settled_is_not() {
        for (occasion, kind, is_pending) in [
            (Occasion::NewHold, "CARD_TRANSACTION", true),
            (Occasion::HoldIncrease, "CARD_TRANSACTION", true),
            (Occasion::WithoutHold, "CARD_TRANSACTION", false),
            (Occasion::Settled, "CARD_TRANSACTION_SETTLED", false),
            (Occasion::HoldDecrease, "CARD_TRANSACTION_REFUND", true),
            (Occasion::OriginalCredit, "CARD_TRANSACTION_REFUND", false),
            (Occasion::Reversal, "CARD_TRANSACTION_REFUND", true),
            (Occasion::Refund, "CARD_TRANSACTION_REFUND", false),
        ] {
            let event = event(1, occasion, ("h-1", "a-1"), ("-1.00", "USD"));
            assert_eq!((&event["type"], &event["isPending"]), (&json!(kind), &json!(is_pending)));
            let object = event.as_object().unwrap();
            assert!(!object.contains_key("accountBalances"));
            assert!(!object.contains_key("updatedBalance"));
        }
    }

    #[test]
    fn eighteen_more_attempts_take_forty_eight_hours() {
        assert_eq!(WAITS_S.iter().sum::<u64>(), 48 * 3_600);
        assert!(WAITS_S.windows(2).all(|pair| pair[0] < pair[1]));
        let mut queue = Queue::default();
        assert!(queue.push(0, Delivery { body: Vec::new(), failed: 0 }));
        let (mut attempts, mut now_ms) = (0, 0);
        while queue.len() > 0 {
            now_ms += 1_000;
            while let Some(delivery) = queue.take(now_ms) {
                attempts += 1;
                queue.done(delivery, Some(503), now_ms);
            }
        }
        assert_eq!((attempts, queue.lost, now_ms), (19, 1, 48 * 3_600_000 + 1_000));
    }

    #[test]
    fn only_some_answers_are_tried_again() {
        for (status, again) in [
            (None, true),
            (Some(200), false),
            (Some(204), false),
            (Some(400), false),
            (Some(401), true),
            (Some(403), true),
            (Some(404), false),
            (Some(409), false),
            (Some(429), true),
            (Some(500), true),
            (Some(599), true),
        ] {
            let mut queue = Queue::default();
            queue.done(Delivery { body: Vec::new(), failed: 0 }, status, 0);
            assert_eq!(queue.len() == 1, again, "{status:?}");
            let is_good = status.is_some_and(|status| status < 300);
            assert_eq!(
                (queue.taken, queue.lost),
                (u64::from(is_good), u64::from(!is_good && !again))
            );
        }
    }
}

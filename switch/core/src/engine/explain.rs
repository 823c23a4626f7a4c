//! Why a frame was dropped and why a request got no answer, for people who look for the reason.
//!
//! An answer that matches nothing is compared with what is in flight, and the nearest request and
//! the first field that keeps them apart are named. What is named are message types and the
//! numbers messages are matched by, never what else a field holds. All of it is bounded: so many
//! requests are looked at, so often in a second.

use super::Switch;
use crate::event::{Dropped, Event};
use crate::pending::{Stage, Txn};
use crate::plan::{ConnectionId, GroupId};
use crate::record::TxnId;
use crate::time::{Now, Tick};
use veksel_codecs::{DecodeError, FieldNumber, Message, Mti, field};

/// Explanations in a second.
const EACH_SECOND_MAX: u32 = 10;

/// Requests in flight that an answer is compared with.
const COMPARED_MAX: usize = 1_024;

/// DE37 as a log shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rrn([u8; 12]);

impl core::fmt::Debug for Rrn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a frame said of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its type; [`Mti::NONE`] if not even that could be read.
    pub mti: Mti,
    /// DE11.
    pub stan: Option<u32>,
    /// DE37.
    pub rrn: Option<Rrn>,
    /// What is wrong with it, if it could not be read.
    pub error: Option<DecodeError>,
}

/// The request in flight that an answer comes nearest to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nearest {
    /// Which transaction it is.
    pub txn: TxnId,
    /// The type an answer to it has.
    pub mti: Mti,
    /// DE11 the host was given.
    pub stan: u32,
    /// DE37.
    pub rrn: Option<Rrn>,
    /// The first field that keeps the two apart; [`FieldNumber::MTI`] if it is the type.
    pub differs: FieldNumber,
    /// Nanoseconds since the request was written.
    pub waited: u64,
}

/// How many explanations there may still be in this second.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    since: Tick,
    given: u32,
    withheld: u32,
}

impl Allowance {
    /// How many were withheld since the last one; `None` if this one is withheld too.
    fn take(&mut self, now: Tick) -> Option<u32> {
        if self.given == 0 || self.since.after_ms(1_000) <= now {
            (self.since, self.given) = (now, 0);
        }
        if self.given >= EACH_SECOND_MAX {
            self.withheld = self.withheld.saturating_add(1);
            return None;
        }
        self.given += 1;
        Some(core::mem::take(&mut self.withheld))
    }
}

impl Rrn {
    /// Its characters, without those at its end that only fill it up.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default().trim_end()
    }

    /// The number of a message. What is no letter or digit shows as `?`.
    fn of(message: &Message) -> Option<Self> {
        let rrn = message.get(field::RRN)?;
        let mut shown = [b' '; 12];
        for (to, from) in shown.iter_mut().zip(rrn.as_bytes()) {
            *to = if from.is_ascii_alphanumeric() || *from == b' ' { *from } else { b'?' };
        }
        Some(Self(shown))
    }
}

impl Seen {
    fn of(message: &Message, error: Option<DecodeError>) -> Self {
        let stan = message.get(field::STAN).and_then(|stan| u32::try_from(stan).ok());
        Self { mti: message.mti(), stan, rrn: Rrn::of(message), error }
    }
}

impl Switch {
    /// Counts a frame that is dropped, and explains it while there is room for that.
    pub(super) fn drop_frame(
        &mut self,
        now: Now,
        connection: ConnectionId,
        why: Dropped,
        message: Message,
        error: Option<DecodeError>,
        nearest: impl FnOnce(&Self, &Message) -> Option<Nearest>,
    ) {
        self.count(Event::Dropped { link: connection.link, why });
        if let Some(withheld) = self.explaining.take(now.tick) {
            let (seen, nearest) = (Seen::of(&message, error), nearest(self, &message));
            self.count(Event::Explained { connection, why, seen, nearest, withheld });
        }
        self.recycle(message);
    }

    /// Says what is known of a request that was written and not answered in time.
    pub(super) fn explain_timeout(&mut self, now: Now, id: TxnId) {
        let Some(withheld) = self.explaining.take(now.tick) else { return };
        let Some(txn) = self.txns.get(id) else { return };
        let Stage::Waiting { since } = txn.stage else { return };
        let hosts = self.group(txn.group).map_or(&[][..], |group| &group.hosts);
        let host = hosts.iter().find(|host| host.connection == txn.host);
        let event = Event::TimedOut {
            connection: txn.host,
            txn: id,
            stan: txn.stan,
            rrn: Rrn::of(&txn.request),
            waited: now.tick.since(since),
            quiet: host.map(|host| now.tick.since(host.session.heard())),
            withheld,
        };
        self.count(event);
    }

    /// The request in flight that has most in common with an answer, if any has enough.
    pub(super) fn nearest(&self, now: Now, group: GroupId, answer: &Message) -> Option<Nearest> {
        let waiting = self.txns.values().take(COMPARED_MAX);
        let waiting = waiting.filter(|txn| txn.group == group);
        let scored = waiting.filter_map(|txn| {
            let (score, differs) = compare(txn, answer)?;
            Some((score, core::cmp::Reverse(txn.id), near(now, txn, differs)?))
        });
        scored.max_by_key(|(score, id, _)| (*score, *id)).map(|(_, _, nearest)| nearest)
    }

    /// A request that has the trace number of an answer and contradicts it in this field.
    pub(super) fn contradicted(
        &self,
        now: Now,
        id: TxnId,
        differs: FieldNumber,
    ) -> Option<Nearest> {
        near(now, self.txns.get(id)?, differs)
    }
}

fn near(now: Now, txn: &Txn, differs: FieldNumber) -> Option<Nearest> {
    let since = match txn.stage {
        Stage::Waiting { since } => since,
        Stage::Sending => now.tick,
        Stage::Answering { .. } => return None,
    };
    Some(Nearest {
        txn: txn.id,
        mti: txn.request.mti().response()?,
        stan: txn.stan,
        rrn: Rrn::of(&txn.request),
        differs,
        waited: now.tick.since(since),
    })
}

/// How much an answer has in common with a request, and the first thing it has not. `None` if
/// that is too little to mean anything, or if nothing keeps them apart.
fn compare(txn: &Txn, answer: &Message) -> Option<(u32, FieldNumber)> {
    let request = &txn.request;
    let mut score = 0;
    let mut differs = None;
    let mut weigh = |number: FieldNumber, weight: u32, is_same: Option<bool>| match is_same {
        Some(true) => score += weight,
        Some(false) if differs.is_none() => differs = Some(number),
        Some(false) | None => {}
    };
    weigh(FieldNumber::MTI, 1, Some(request.mti().response() == Some(answer.mti())));
    let stan = answer.get(field::STAN) == Some(txn.stan.into());
    weigh(field::STAN.number(), 4, Some(stan));
    for (key, weight) in [(field::RRN, 4), (field::TRANSMISSION, 3), (field::TERMINAL, 1)] {
        let pair = request.get(key).zip(answer.get(key));
        let is_same = pair.map(|(asked, said)| asked.trimmed() == said.trimmed());
        weigh(key.number(), weight, is_same);
    }
    let pair = request.get(field::AMOUNT).zip(answer.get(field::AMOUNT));
    weigh(field::AMOUNT.number(), 1, pair.map(|(asked, said)| asked == said));
    // The trace number, the RRN, or the time and something else.
    (score >= 4).then_some(())?;
    Some((score, differs?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explanations_are_few_and_what_was_withheld_is_told() {
        let mut allowance = Allowance::default();
        let at = |ms| Tick(5).after_ms(ms);
        let given = (0..100).filter(|_| allowance.take(at(0)).is_some()).count();
        assert_eq!(given, 10);
        assert_eq!(allowance.take(at(999)), None);
        assert_eq!(allowance.take(at(1_000)), Some(91));
        assert_eq!(allowance.take(at(1_000)), Some(0));
    }
}

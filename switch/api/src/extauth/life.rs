//! The life of a hold as the journal tells it: every message of it has the same DE37, which is
//! made of the platform's id, so that nothing about holds is kept anywhere else.

use super::outcome::{Decision, Direction, decision};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use veksel_codecs::structured::tags;
use veksel_codecs::{Mti, ResponseCode, field};
use veksel_core::record::{CallerKey, Intent, Outcome, TxnId, Verdict};
use veksel_core::{Stored, Unreadable};

/// A hold, new or of another amount.
pub(super) const HOLD: Mti = Mti::known(b"0100");

/// A transaction without a hold.
pub(super) const TRANSACTION: Mti = Mti::known(b"0200");

/// The transaction that ends a hold.
pub(super) const COMPLETION: Mti = Mti::known(b"0220");

/// What lets a hold go, or takes an approved part back.
pub(super) const RELEASE: Mti = Mti::known(b"0400");

/// Trace numbers that there are.
pub(super) const STANS: u32 = 999_999;

/// Messages of one life from which on they may not be all: whoever reads the journal finds as many
/// and of more the newest.
pub const LIFE_MAX: usize = 256;

/// What was found, oldest first, or that it could not be read.
pub type Looking<'l> = Pin<Box<dyn Future<Output = Result<Vec<Stored>, Unreadable>> + Send + 'l>>;

/// Reads the journal.
pub trait Lives: Send + Sync {
    /// Every transaction with this DE37 ([`LIFE_MAX`] of them at least), and every one of a request
    /// that its caller knows by this key ([`CallerKey::key`]), whatever it is about. One question,
    /// because there is little time.
    fn life(&self, rrn: String, key: Option<[u8; 16]>) -> Looking<'_>;
}

/// Whether the key of a request was another's: the journal has it with something else.
pub(super) fn is_others(
    stored: &[Stored],
    participant: &str,
    caller_key: Option<CallerKey>,
) -> bool {
    let Some(own) = caller_key else { return false };
    stored.iter().any(|stored| {
        let is_own = stored.intent.key.participant == participant;
        let of = stored.intent.caller_key.filter(|_| is_own);
        of.is_some_and(|of| of.key == own.key && of.content != own.content)
    })
}

/// Transactions of one life, oldest first.
#[derive(Debug)]
pub(super) struct Life {
    own: Vec<Stored>,
    /// Whether there may be older ones that were not looked at.
    is_cut: bool,
}

/// There are more messages of the id than one look-up finds.
pub(super) const CUT: &str = "there are too many messages of this id to see all of them";

/// A change of a hold is there, and what placed the hold is not.
const BEHEADED: &str = "the journal has a change of the hold and not what placed it";

/// A hold that is open, as far as the switch knows: that its time is over only the bank knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Held {
    /// What placed it.
    pub(super) original: Intent,
    /// What the bank calls it (DE48 tag 30); empty if it did not say.
    pub(super) tag: String,
    /// Minor units it is of by now.
    pub(super) total: u64,
}

/// What the journal knows of one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Trail {
    /// It never was, or nothing was done for it.
    None,
    /// It is under way, with these numbers.
    Open(Arc<Intent>),
    /// It has this end.
    Decided(Decision),
    /// The bank approved it, all of it or a part. Whether that stands only the engine knows: that
    /// an approval which nobody got is taken back is recorded after the approval.
    Approved(Arc<Intent>),
    /// Its numbers were another message's.
    Other,
}

/// The numbers by which a message of a life is known. Without a terminal, one of any is meant.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Numbers {
    /// DE11.
    pub(super) stan: u32,
    /// DE41.
    pub(super) terminal: String,
    /// DE42.
    pub(super) acceptor: String,
}

impl Life {
    /// Those with this DE37 of one participant: another may have used the number by chance.
    pub(super) fn new(stored: Vec<Stored>, participant: &str, rrn: &str) -> Self {
        let has_rrn = |stored: &&Stored| stored.intent.key.rrn == rrn;
        let is_cut = stored.iter().filter(has_rrn).count() >= LIFE_MAX;
        let is_own = |stored: &Stored| {
            let key = &stored.intent.key;
            key.participant == participant && key.rrn == rrn
        };
        let mut own: Vec<Stored> = stored.into_iter().filter(is_own).collect();
        own.sort_by_key(|stored| stored.intent.txn);
        Self { own, is_cut }
    }

    /// Whether there may be messages that were not looked at.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The hold, if one was approved and neither completed nor released.
    ///
    /// # Errors
    /// Not all of its life is there, so that nobody can say; and why. A change that were taken for
    /// the hold would be what a release names, and only its own amount be given back.
    pub(super) fn held(&self) -> Result<Option<Held>, &'static str> {
        if self.is_cut {
            return Err(CUT);
        }
        let is_completed = self.own.iter().any(|stored| {
            let is_approved = stored.outcome.as_ref().is_some_and(|end| end.response.is_approval());
            stored.intent.mti.original() == COMPLETION && is_approved && !stored.is_undone()
        });
        let mut placed = self.standing();
        let Some(first) = placed.next().filter(|_| !is_completed) else { return Ok(None) };
        if is_change(&first.intent) {
            // What placed it may have been taken back, and what it was changed to went with it.
            let is_there = |stored: &Stored| {
                let intent = &stored.intent;
                intent.txn < first.intent.txn && is_approved_hold(stored) && !is_change(intent)
            };
            return if self.own.iter().any(is_there) { Ok(None) } else { Err(BEHEADED) };
        }
        let last = placed.next_back().unwrap_or(first);
        let (original, tag) = ((*first.intent).clone(), tag(first));
        Ok(Some(Held { original, tag, total: last.intent.amount }))
    }

    /// What the bank called the hold that this message changed, also if it is over; empty if it
    /// did not say.
    pub(super) fn tag_at(&self, change: TxnId) -> String {
        let mut ended = self.ended();
        ended.retain(|ended| *ended.end() < change);
        let mut holds = self.own.iter().filter(|stored| {
            let txn = stored.intent.txn;
            let is_before = txn <= change && !ended.iter().any(|ended| ended.contains(&txn));
            is_before && is_approved_hold(stored)
        });
        holds.next().map(tag).unwrap_or_default()
    }

    /// Whether a hold was ever approved under this id and not taken back.
    pub(super) fn is_used(&self) -> bool {
        self.standing().next().is_some()
    }

    /// What placed a hold or gave one another amount, and was not ended by a release.
    fn standing(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        let ended = self.ended();
        self.own.iter().filter(move |stored| {
            let txn = stored.intent.txn;
            is_placed(stored) && !ended.iter().any(|ended| ended.contains(&txn))
        })
    }

    /// From what a release names to the release. It names what placed the hold, by whose terminal
    /// it is known, and ends every change of it too; of these the journal says nothing. One that
    /// takes an approved part back may name a change, and then ends nothing else: what the hold was
    /// changed to meanwhile holds.
    fn ended(&self) -> Vec<RangeInclusive<TxnId>> {
        let releases = self.own.iter().filter(|stored| {
            let is_approved = stored.outcome.as_ref().is_some_and(|end| end.response.is_approval());
            stored.intent.key.class == b'4' && is_approved
        });
        let range = |release: &Stored| {
            let named = self.own.iter().find(|stored| {
                let (key, of) = (&stored.intent.key, &release.intent.key);
                let is_of = (&key.terminal, &key.acceptor) == (&of.terminal, &of.acceptor);
                is_of && is_approved_hold(stored)
            });
            let named = &named?.intent;
            let last = if is_change(named) { named.txn } else { release.intent.txn };
            Some(named.txn..=last)
        };
        releases.filter_map(range).collect()
    }

    /// Whether money was posted under this id and not taken back.
    pub(super) fn is_posted(&self) -> bool {
        self.own.iter().any(|stored| {
            let is_approved = stored.outcome.as_ref().is_some_and(|end| end.response.is_approval());
            stored.intent.key.class == b'2' && is_approved && !stored.is_undone()
        })
    }

    /// What came of the message with these numbers, of this type.
    pub(super) fn trail(
        &self,
        mti: Mti,
        numbers: &Numbers,
        direction: Direction,
        is_change: bool,
        other: &str,
    ) -> Trail {
        let mut trail = Trail::None;
        let ended = self.ended();
        for stored in self.attempts(mti, numbers) {
            if !numbers.terminal.is_empty() && stored.intent.key.acceptor != numbers.acceptor {
                return Trail::Other;
            }
            trail = match &stored.outcome {
                None => Trail::Open(Arc::clone(&stored.intent)),
                Some(end) if end.response.is_approval() => match decision_of(stored, end, &ended) {
                    Some(decided) => Trail::Decided(decided),
                    None => Trail::Approved(Arc::clone(&stored.intent)),
                },
                Some(end) => match decision(end.response, direction, is_change, other) {
                    Some(decided) => Trail::Decided(decided),
                    None => trail,
                },
            };
        }
        trail
    }

    /// The trace number of the next attempt: one for which nothing was done has used up its own.
    pub(super) fn next_stan(&self, mti: Mti, numbers: &Numbers) -> u32 {
        let is_undone = |stored: &&Stored| {
            stored.outcome.as_ref().is_some_and(|end| {
                end.response == ResponseCode::HOST_UNAVAILABLE && !stored.is_undone()
            })
        };
        stan_after(numbers, self.attempts(mti, numbers).filter(is_undone).count())
    }

    /// The trace number of another attempt, whatever became of those before.
    pub(super) fn stan_behind(&self, mti: Mti, numbers: &Numbers) -> u32 {
        stan_after(numbers, self.attempts(mti, numbers).count())
    }

    /// Of a message with a terminal of its own, every attempt; of one that shares another's, those
    /// with its trace number. A transaction and a completion of one request have the same number,
    /// so that the type tells them apart.
    fn attempts<'l>(
        &'l self,
        mti: Mti,
        numbers: &'l Numbers,
    ) -> impl Iterator<Item = &'l Stored> + 'l {
        self.own.iter().filter(move |stored| {
            let key = &stored.intent.key;
            let is_it = match numbers.terminal.as_str() {
                "" => key.stan == numbers.stan,
                terminal => key.terminal == terminal,
            };
            stored.intent.mti.original() == mti && is_it
        })
    }
}

/// The trace number of an attempt behind so many.
fn stan_after(numbers: &Numbers, spent: usize) -> u32 {
    let spent = u32::try_from(spent).unwrap_or(u32::MAX);
    numbers.stan.saturating_sub(1).saturating_add(spent) % STANS + 1
}

/// What came of an approved message, if the journal alone can tell: an approval that is taken back
/// is none, unless it was the platform that let go what it had got; and what the switch has taken
/// over cannot be taken back.
fn decision_of(
    stored: &Stored,
    end: &Outcome,
    ended: &[RangeInclusive<TxnId>],
) -> Option<Decision> {
    let is_released = ended.iter().any(|ended| *ended.start() == stored.intent.txn);
    match (stored.is_undone(), end.response.is_partial()) {
        (true, true) => Some(Decision::part_taken_back()),
        (true, false) if is_released => Some(Decision::Approved),
        (true, false) => Some(Decision::Failed("it was taken back")),
        (false, _) => stored.intent.is_taken_over().then_some(Decision::Approved),
    }
}

/// Whether it placed a hold, or gave one another amount, and that still is so.
fn is_placed(stored: &Stored) -> bool {
    is_approved_hold(stored) && !stored.is_undone()
}

/// Whether it gives a hold that it names (DE48 tag 30) another amount. Messages that were recorded
/// before that was kept do not say.
fn is_change(intent: &Intent) -> bool {
    let additional = field::ADDITIONAL_DATA.number().get();
    let mut carried = intent.carried.iter().filter(|(number, _)| *number == additional);
    let names = |text: &str| tags::find(text, tags::HOLD).is_some();
    intent.mti.original() == HOLD && carried.any(|(_, text)| names(text))
}

fn is_approved_hold(stored: &Stored) -> bool {
    let is_approved = stored.outcome.as_ref().is_some_and(|outcome| {
        outcome.verdict == Verdict::Answered && outcome.response.is_approval()
    });
    is_approved && stored.intent.mti.original() == HOLD
}

/// What the bank called the hold in its answer (DE48 tag 30).
fn tag(stored: &Stored) -> String {
    let tag = stored.outcome.as_ref().and_then(|outcome| {
        let additional = field::ADDITIONAL_DATA.number().get();
        let (_, text) = outcome.answer.iter().find(|(number, _)| *number == additional)?;
        Some(tags::find(text, tags::HOLD)?.trim_end().to_owned())
    });
    tag.unwrap_or_default()
}

//! Reversals on their way: what must be undone at a host, until the host says it is.
//!
//! ```text
//!   Waiting ──its turn, its time──► Sent ──0430──► settled (gone)
//!      ▲                             │ └──a code that repeating cannot change──► Parked
//!      └──no answer, 91, 96, early 25┘      or older than it may become
//! ```
//!
//! Reversals of one account go in the order in which they were queued; those of different
//! accounts do not wait for each other. One that is parked lets the next pass. Nothing leaves
//! but by a final answer or by a person.
//!
//! "Not found" (25) is final only if the repeat that got it was sent after the guard time:
//! before that the original may still be on its way (guarantees, P4).
//!
//! It holds no clock and sends nothing. What it says must be done, the engine does.

use crate::bug::{Bug, planted};
use crate::map::Table;
use crate::plan::{ConnectionId, ReversalPlan};
use crate::record::{Intent, TxnId};
use crate::time::Tick;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use veksel_codecs::{Class, ResponseCode};

/// A reversal that is not settled.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) intent: Arc<Intent>,
    /// DE39 of the 0420: why it is sent.
    pub(crate) reason: ResponseCode,
    /// What did move, if not nothing: the first amount of DE95.
    pub(crate) actual: Option<u64>,
    /// How often it was sent.
    pub(crate) attempts: u32,
    queued: Tick,
    /// Since when it is tried by this process.
    since: Tick,
    /// How long it was tried before, in milliseconds.
    before_ms: u64,
    /// When it is sent no more.
    end: Tick,
    stage: Stage,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// To be sent at this time or later, when those before it on the account are gone.
    Waiting { due: Tick },
    /// Sent; an answer may come until the deadline.
    Sent { connection: ConnectionId, at: Tick, deadline: Tick },
    /// A person must look.
    Parked,
}

/// What an answer means for a reversal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Nothing is left to reverse.
    Settled,
    /// It is sent again later.
    Again,
    /// Repeating it cannot help.
    Park,
}

/// All reversals that are not settled.
#[derive(Debug, Default)]
pub(crate) struct Reversals {
    items: BTreeMap<TxnId, Item>,
    /// By account: those not parked, in order.
    lines: Table<u64, VecDeque<TxnId>>,
    /// Heads of lines that wait, by when they are due.
    due: BTreeSet<(Tick, TxnId)>,
    /// Sent ones, by when their answer is given up.
    sent: BTreeSet<(Tick, TxnId)>,
    /// Those not parked, by when they are sent no more.
    ends: BTreeSet<(Tick, TxnId)>,
    parked: usize,
}

/// What orders reversals: the account whose money they return. Reconciliations have none: they go
/// one after the other, each behind everything older of any account.
fn account(intent: &Intent) -> u64 {
    use core::hash::Hasher;
    let mut mix = crate::map::Mix::default();
    let account = if intent.account.is_empty() { &intent.counter_account } else { &intent.account };
    mix.write(account.as_bytes());
    mix.write_usize(account.len());
    mix.finish()
}

impl Reversals {
    /// Takes a reversal in. It may be sent at once.
    pub(crate) fn queue(&mut self, item: NewItem, now: Tick, plan: &ReversalPlan) {
        let NewItem { intent, reason, actual, attempts, age_ms: before_ms } = item;
        let due = now;
        let id = intent.txn;
        if self.items.contains_key(&id) {
            return;
        }
        let line = self.lines.entry(account(&intent)).or_default();
        line.push_back(id);
        if line.len() == 1 {
            self.due.insert((due, id));
        }
        let stage = Stage::Waiting { due };
        // However long the switch was down or its clock wrong: it is tried for a while.
        let left = plan.age_ms_max.saturating_sub(before_ms);
        let end = now.after_ms(left.max(plan.alarm_ms.min(plan.age_ms_max)));
        self.ends.insert((end, id));
        let (queued, since) = (now, now);
        let item = Item { intent, reason, actual, attempts, queued, since, before_ms, end, stage };
        self.items.insert(id, item);
    }

    /// Whether it waits to be sent.
    pub(crate) fn is_waiting(&self, id: TxnId) -> bool {
        self.items.get(&id).is_some_and(|item| matches!(item.stage, Stage::Waiting { .. }))
    }

    pub(crate) fn get(&self, id: TxnId) -> Option<&Item> {
        self.items.get(&id)
    }

    /// The connection it was sent over and has no answer from.
    pub(crate) fn sent_over(&self, id: TxnId) -> Option<ConnectionId> {
        match self.items.get(&id)?.stage {
            Stage::Sent { connection, .. } => Some(connection),
            Stage::Waiting { .. } | Stage::Parked => None,
        }
    }

    /// How many there are, parked ones too.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// How many are parked.
    pub(crate) const fn parked(&self) -> usize {
        self.parked
    }

    /// How long the oldest that is not parked has waited, in nanoseconds.
    pub(crate) fn age(&self, now: Tick) -> u64 {
        let moving = self.items.values().filter(|item| item.stage != Stage::Parked);
        let age = |item: &Item| Tick(now.since(item.since)).after_ms(item.before_ms).0;
        moving.map(age).max().unwrap_or(0)
    }

    /// How many were sent and not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.sent.len()
    }

    /// Whether one was sent over this connection and is not answered.
    pub(crate) fn is_on(&self, connection: ConnectionId) -> bool {
        let stages = self.sent.iter().filter_map(|(_, id)| self.items.get(id));
        stages.into_iter().any(
            |item| matches!(item.stage, Stage::Sent { connection: on, .. } if on == connection),
        )
    }

    /// When something is to be done; `may_send` says whether one that is due could be sent.
    pub(crate) fn timeout(&self, may_send: bool) -> Option<Tick> {
        let first = |set: &BTreeSet<(Tick, TxnId)>| set.first().map(|(at, _)| *at);
        let due = first(&self.due).filter(|_| may_send);
        [due, first(&self.sent), first(&self.ends)].into_iter().flatten().min()
    }

    /// Those that were tried for as long as they may be.
    pub(crate) fn take_aged(&self, now: Tick) -> Vec<TxnId> {
        self.ends.iter().take_while(|(end, _)| *end <= now).map(|(_, id)| *id).collect()
    }

    /// The reversals whose turn and time have come, at most `most`.
    pub(crate) fn take_due(&self, now: Tick, most: usize) -> Vec<TxnId> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, id)| *id).take(most).collect()
    }

    /// Whether this is a reconciliation and something older is still on its way, which the host's
    /// totals would lack.
    pub(crate) fn is_early(&self, id: TxnId) -> bool {
        let class = self.items.get(&id).map(|item| item.intent.mti.class());
        let mut older = self.items.range(..id).map(|(_, item)| item.stage);
        class == Some(Class::Reconciliation) && older.any(|stage| stage != Stage::Parked)
    }

    /// It was handed to a connection; `true` the first time.
    pub(crate) fn send(&mut self, id: TxnId, connection: ConnectionId, at: Tick, deadline: Tick) {
        let Some(item) = self.items.get_mut(&id) else { return };
        if let Stage::Waiting { due } = item.stage {
            self.due.remove(&(due, id));
            item.attempts = item.attempts.saturating_add(1);
            item.stage = Stage::Sent { connection, at, deadline };
            self.sent.insert((deadline, id));
        }
    }

    /// It cannot be sent now.
    pub(crate) fn postpone(&mut self, id: TxnId, due: Tick) {
        let Some(item) = self.items.get_mut(&id) else { return };
        match item.stage {
            Stage::Waiting { due: before } => {
                self.due.remove(&(before, id));
            }
            Stage::Sent { deadline, .. } => {
                self.sent.remove(&(deadline, id));
            }
            Stage::Parked => return,
        }
        item.stage = Stage::Waiting { due };
        let line = self.lines.get(&account(&item.intent));
        if line.and_then(VecDeque::front) == Some(&id) {
            self.due.insert((due, id));
        }
    }

    /// Those whose answer did not come in time, or whose connection is gone.
    pub(crate) fn take_unanswered(&mut self, now: Tick, gone: Option<ConnectionId>) -> Vec<TxnId> {
        let is_over = |(deadline, id): &&(Tick, TxnId)| {
            let on = self.items.get(id).map(|item| item.stage);
            let lost =
                matches!(on, Some(Stage::Sent { connection, .. }) if Some(connection) == gone);
            *deadline <= now || lost
        };
        match gone {
            Some(_) => self.sent.iter().filter(is_over).map(|(_, id)| *id).collect(),
            None => self.sent.iter().take_while(is_over).map(|(_, id)| *id).collect(),
        }
    }

    /// What a 0430 with this code means.
    pub(crate) fn judge(&self, id: TxnId, response: ResponseCode, plan: &ReversalPlan) -> Answer {
        let Some(item) = self.items.get(&id) else { return Answer::Again };
        match response {
            ResponseCode::APPROVED
            | ResponseCode::PARTIALLY_APPROVED
            | ResponseCode::NO_ACTION_TAKEN
            | ResponseCode::DUPLICATE => Answer::Settled,
            // It has the totals and they are not its own: telling it again changes nothing.
            ResponseCode::RECONCILE_ERROR if item.intent.mti.class() == Class::Reconciliation => {
                Answer::Settled
            }
            // A completion without its hold, a reversal that names what only its channel knows:
            // only a person can tell what happened.
            ResponseCode::NOT_FOUND if item.intent.is_taken_over() => Answer::Park,
            ResponseCode::NOT_FOUND => {
                let guard = item.queued.after_ms(plan.guard_ms);
                let is_late = matches!(item.stage, Stage::Sent { at, .. } if at >= guard);
                if is_late || planted(Bug::NotFoundAtOnce) {
                    Answer::Settled
                } else {
                    Answer::Again
                }
            }
            // A key that is being changed is no answer to what was asked.
            ResponseCode::IN_PROGRESS
            | ResponseCode::CUT_OFF
            | ResponseCode::SECURITY_VIOLATION => Answer::Again,
            code if code.is_host_fault() => Answer::Again,
            _ => Answer::Park,
        }
    }

    /// Settled or resolved: it is gone, and the next of its account may go at once.
    pub(crate) fn settle(&mut self, id: TxnId, now: Tick) {
        let Some(item) = self.items.remove(&id) else { return };
        if item.stage == Stage::Parked {
            self.parked -= 1;
        }
        self.ends.remove(&(item.end, id));
        self.leave(id, &item, now);
    }

    /// It stays, and the next of its account passes it.
    pub(crate) fn park(&mut self, id: TxnId, now: Tick) {
        let Some(mut item) = self.items.remove(&id) else { return };
        if item.stage != Stage::Parked {
            self.ends.remove(&(item.end, id));
            self.leave(id, &item, now);
            self.parked += 1;
            item.stage = Stage::Parked;
        }
        self.items.insert(id, item);
    }

    /// A person sends a parked one on its way again, behind those of its account, for as long as
    /// a new one.
    pub(crate) fn unpark(&mut self, id: TxnId, now: Tick, plan: &ReversalPlan) {
        let Some(item) = self.items.get_mut(&id) else { return };
        if item.stage != Stage::Parked {
            return;
        }
        item.stage = Stage::Waiting { due: now };
        (item.since, item.before_ms, item.end) = (now, 0, now.after_ms(plan.age_ms_max));
        self.ends.insert((item.end, id));
        self.parked -= 1;
        let line = self.lines.entry(account(&item.intent)).or_default();
        line.push_back(id);
        if line.len() == 1 {
            self.due.insert((now, id));
        }
    }

    /// One that waits for its next turn may go at once.
    pub(crate) fn hurry(&mut self, id: TxnId, now: Tick) {
        let waits = self.items.get(&id).map(|item| item.stage);
        if let Some(Stage::Waiting { .. }) = waits {
            self.postpone(id, now);
        }
    }

    /// Takes it out of its line and lets the next one become the head.
    fn leave(&mut self, id: TxnId, item: &Item, now: Tick) {
        match item.stage {
            Stage::Waiting { due } => {
                self.due.remove(&(due, id));
            }
            Stage::Sent { deadline, .. } => {
                self.sent.remove(&(deadline, id));
            }
            Stage::Parked => return,
        }
        let key = account(&item.intent);
        let Some(line) = self.lines.get_mut(&key) else { return };
        let was_head = line.front() == Some(&id);
        line.retain(|other| *other != id);
        if !was_head {
            return;
        }
        let Some(head) = line.front().copied() else {
            self.lines.remove(&key);
            return;
        };
        if let Some(next) = self.items.get_mut(&head)
            && let Stage::Waiting { due } = next.stage
        {
            let due = due.max(now);
            next.stage = Stage::Waiting { due };
            self.due.insert((due, head));
        }
    }

    /// When to send it again: doubling from the shortest wait to the longest, less a part that
    /// differs from one reversal to the next, so that they do not all come at once.
    pub(crate) fn again(&self, id: TxnId, now: Tick, plan: &ReversalPlan) -> Tick {
        let attempts = self.items.get(&id).map_or(1, |item| item.attempts).clamp(1, 32);
        let wait = plan.retry_ms.saturating_mul(1 << (attempts - 1)).min(plan.retry_ms_max).max(1);
        let spread = (id.0 ^ u64::from(attempts)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        now.after_ms(wait / 2 + spread % (wait / 2 + 1))
    }
}

/// A reversal to be queued.
#[derive(Debug)]
pub(crate) struct NewItem {
    pub(crate) intent: Arc<Intent>,
    pub(crate) reason: ResponseCode,
    pub(crate) actual: Option<u64>,
    pub(crate) attempts: u32,
    /// How long it was tried before this process, in milliseconds.
    pub(crate) age_ms: u64,
}

//! Advices, and reversals that come from channels: what cannot be declined.
//!
//! They tell of something done. The switch records that it takes them over, says 00, and sends
//! them until the host has answered for good (switch semantics 34, 44, 45).

use super::Switch;
use super::duplicate::Seeking;
use crate::answer::{Decline, acknowledge, decline};
use crate::bug::{Bug, planted};
use crate::event::{Event, Parking};
use crate::intent::{self, Way};
use crate::keys::{Fate, Known};
use crate::plan::GroupId;
use crate::record::{
    Intent, Outcome, Reason, Record, RecordId, Reversal, ReversalStep, TxnId, Verdict,
};
use crate::route::{Route, Taken};
use crate::time::Now;
use std::sync::Arc;
use veksel_codecs::structured::{OriginalData, replacement_amount};
use veksel_codecs::{Class, FieldNumber, Message, ResponseCode, field};

/// The group of what never went to one. It has no name, so that its trace number, which is none,
/// is not taken for the last of a real group.
const NOWHERE: GroupId = GroupId(u16::MAX);

const DAY_MS: u64 = 24 * 3_600_000;

/// DE66 of an answer whose sender has other totals.
const OUT_OF_BALANCE: &str = "2";

/// Characters of a total: sign and 16 digits.
const TOTAL_MAX: usize = 17;

impl Switch {
    /// An advice: recorded, acknowledged, delivered. It needs a route and nothing else: that the
    /// host is down is no reason to refuse it.
    pub(super) fn handle_advice(&mut self, now: Now, seeking: Seeking) {
        let route = match self.route(&seeking) {
            Some(Taken::Group(route)) => route,
            // What was done elsewhere cannot be done again by a bank that wants its customer to
            // approve: it is posted to the ledger, if there is one (http-contracts 4.1).
            Some(Taken::Bank(_)) => match self.route_past_banks(&seeking) {
                Some(route) => route,
                None => return self.answer_at_once(seeking, Decline::NOT_SUPPORTED),
            },
            None => {
                self.answer_at_once(seeking, Decline::NO_ROUTE);
                return;
            }
        };
        // Payments were refused long before this.
        let most = (self.plan.limits.reversals_max as usize).saturating_mul(2);
        if self.durable.reversals_open() >= most {
            self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
            return;
        }
        let Some(intent) = self.intend(now, &seeking, route) else {
            self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
            return;
        };
        let txn = intent.txn;
        self.persist(Record::Intent(Arc::new(intent)));
        self.deliver(now, txn);
        self.accept(now, seeking, txn, Reason::Advice);
    }

    /// A reversal from a channel.
    pub(super) fn handle_channel_reversal(&mut self, now: Now, seeking: Seeking) {
        let taken = self.route(&seeking);
        let named = seeking.original.clone();
        // Taken now: what is recorded below may make the table forget it.
        let original = self.original(named.as_ref());
        let original = original.and_then(|id| self.durable.keys().get(id)).cloned();
        let at_bank = original.as_ref().is_some_and(|known| known.intent.is_at_bank());
        let at_bank = at_bank || original.is_none() && matches!(taken, Some(Taken::Bank(_)));
        if at_bank {
            return self.take_back_at_bank(now, seeking, original.as_ref());
        }
        let route = taken.and_then(Taken::group);
        let actual = seeking.message.get(field::REPLACEMENT_AMOUNTS);
        let actual = actual.and_then(|text| replacement_amount(&text)).filter(|left| *left > 0);
        // What goes back goes where the original went, whatever the routes say of reversals.
        let back = original.as_ref().and_then(|known| self.way_of(&known.intent));
        let Some(route) = back.or(route) else {
            self.answer_at_once(seeking, Decline::NO_ROUTE);
            return;
        };
        let is_unknown = original.is_none() && self.may_be_forgotten(now, &seeking);
        if is_unknown && !self.has_room_for_unknown() {
            self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
            return;
        }
        let Some(intent) = self.intend(now, &seeking, route) else {
            self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
            return;
        };
        let txn = intent.txn;
        self.persist(Record::Intent(Arc::new(intent)));
        match original {
            Some(original) => self.cancel(now, &original, txn, actual),
            None if planted(Bug::TombstoneSkipped) => {}
            None => {
                if is_unknown {
                    self.deliver(now, txn);
                    self.park_reversal(now, route.group, txn, Parking::Unknown);
                }
                self.bury_unseen(now, &seeking, route, named);
            }
        }
        self.accept(now, seeking, txn, Reason::Cancelled);
    }

    /// A reversal of a payment at a bank: recorded, acknowledged, and the bank is told. Who asks
    /// for it and does not only tell hears how that ended.
    fn take_back_at_bank(&mut self, now: Now, mut seeking: Seeking, original: Option<&Known>) {
        let actual = seeking.message.get(field::REPLACEMENT_AMOUNTS);
        if actual.and_then(|text| replacement_amount(&text)).is_some_and(|left| left > 0) {
            // A bank takes back a payment and never a part of it.
            return self.answer_at_once(seeking, Decline::NOT_SUPPORTED);
        }
        let is_unknown = original.is_none() && self.may_be_forgotten(now, &seeking);
        let txn = self.durable.next_txn();
        let link = seeking.connection.link;
        let caller_key = seeking.caller_key;
        let way = Way { link, route: usize::MAX, group: NOWHERE, stan: 0, caller_key };
        let key = seeking.key.clone();
        let mut intent = intent::of(&self.plan, txn, now.utc, key, &seeking.message, way);
        if let Some(known) = original {
            intent.group.clone_from(&known.intent.group);
            intent.route.clone_from(&known.intent.route);
        }
        let intent = Arc::new(intent);
        self.persist(Record::Intent(Arc::clone(&intent)));
        match original {
            Some(original) => {
                self.cancel_payment(now, original);
                if !seeking.message.mti().is_advice() {
                    let of = (original.intent.txn, original.intent.group.as_str());
                    match self.hold_reversal(now, seeking, txn, of) {
                        Some(back) => seeking = back,
                        None => return,
                    }
                }
            }
            None => {
                if is_unknown {
                    // Nobody here knows whether it was executed: a person must look.
                    let linked = self.link_about(&seeking.message).cloned();
                    self.reopen_unknown(now, &intent, seeking.original.as_ref(), linked.as_ref());
                }
                let route = Route { index: usize::MAX, group: NOWHERE };
                let named = seeking.original.clone();
                self.bury_unseen(now, &seeking, route, named);
            }
        }
        self.accept(now, seeking, txn, Reason::Cancelled);
    }

    /// The route and group an earlier request went by, as far as the plan still has them.
    fn way_of(&self, intent: &Intent) -> Option<Route> {
        let group = self.plan.groups.iter().position(|group| group.name == intent.group)?;
        let route = self.plan.routes.iter().position(|route| route.name == intent.route);
        let (index, group) = (route.unwrap_or(usize::MAX), GroupId(u16::try_from(group).ok()?));
        Some(Route { index, group })
    }

    /// Undoes what a channel takes back: now if its outcome is known, else when it is.
    fn cancel(&mut self, now: Now, known: &Known, reversal: TxnId, actual: Option<u64>) {
        let original = known.intent.txn;
        if let Fate::Pending = known.fate {
            if let Some(txn) = self.txns.get_mut(original) {
                txn.cancelled = Some(actual);
            }
            return;
        }
        let is_accepted = matches!(
            &known.fate,
            Fate::Decided { outcome, .. } if outcome.verdict == Verdict::Accepted
        );
        if is_accepted {
            // An advice is not undone under its own number: the reversal itself is delivered,
            // behind it, because both are of one account.
            self.deliver(now, reversal);
        } else if known.is_approved() && known.undone.is_none() {
            self.durable.revive(&known.intent);
            self.queue_reversal(now, original, Reason::Cancelled, actual);
        }
    }

    /// Whether what a reversal names may have been forgotten by the journal, or cannot be told:
    /// then nobody here knows whether it was executed, nor which number the host knows it by.
    /// Clocks of channels go wrong, and some write local time into DE7; so the time kept is taken
    /// a day shorter than it is.
    fn may_be_forgotten(&self, now: Now, seeking: &Seeking) -> bool {
        let named = seeking.message.get(field::ORIGINAL_DATA);
        let named = named.and_then(|text| OriginalData::parse(&text));
        let sent = named.and_then(|original| now.utc.nearest(&original.transmission));
        let Some(sent) = sent else { return true };
        let keep = self.plan.keep_ms.saturating_sub(DAY_MS).max(self.plan.keep_ms / 2);
        let (age, ahead) = (now.utc.0.saturating_sub(sent.0), sent.0.saturating_sub(now.utc.0));
        age >= keep || ahead > DAY_MS
    }

    /// Whether there is room for one more that a person must look at. They may not take all the
    /// room that reversals have, or one channel could stop everybody's payments.
    fn has_room_for_unknown(&self) -> bool {
        self.reversals_parked() < (self.plan.limits.reversals_max as usize / 4).max(1)
    }

    /// A reversal whose original was never seen: if it comes yet, it meets a record that it was
    /// refused, and is refused again.
    fn bury_unseen(
        &mut self,
        now: Now,
        seeking: &Seeking,
        route: Route,
        named: Option<crate::record::DuplicateKey>,
    ) {
        let Some(key) = named else { return };
        let id = self.durable.next_txn();
        let link = seeking.connection.link;
        // It is not of the request that names it.
        let caller_key = None;
        let way = Way { link, route: route.index, group: NOWHERE, stan: 0, caller_key };
        let original = seeking.message.get(field::ORIGINAL_DATA);
        let mti = original.and_then(|text| OriginalData::parse(&text)).map(|o| o.mti);
        let mut intent = intent::of(&self.plan, id, now.utc, key, &seeking.message, way);
        intent.mti = mti.unwrap_or(intent.mti);
        intent.original = String::new();
        self.persist(Record::Intent(Arc::new(intent)));
        let response = ResponseCode::NO_ACTION_TAKEN;
        self.persist_outcome(now, id, Verdict::NotSent, response, Reason::Cancelled);
    }

    /// The intent of an advice or of a channel's reversal, with DE90 as the host knows it.
    fn intend(&mut self, now: Now, seeking: &Seeking, route: Route) -> Option<Intent> {
        let id = self.durable.next_txn();
        let stan = self.group_mut(route.group)?.stans.allocate(id)?;
        let link = seeking.connection.link;
        let (group, caller_key) = (route.group, seeking.caller_key);
        let way = Way { link, route: route.index, group, stan, caller_key };
        let key = seeking.key.clone();
        let mut intent = intent::of(&self.plan, id, now.utc, key, &seeking.message, way);
        intent.carried = intent::carried(&seeking.message);
        if let Some(original) = self.original(seeking.original.as_ref())
            && let Some(known) = self.durable.keys().get(original)
            && let Some(named) = OriginalData::parse(&intent.original)
        {
            let key = &known.intent.key;
            let (stan, transmission) = (known.intent.host_stan, key.transmission.clone());
            intent.original = OriginalData { stan, transmission, ..named }.format();
        }
        Some(intent)
    }

    /// Queues an advice for its host.
    fn deliver(&mut self, now: Now, txn: TxnId) {
        let step = ReversalStep::Queued { reason: Reason::Advice, actual: None };
        self.persist(Record::Reversal(Reversal { txn, utc: now.utc, step }));
        self.start_reversal(now, txn);
    }

    /// A host has compared the totals of a settlement date with its own and says that they differ
    /// (code 95, or 2 in DE66). The totals were delivered and there is nothing to repeat, so what
    /// the host says of its own is kept for the person who must find the difference.
    pub(super) fn note_imbalance(
        &mut self,
        now: Now,
        group: GroupId,
        txn: TxnId,
        response: ResponseCode,
        answer: &Message,
    ) {
        let class = self.durable.intent(txn).map(|intent| intent.mti.class());
        let text = |number: FieldNumber| Some(answer.expose(number)?.text()?.as_str().to_owned());
        let verdict = answer.get(field::SETTLEMENT_CODE);
        let differs = response == ResponseCode::RECONCILE_ERROR
            || verdict.is_some_and(|verdict| *verdict == *OUT_OF_BALANCE);
        if class != Some(Class::Reconciliation) || !differs {
            return;
        }
        let own = intent::totals().filter_map(|number| {
            let value = text(number)?;
            let value = value.chars().filter(char::is_ascii_alphanumeric).take(TOTAL_MAX);
            Some(format!(" {number}={}", value.collect::<String>()))
        });
        let own: String = own.collect();
        let own = if own.is_empty() { " not told".to_owned() } else { own };
        let detail = format!("transaction {}: out of balance; totals of the host:{own}", txn.0);
        self.note(now, "switch", "reconcile", detail);
        self.count(Event::OutOfBalance { group });
    }

    /// Says 00 once it is recorded that the switch answers for it.
    fn accept(&mut self, now: Now, seeking: Seeking, txn: TxnId, reason: Reason) {
        let response = ResponseCode::APPROVED;
        let record = self.persist_outcome(now, txn, Verdict::Accepted, response, reason);
        if !self.durable.is_reversing(txn) {
            self.release_number(txn);
            self.durable.forget(txn);
        }
        let (verdict, kind) = (Verdict::Accepted, seeking.kind);
        let link = seeking.connection.link;
        let group = None;
        let elapsed = 0;
        let event = Event::Answered { link, kind, group, response, verdict, reason, elapsed };
        self.count_answered(event, &seeking.message, (Some(txn), None));
        let mut message = seeking.message;
        acknowledge(&mut message);
        self.send(seeking.connection, message, Some(record), None, None);
    }

    /// A channel's reversal that is not itself sent needs no trace number at the host.
    fn release_number(&mut self, txn: TxnId) {
        let Some(intent) = self.durable.intent(txn) else { return };
        let stan = intent.host_stan;
        let place = self.plan.groups.iter().position(|group| group.name == intent.group);
        if let Some(group) = place.and_then(|place| self.groups.get_mut(place)) {
            group.stans.release(stan);
        }
    }

    pub(super) fn persist_outcome(
        &mut self,
        now: Now,
        txn: TxnId,
        verdict: Verdict,
        response: ResponseCode,
        reason: Reason,
    ) -> RecordId {
        let utc = now.utc;
        let outcome = Outcome { txn, utc, verdict, response, reason, answer: Vec::new() };
        self.persist(Record::Outcome(Box::new(outcome)))
    }

    /// Refuses a request before anything was done for it. A refusal is an answer like any other:
    /// the next copy must get it too, or one copy would be refused and another executed; so it is
    /// recorded. That something was not valid is not.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        seeking: Seeking,
        why: Decline,
        reason: Reason,
        group: Option<GroupId>,
    ) {
        let Seeking { connection, kind, .. } = seeking;
        let is_recorded = kind.moves_money() && why == Decline::HOST_UNAVAILABLE;
        if is_recorded && !self.has_room_for_refusal() {
            // The journal does not keep up with refusals: nothing final is said, so nothing has to
            // be remembered.
            self.answer_at_once(seeking, Decline::IN_PROGRESS);
            return;
        }
        let (link, response, verdict) = (connection.link, why.code(), Verdict::NotSent);
        let elapsed = 0;
        let event = Event::Answered { link, kind, group, response, verdict, reason, elapsed };
        self.count_answered(event, &seeking.message, (None, None));
        let mut message = self.spare();
        message.copy_from(&seeking.message);
        decline(&mut message, why);
        if !is_recorded {
            self.recycle(seeking.message);
            self.send(connection, message, None, None, None);
            return;
        }
        let id = self.durable.next_txn();
        let caller_key = seeking.caller_key;
        let way = Way { link, route: usize::MAX, group: NOWHERE, stan: 0, caller_key };
        let key = seeking.key.clone();
        let intent = intent::of(&self.plan, id, now.utc, key, &seeking.message, way);
        let record = self.persist(Record::Intent(Arc::new(intent)));
        self.persist_outcome(now, id, verdict, response, reason);
        self.refusals.push_back((record, id, seeking));
        self.send(connection, message, Some(record), None, None);
    }

    /// Whether another refusal may wait for the journal. They are bounded like what is in flight.
    pub(super) fn has_room_for_refusal(&self) -> bool {
        self.refusals.len() < self.plan.limits.in_flight_max as usize
    }

    /// After its outcome is recorded: what its channel took back meanwhile is undone.
    pub(super) fn undo_if_cancelled(&mut self, now: Now, id: TxnId, approved: bool) {
        let cancelled = self.txns.get(id).and_then(|txn| txn.cancelled);
        if let (true, Some(actual)) = (approved, cancelled) {
            self.queue_reversal(now, id, Reason::Cancelled, actual);
        }
    }
}

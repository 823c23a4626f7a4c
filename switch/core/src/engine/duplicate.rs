//! Duplicates: the same request again, and that it is never executed again.
//!
//! Recent requests and everything in flight are recognised in memory. A repeat, or a message that
//! names an original, that is not known there asks the store first and waits for what it says. For
//! everything else the store's unique index has the last word when the intent is appended.

use super::Switch;
use crate::answer::{Decline, decline, replay};
use crate::bug::{Bug, planted};
use crate::contract::{Leg, Output, Tag, Unreadable};
use crate::event::{Event, Kind, Shedding};
use crate::intent;
use crate::keys::{self, Fate, Known, Stored, same_trace};
use crate::pending::{Copy, Stage};
use crate::plan::{ConnectionId, ParticipantId};
use crate::record::{CallerKey, DuplicateKey, Outcome, Reason, RecordId, TxnId, Undoing, Verdict};
use crate::time::{Now, Tick};
use std::sync::Arc;
use veksel_codecs::structured::tags;
use veksel_codecs::{Class, Message, ResponseCode, field};

/// A request that waits for what the store remembers.
#[derive(Debug)]
pub(crate) struct Seeking {
    pub(crate) connection: ConnectionId,
    pub(crate) participant: ParticipantId,
    pub(crate) kind: Kind,
    /// When it was read.
    pub(crate) arrived: Tick,
    pub(crate) key: DuplicateKey,
    /// The key of the message it names, if it names one.
    pub(crate) original: Option<DuplicateKey>,
    pub(crate) message: Message,
    /// What a caller over HTTP knows it by.
    pub(crate) caller_key: Option<CallerKey>,
}

impl Switch {
    /// A request that can move or hold money: recognised, looked up, or new.
    pub(super) fn handle_money(&mut self, now: Now, mut seeking: Seeking, has_sought: bool) {
        self.forget_duplicate_if_planted(&mut seeking);
        let repeat = self.is_repeat(&seeking);
        if let Some(id) = self.recognise(&seeking) {
            self.handle_duplicate(now, seeking, id);
            return;
        }
        // The original of a reversal may be on its way through the store, or this request may be
        // one that somebody is just being looked up for.
        if self.is_being_sought(&seeking) || self.is_waiting(&seeking) {
            self.answer_at_once(seeking, Decline::IN_PROGRESS);
            return;
        }
        if !has_sought && self.is_late(now, &seeking) {
            self.shed(now, seeking, Shedding::Late);
            return;
        }
        // What is taken over is answered before the store's index could object.
        let is_taken_over = matches!(seeking.kind, Kind::Advice | Kind::Reversal);
        if !has_sought && !is_taken_over && repeat && !self.take_token(now, seeking.participant) {
            // Its original may have been carried out: nothing final can be said.
            self.answer_at_once(seeking, Decline::IN_PROGRESS);
            return;
        }
        if !has_sought && (repeat || is_taken_over) {
            self.seek(seeking);
            return;
        }
        match seeking.kind {
            Kind::Reversal => self.handle_channel_reversal(now, seeking),
            Kind::Advice => self.handle_advice(now, seeking),
            Kind::Payment | Kind::Hold | Kind::Inquiry | Kind::Statement | Kind::Network => {
                self.admit_and_open(now, seeking, has_sought);
            }
        }
    }

    /// Whether a participant stamps whatever it sends again anew.
    pub(super) fn stamps_anew(&self, participant: ParticipantId) -> bool {
        let plan = self.plan.participants.get(usize::from(participant.0));
        plan.is_some_and(|participant| participant.stamps_anew)
    }

    /// Whether it may have come before with another DE7.
    pub(super) fn is_repeat(&self, seeking: &Seeking) -> bool {
        seeking.message.mti().is_repeat() || self.stamps_anew(seeking.participant)
    }

    /// The request that this one is a copy of.
    pub(super) fn recognise(&self, seeking: &Seeking) -> Option<TxnId> {
        let keys = self.durable.keys();
        if !self.stamps_anew(seeking.participant) {
            return keys.find(&seeking.key, seeking.message.mti().is_repeat());
        }
        // Of several tries the last one counts, whatever the clock says.
        let newest = keys.newest(&seeking.key)?;
        if !self.may_try_anew(seeking, newest) {
            return Some(newest);
        }
        // The same DE7 is the same message still: the store has no room for a second.
        keys.find(&seeking.key, false)
    }

    /// Whether what was asked then was not done, because nobody could be asked to, and may be
    /// done now. A channel counts that as an end and takes other numbers; a participant whose
    /// messages have their numbers from the key of a payment has no others, and is told to come
    /// again.
    pub(super) fn may_try_anew(&self, seeking: &Seeking, id: TxnId) -> bool {
        let Some(known) = self.durable.keys().get(id) else { return false };
        self.stamps_anew(seeking.participant)
            && matches!(seeking.kind, Kind::Payment | Kind::Hold)
            && self.was_not_done(known)
            && known.intent.digest == intent::digest(&self.plan, &seeking.message)
            && !self.is_refusal_open(id)
    }

    /// Whether a request that ended with 90 or 91 surely moved nothing: it never left, or its host
    /// says so. A bank that is reached over HTTP is not believed, because what it did may be
    /// found out later.
    pub(super) fn was_not_done(&self, known: &Known) -> bool {
        let Fate::Decided { outcome, .. } = &known.fate else { return false };
        let is_certain = match outcome.verdict {
            Verdict::NotSent => true,
            Verdict::Answered => outcome.reason == Reason::Host && !known.intent.is_at_bank(),
            Verdict::Indefinite | Verdict::Accepted => false,
        };
        let payment = self.durable.facts().payment(known.intent.txn);
        [ResponseCode::HOST_UNAVAILABLE, ResponseCode::CUT_OFF].contains(&outcome.response)
            && is_certain
            && known.undone.is_none()
            && payment.is_none_or(|payment| payment.is_over)
    }

    /// Whether a request with these numbers is on its way to be recorded.
    pub(super) fn is_on_its_way(&self, key: &DuplicateKey) -> bool {
        let number = keys::number(key, false);
        self.seeking.values().any(|seeking| same_trace(&seeking.key, key))
            || self.groups.iter().any(|group| group.waiting.contains(number))
    }

    /// What is said while nobody can tell whether a request was executed before: nothing final,
    /// if it asks for money. What is taken over comes again until it is.
    fn untold(seeking: &Seeking) -> Decline {
        match seeking.kind {
            Kind::Payment | Kind::Hold => Decline::IN_PROGRESS,
            Kind::Advice | Kind::Reversal | Kind::Inquiry | Kind::Statement | Kind::Network => {
                Decline::HOST_UNAVAILABLE
            }
        }
    }

    /// Whether the store is being asked about it, or about something with its numbers.
    pub(super) fn is_being_sought(&self, seeking: &Seeking) -> bool {
        self.seeking.values().any(|other| {
            other.original.as_ref().is_some_and(|named| same_trace(named, &seeking.key))
                || same_trace(&other.key, &seeking.key)
        })
    }

    /// Gives a duplicate a key of its own, so that nobody recognises it.
    fn forget_duplicate_if_planted(&mut self, seeking: &mut Seeking) {
        if !planted(Bug::DuplicateExecuted) && !planted(Bug::DuplicateInFlight) {
            return;
        }
        let known = self.durable.keys().find(&seeking.key, true);
        let fate = known.and_then(|id| self.durable.keys().get(id)).map(|known| &known.fate);
        let forgotten = match fate {
            Some(Fate::Pending) => planted(Bug::DuplicateInFlight),
            Some(Fate::Decided { .. }) => planted(Bug::DuplicateExecuted),
            None => false,
        };
        if forgotten {
            seeking.key.forget_for_bug(self.durable.next_txn());
        }
    }

    /// Asks the store. Requests that wait for it are bounded like those in flight, and the last
    /// quarter of the room is for participants that do not have a quarter already, so that none
    /// keeps the reversals of the others out.
    pub(super) fn seek(&mut self, seeking: Seeking) {
        let most = self.plan.limits.in_flight_max as usize;
        let share = most.div_ceil(4);
        let is_scarce = self.seeking.len() >= most - share;
        let own = |other: &&Seeking| other.participant == seeking.participant;
        let has_share = is_scarce && self.seeking.values().filter(own).count() >= share;
        if self.seeking.len() >= most || has_share {
            let why = Self::untold(&seeking);
            self.answer_at_once(seeking, why);
            return;
        }
        let (txn, rrn) = (self.durable.next_txn(), seeking.key.rrn.clone());
        let keys = core::iter::once(&seeking.key).chain(&seeking.original).cloned().collect();
        self.seeking.insert(txn, seeking);
        self.outputs.push_back(Output::Find { txn, rrn, keys });
    }

    pub(super) fn handle_found(
        &mut self,
        now: Now,
        txn: TxnId,
        stored: Result<Vec<Stored>, Unreadable>,
    ) {
        let Some(seeking) = self.seeking.remove(&txn) else { return };
        let Ok(stored) = stored else {
            // Not knowing whether it was executed, it may not be executed.
            let why = Self::untold(&seeking);
            self.answer_at_once(seeking, why);
            return;
        };
        for stored in &stored {
            let key = &stored.intent.key;
            let original = seeking.original.as_ref();
            if same_trace(key, &seeking.key) || original.is_some_and(|o| same_trace(key, o)) {
                self.durable.learn(stored);
            }
        }
        if seeking.message.mti().class() == Class::Administrative {
            self.answer_question(now, seeking);
            return;
        }
        self.handle_money(now, seeking, true);
    }

    /// The store refused an intent: another request holds its key.
    pub(super) fn handle_conflict(&mut self, now: Now, id: TxnId, stored: Option<Stored>) {
        self.durable.refused(id);
        for group in &mut self.groups {
            group.reversals.settle(id, now.tick);
        }
        if let Some(stored) = &stored {
            self.durable.learn(stored);
        }
        if let Some(contested) = self.contested.remove(&id) {
            for seeking in contested {
                self.handle_holder(now, seeking, stored.as_ref());
            }
            return;
        }
        self.refuse_payment(now, id);
        let held = self.bridge.refused(id);
        if let Some((_, participant, _)) = held.first() {
            self.leave(*participant);
        }
        for (connection, participant, message) in held {
            let key = intent::key(&self.plan, participant, &message);
            let (kind, arrived) = (Kind::Payment, now.tick);
            let seeking = asked_again(connection, participant, kind, arrived, key, message);
            self.handle_holder(now, seeking, stored.as_ref());
        }
        self.leave_group(id, None);
        let Some(txn) = self.remove(id) else { return };
        let copies = txn.copies.into_iter().map(|copy| (copy.channel, copy.request));
        for (connection, message) in core::iter::once((txn.channel, txn.request)).chain(copies) {
            let key = intent::key(&self.plan, txn.participant, &message);
            let (participant, kind, arrived) = (txn.participant, txn.kind, txn.received.tick);
            let seeking = asked_again(connection, participant, kind, arrived, key, message);
            self.handle_holder(now, seeking, stored.as_ref());
        }
    }

    /// Answers a request whose key somebody else holds.
    fn handle_holder(&mut self, now: Now, seeking: Seeking, stored: Option<&Stored>) {
        match stored {
            Some(stored) => self.handle_duplicate(now, seeking, stored.intent.txn),
            None => {
                let why = Self::untold(&seeking);
                self.answer_at_once(seeking, why);
            }
        }
    }

    pub(super) fn handle_committed(&mut self, upto: RecordId, refused: &[TxnId]) {
        while self.refusals.front().is_some_and(|(record, _, _)| *record <= upto) {
            let Some((_, id, seeking)) = self.refusals.pop_front() else { return };
            if refused.contains(&id) {
                self.contested.entry(id).or_default().push(seeking);
            } else {
                self.recycle(seeking.message);
            }
        }
    }

    /// The same key again: the same answer, unless the content differs.
    pub(super) fn handle_duplicate(&mut self, now: Now, seeking: Seeking, id: TxnId) {
        let Some(known) = self.durable.keys().get(id) else { return };
        let link = seeking.connection.link;
        let same = known.intent.digest == intent::digest(&self.plan, &seeking.message);
        if !same && !planted(Bug::ClashReplayed) {
            self.count(Event::Clash { link });
            self.answer_at_once(seeking, Decline::DUPLICATE);
            return;
        }
        let (undone, fate) = (known.undone, known.fate.clone());
        self.count(Event::Recognised { link, in_flight: matches!(fate, Fate::Pending) });
        match fate {
            Fate::Pending => {
                if let Some(seeking) = self.join_payment(now, seeking, id) {
                    self.join_original(seeking, id);
                }
            }
            Fate::Decided { outcome, .. } if self.is_refusal_open(id) => {
                self.join_refusal(seeking, id, &outcome);
            }
            Fate::Decided { outcome, record } => {
                let approved = outcome.response.is_approval() && self.is_answering(id);
                let message = answer_again(seeking.message, &outcome, undone.is_some());
                let tag = approved.then_some(Tag { txn: id, leg: Leg::Answer });
                let tag = tag.filter(|_| undone.is_none());
                let record = undone.map_or(record, |undone| undone.record.max(record));
                if let Some(txn) = self.txns.get_mut(id).filter(|_| tag.is_some()) {
                    txn.deliveries += 1;
                }
                self.send(seeking.connection, message, Some(record), tag, None);
            }
        }
    }

    /// Whether the intent that says a request was refused is not yet durable: the store may hold
    /// its key for another.
    fn is_refusal_open(&self, id: TxnId) -> bool {
        self.contested.contains_key(&id) || self.refusals.iter().any(|(_, open, _)| *open == id)
    }

    /// A copy of a refused request shares its fate: the refusal if the store takes it, else what
    /// the holder of the key was answered.
    fn join_refusal(&mut self, seeking: Seeking, id: TxnId, outcome: &Arc<Outcome>) {
        let most = self.plan.limits.in_flight_max as usize;
        let copies = self.contested.get(&id).map_or(0, Vec::len);
        if copies >= most || !self.has_room_for_refusal() {
            self.answer_at_once(seeking, Decline::IN_PROGRESS);
            return;
        }
        if let Some(contested) = self.contested.get_mut(&id) {
            contested.push(seeking);
            return;
        }
        let Some(place) = self.refusals.iter().rposition(|(_, open, _)| *open == id) else {
            return;
        };
        let Some(record) = self.refusals.get(place).map(|(record, _, _)| *record) else { return };
        let message = answer_again(seeking.message.clone(), outcome, false);
        self.send(seeking.connection, message, Some(record), None, None);
        self.refusals.insert(place + 1, (record, id, seeking));
    }

    fn is_answering(&self, id: TxnId) -> bool {
        self.txns.get(id).is_some_and(|txn| matches!(txn.stage, Stage::Answering { .. }))
    }

    /// A copy of a request in flight waits for the same answer.
    fn join_original(&mut self, seeking: Seeking, id: TxnId) {
        let most = self.plan.limits.in_flight_max as usize;
        let Seeking { connection: channel, message: request, .. } = seeking;
        match self.txns.get_mut(id) {
            Some(txn) if txn.copies.len() < most => txn.copies.push(Copy { channel, request }),
            Some(_) | None => {
                let mut request = request;
                decline(&mut request, Decline::IN_PROGRESS);
                self.send(channel, request, None, None, None);
            }
        }
    }

    /// Declines without a record: nothing was and nothing will be done for this copy.
    pub(super) fn answer_at_once(&mut self, seeking: Seeking, why: Decline) {
        let mut message = seeking.message;
        decline(&mut message, why);
        let event = Event::Answered {
            link: seeking.connection.link,
            kind: seeking.kind,
            group: None,
            response: why.code(),
            verdict: Verdict::NotSent,
            reason: Reason::Duplicate,
            elapsed: 0,
        };
        self.count_answered(event, &message, (None, None));
        self.send(seeking.connection, message, None, None, None);
    }

    /// What is known of the original that a message names, by its key but for DE7.
    pub(super) fn original(&self, named: Option<&DuplicateKey>) -> Option<TxnId> {
        let (keys, named) = (self.durable.keys(), named?);
        let mut participants = self.plan.participants.iter();
        match participants.any(|plan| plan.stamps_anew && plan.name == named.participant) {
            true => keys.newest(named),
            false => keys.find(named, true),
        }
    }
}

/// A request whose intent the store refused. It gets the answer of whoever holds its key, and no
/// record of its own: what it names, and what its caller knows it by, is not asked any more.
fn asked_again(
    connection: ConnectionId,
    participant: ParticipantId,
    kind: Kind,
    arrived: Tick,
    key: DuplicateKey,
    message: Message,
) -> Seeking {
    let (original, caller_key) = (None, None);
    Seeking { connection, participant, kind, arrived, key, original, message, caller_key }
}

/// The answer to a copy. An approval whose money went back, or is about to, is not given again.
pub(super) fn answer_again(mut message: Message, outcome: &Arc<Outcome>, undone: bool) -> Message {
    if undone && outcome.response.is_approval() {
        decline(&mut message, Decline::OUTCOME_UNKNOWN);
    } else {
        replay(&mut message, outcome);
    }
    message
}

/// Says in DE48 of a 68 how far what it is about is undone, and of a 91 that it is how that ended
/// and nothing was done, not that the question cannot be answered.
pub(super) fn tell_ending(message: &mut Message, undoing: Option<Undoing>, was_not_done: bool) {
    let response = message.get(field::RESPONSE_CODE);
    let own = match undoing {
        Some(stage) if response == Some(ResponseCode::OUTCOME_UNKNOWN) => {
            (tags::REVERSAL, stage.word())
        }
        _ if was_not_done => (tags::ENDED, NOT_DONE),
        _ => return,
    };
    let said = message.get(field::ADDITIONAL_DATA).map(|text| text.to_string());
    let said = said.unwrap_or_default();
    let said = tags::parse(&said).unwrap_or_default();
    let text = tags::format(said.into_iter().chain([own]));
    message.set(field::ADDITIONAL_DATA, &text);
}

/// How a request ended that was answered 90 or 91 and never carried out.
const NOT_DONE: &str = "not_done";

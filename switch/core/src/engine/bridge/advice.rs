//! Telling a channel how a payment ended (0620, or 0220 to who knows no 06xx), until it says that
//! it knows (0630, 0230).

use super::{Switch, Task};
use crate::bridge::{order, schedule};
use crate::event::Event;
use crate::plan::{ConnectionId, ParticipantPlan};
use crate::record::{Intent, TxnId};
use crate::time::Now;
use std::collections::BTreeMap;
use std::sync::Arc;
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Message, Mti, ResponseCode, field};

/// First and longest wait before an advice is repeated, in milliseconds.
const RETRY_MS: (u64, u64) = (5_000, 300_000);

/// How long an advice is repeated, in milliseconds after its payment was received.
const AGE_MS_MAX: u64 = 3 * 24 * 3_600_000;

const ANSWER: Mti = Mti::known(b"0630");
const COMPLETION_ANSWER: Mti = Mti::known(b"0230");

/// Advices under way.
#[derive(Debug, Default)]
pub(super) struct Advices {
    last: u32,
    /// By the trace number they go under, one for each payment.
    by_stan: BTreeMap<u32, TxnId>,
    /// The trace number and how often it was sent.
    sent: BTreeMap<TxnId, (u32, u32)>,
}

impl Advices {
    /// The trace number of an advice and how often it was sent before.
    fn next(&mut self, txn: TxnId) -> (u32, u32) {
        if let Some((stan, attempts)) = self.sent.get_mut(&txn) {
            *attempts += 1;
            return (*stan, *attempts - 1);
        }
        if self.last == 0 {
            // Not where the last process began.
            self.last = u32::try_from(txn.0 % 999_999).unwrap_or_default();
        }
        // There are fewer payments than trace numbers.
        for _ in 0..=self.by_stan.len() {
            self.last = self.last % 999_999 + 1;
            if !self.by_stan.contains_key(&self.last) {
                break;
            }
        }
        self.by_stan.insert(self.last, txn);
        self.sent.insert(txn, (self.last, 1));
        (self.last, 0)
    }

    /// How often an advice was sent.
    fn sent(&self, txn: TxnId) -> u32 {
        self.sent.get(&txn).map_or(0, |(_, attempts)| *attempts)
    }

    pub(super) fn forget(&mut self, txn: TxnId) {
        if let Some((stan, _)) = self.sent.remove(&txn) {
            self.by_stan.remove(&stan);
        }
    }
}

impl Switch {
    /// A payment ended and nobody waited for it: its channel is to be told, if its bank's plan
    /// says so and there is anything to tell.
    pub(in crate::engine) fn advise(&mut self, now: Now, txn: TxnId, response: ResponseCode) {
        let Some(payment) = self.durable.facts().payment(txn) else { return };
        let bank = self.bank_named(&payment.bank);
        let advises = bank.and_then(|bank| self.bank(bank)).is_some_and(|bank| bank.advises);
        if !advises || payment.advice.is_some() || payment.told == Some(response) {
            return;
        }
        self.change(now, txn, |payment| payment.advice = Some(response));
        self.bridge.plan(Task::Advice(txn), now.tick);
    }

    /// An approval reached its channel, or did not. If no copy of it did, the channel is told by an
    /// advice.
    pub(in crate::engine) fn handle_payment_answered(
        &mut self,
        now: Now,
        txn: TxnId,
        written: bool,
    ) {
        let Some((left, any)) = self.bridge.delivering.get_mut(&txn) else { return };
        *left = left.saturating_sub(1);
        *any |= written;
        if *left > 0 {
            return;
        }
        let was_told = *any;
        self.bridge.delivering.remove(&txn);
        if !was_told {
            self.advise(now, txn, ResponseCode::APPROVED);
        }
        self.end_if_over(now, txn);
    }

    pub(super) fn send_advice(&mut self, now: Now, txn: TxnId) {
        let Some(payment) = self.durable.facts().payment(txn).cloned() else { return };
        let Some(response) = payment.advice else { return };
        let Some(intent) = self.durable.intent(txn).cloned() else { return };
        if now.utc.0.saturating_sub(payment.utc.0) > AGE_MS_MAX {
            self.count(Event::Unadvised { txn });
            self.change(now, txn, |payment| payment.advice = None);
            return self.end_if_over(now, txn);
        }
        let Some(channel) = self.channel_of(&intent, self.bridge.advices.sent(txn)) else {
            // It is told when its channel comes back; until then it is looked for slowly.
            self.bridge.plan(Task::Advice(txn), now.tick.after_ms(RETRY_MS.0));
            return;
        };
        let (stan, before) = self.bridge.advices.next(txn);
        let told_by = self.told_by(&intent);
        let mut message = self.spare();
        let mti = if before > 0 { told_by.repeat() } else { told_by };
        build(&mut message, &intent, response, stan, mti);
        if response.is_approval() {
            message.set(field::APPROVAL, &order::approval(&payment.key));
        }
        if let Some(text) = self.said(txn).text() {
            message.set(field::ADDITIONAL_DATA, &text);
        }
        // The fact that it is to be told was recorded in an earlier batch or in this one.
        let after = self.durable.last_record();
        self.count(Event::Advised { link: channel.link, attempt: before });
        self.send(channel, message, Some(after), None, None);
        let wait = schedule::retry(before + 1, RETRY_MS.0, RETRY_MS.1);
        self.bridge.plan(Task::Advice(txn), now.tick.after_ms(wait));
    }

    /// What the participant that a request came from is told by.
    fn told_by(&self, intent: &Intent) -> Mti {
        let participant = &intent.key.participant;
        let plan = self.plan.participants.iter().find(|plan| plan.name == *participant);
        plan.map_or(ParticipantPlan::TOLD_BY, |plan| plan.told_by)
    }

    /// A connection of the participant that a request came from, over the same link.
    fn channel_of(&self, intent: &Intent, before: u32) -> Option<ConnectionId> {
        let place = self.plan.links.iter().position(|link| link.name == intent.link)?;
        let link = crate::plan::LinkId(u16::try_from(place).ok()?);
        let mut online = self.online_channels(link, &intent.key.participant);
        // The newest first, and the others in turn: one of them has the terminal behind it.
        online.sort_unstable_by_key(|connection| core::cmp::Reverse(connection.serial));
        let place = usize::try_from(before).unwrap_or_default().checked_rem(online.len())?;
        online.get(place).copied()
    }

    /// The answer to an advice; gives back anything else.
    pub(in crate::engine) fn take_advice_answer(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
    ) -> Option<Message> {
        let stan = message.get(field::STAN).and_then(|stan| u32::try_from(stan).ok());
        let is_answer = [ANSWER, COMPLETION_ANSWER].contains(&message.mti());
        let txn = stan.filter(|_| is_answer);
        let txn = txn.and_then(|stan| self.bridge.advices.by_stan.get(&stan).copied());
        let Some(txn) = txn else { return Some(message) };
        let intent: Option<Arc<Intent>> = self.durable.intent(txn).cloned();
        // Another participant's answer settles nothing, nor one to an advice of another payment,
        // whose number was the same before a restart.
        let rrn = message.get(field::RRN);
        let rrn = rrn.as_ref().map(|rrn| rrn.trimmed()).unwrap_or_default();
        let is_theirs = intent.is_some_and(|intent| {
            self.told_by(&intent).response() == Some(message.mti())
                && self.acts_as(connection, &intent.key.participant)
                && (rrn.is_empty() || rrn == intent.key.rrn)
        });
        if !is_theirs {
            return Some(message);
        }
        if message.get(field::RESPONSE_CODE).is_some_and(|code| !code.is_approval()) {
            // It was read and not taken: it is sent again.
            self.recycle(message);
            return None;
        }
        self.recycle(message);
        self.bridge.advices.forget(txn);
        self.bridge.unplan(&Task::Advice(txn));
        self.change(now, txn, |payment| payment.advice = None);
        self.end_if_over(now, txn);
        None
    }
}

fn build(message: &mut Message, intent: &Intent, response: ResponseCode, stan: u32, mti: Mti) {
    message.set_mti(mti);
    let key = &intent.key;
    let original = OriginalData {
        mti: intent.mti.original(),
        stan: key.stan,
        transmission: key.transmission.clone(),
        acquirer: key.acquirer.clone(),
        forwarder: intent.forwarder.clone(),
    };
    let texts = [
        (field::PROCESSING_CODE, intent.code.as_str()),
        (field::TRANSMISSION, &key.transmission),
        (field::LOCAL_TIME, &intent.local_time),
        (field::LOCAL_DATE, &intent.local_date),
        (field::ACQUIRER, &key.acquirer),
        (field::FORWARDER, &intent.forwarder),
        (field::RRN, &key.rrn),
        (field::TERMINAL, &key.terminal),
        (field::ACCEPTOR, &key.acceptor),
        (field::ORIGINAL_DATA, &original.format()),
    ];
    for (key, value) in texts {
        if !value.is_empty() {
            message.set(key, value);
        }
    }
    message.set(field::AMOUNT, intent.amount);
    message.set(field::STAN, stan.into());
    message.set(field::RESPONSE_CODE, response);
    if intent.currency != 0 {
        message.set(field::CURRENCY, intent.currency.into());
    }
    for (key, value) in
        [(field::ACCOUNT, &intent.account), (field::COUNTER_ACCOUNT, &intent.counter_account)]
    {
        if !value.is_empty() {
            message.set(key, value);
        }
    }
}

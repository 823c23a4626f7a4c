//! What leaves a shard once nothing holds it, to whomever it goes; and what comes in over HTTP.

use super::Turning;
use crate::callers::refuse;
use crate::gate::Held;
use crate::port;
use veksel_api::{Asked, Posted};
use veksel_core::enquiry::{Ask, CallId, Failed, Failure, Told, Verdict};
use veksel_core::{Input, Now, RecordId, Tick, Unsent};

/// Messages of callers over HTTP that are taken in one turn.
const POSTS_TURN: usize = 256;

impl Turning {
    /// Lets it out, or keeps it until its record is durable.
    pub(super) fn pass(&mut self, after: Option<RecordId>, held: Held) {
        match self.gate.pass(after, held) {
            Some(Held::Letter(letter)) => self.write(letter),
            Some(Held::Ask(ask, _)) => self.enquire(*ask),
            Some(Held::Told(id, told)) => self.tell(id, *told),
            Some(Held::News(news)) => self.shard.enquirer.notifier.tell(*news),
            None => {}
        }
    }

    /// Lets out what had to wait, unless that took too long.
    pub(super) fn release(&mut self, now: Now, held: Held) {
        match held {
            Held::Letter(letter) => match (letter.tag, letter.expires) {
                (Some(tag), Some(expires)) if now.tick >= expires => {
                    let input = Input::Unsent { tag, why: Unsent::Expired };
                    self.shard.wires.spare(letter.message);
                    self.shard.switch.handle(now, input);
                }
                _ => self.write(letter),
            },
            Held::Ask(ask, since) => match left(&ask, since, now.tick) {
                Some(within_ms) => self.enquire(Ask { within_ms, ..*ask }),
                // Nobody is asked, so nothing came of it: an order that waited too long for its
                // record is not sent after its channel was told.
                None => {
                    let verdict = Verdict::Failed(Failure::before(Failed::Unavailable));
                    let late = Input::Answered { id: ask.id, verdict: Box::new(verdict) };
                    self.shard.switch.handle(now, late);
                }
            },
            Held::Told(id, told) => self.tell(id, *told),
            Held::News(news) => self.shard.enquirer.notifier.tell(*news),
        }
    }

    /// What waited for a record that the store refused. Of a question the engine hears nothing,
    /// as it hears nothing of such a message: the record never was.
    pub(super) fn drop_held(&mut self, held: Held) {
        match held {
            Held::Letter(letter) => self.shard.wires.spare(letter.message),
            Held::Ask(..) | Held::News(_) => {}
            Held::Told(id, _) => self.tell(id, Told::Busy),
        }
    }

    fn enquire(&mut self, ask: Ask) {
        if let Some(instead) = self.shard.enquirer.ask(ask) {
            self.shard.observer.metrics.enquiries_refused.inc();
            self.shard.switch.handle(self.shard.clock.now(), instead);
        }
    }

    fn tell(&mut self, id: CallId, told: Told) {
        self.shard.callers.tell(id, told);
    }

    /// Takes in what is asked in messages, unless the switch is stopping: what is there, so that
    /// the records of one turn are one batch.
    pub(super) fn take_posts(&mut self, first: Posted) {
        let (mut next, mut taken) = (Some(first), 0_usize);
        while let Some(posted) = next {
            if self.draining_until.is_some() {
                port::refuse(posted.reply);
            } else if let Some(input) = self.shard.port.take(posted) {
                self.hear(input);
            }
            taken += 1;
            let has_room = taken < POSTS_TURN && !self.is_full();
            next = if has_room { self.shard.port.posts.try_recv().ok() } else { None };
        }
    }

    /// Takes a call in, unless the switch is stopping.
    pub(super) fn take_call(&mut self, asked: Asked) {
        if self.draining_until.is_some() {
            refuse(asked.reply);
            return;
        }
        if let Some(input) = self.shard.callers.take(asked) {
            self.hear(input);
        }
    }
}

/// What is left of the time of a question, in milliseconds; `None` if it is over.
fn left(ask: &Ask, since: Tick, now: Tick) -> Option<u64> {
    let left = ask.within_ms.saturating_sub(now.since(since) / 1_000_000);
    (left > 0).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_core::enquiry::{Addressee, AskId, Enquiry};

    #[test]
    fn what_waited_for_its_record_longer_than_it_may_take_is_not_asked() {
        let enquiry = Enquiry::Review { applicant: String::new() };
        let (id, to, trace) = (AskId(7), Addressee::Kyc, String::new());
        let ask = Ask { id, to, enquiry, within_ms: 3_000, trace, txn: None, address: None };
        let since = Tick(5_000_000_000);
        for (waited_ms, expected) in
            [(0, Some(3_000)), (1_200, Some(1_800)), (2_999, Some(1)), (3_000, None), (9_000, None)]
        {
            assert_eq!(left(&ask, since, since.after_ms(waited_ms)), expected, "{waited_ms}");
        }
    }
}

//! What leaves a shard once nothing holds it, to whomever it goes; and what comes in over HTTP.

use super::Turning;
use crate::callers::refuse;
use crate::gate::Held;
use crate::port;
use veksel_api::{Asked, Posted};
use veksel_core::enquiry::{Ask, CallId, Told};
use veksel_core::{Input, Now, RecordId, Unsent};

/// Messages of callers over HTTP that are taken in one turn.
const POSTS_TURN: usize = 256;

impl Turning {
    /// Lets it out, or keeps it until its record is durable.
    pub(super) fn pass(&mut self, after: Option<RecordId>, held: Held) {
        match self.gate.pass(after, held) {
            Some(Held::Letter(letter)) => self.write(letter),
            Some(Held::Ask(ask)) => self.enquire(*ask),
            Some(Held::Told(id, told)) => self.tell(id, *told),
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
            Held::Ask(ask) => self.enquire(*ask),
            Held::Told(id, told) => self.tell(id, *told),
        }
    }

    /// What waited for a record that the store refused. Of a question the engine hears nothing,
    /// as it hears nothing of such a message: the record never was.
    pub(super) fn drop_held(&mut self, held: Held) {
        match held {
            Held::Letter(letter) => self.shard.wires.spare(letter.message),
            Held::Ask(_) => {}
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

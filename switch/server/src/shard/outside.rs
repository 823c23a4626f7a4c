//! What leaves a shard once nothing holds it, to whomever it goes; and what comes in over HTTP.

use super::Turning;
use crate::callers::refuse;
use crate::gate::Held;
use veksel_api::Asked;
use veksel_core::enquiry::{Ask, CallId, Told};
use veksel_core::{Input, Now, RecordId, Unsent};

impl Turning {
    /// Lets it out, or keeps it until its record is durable.
    pub(super) fn pass(&mut self, after: Option<RecordId>, held: Held) {
        match self.gate.pass(after, held) {
            Some(Held::Letter(letter)) => self.write(letter),
            Some(Held::Ask(ask)) => self.enquire(*ask),
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
            Held::Ask(ask) => self.enquire(*ask),
            Held::Told(id, told) => self.tell(id, *told),
            Held::News(news) => self.shard.enquirer.notifier.tell(*news),
        }
    }

    /// What waited for a record that the store refused. Of a question the engine hears nothing,
    /// as it hears nothing of such a message: the record never was.
    pub(super) fn drop_held(&mut self, held: Held) {
        match held {
            Held::Letter(letter) => self.shard.wires.spare(letter.message),
            Held::Ask(_) | Held::News(_) => {}
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

//! What is outside the switch: the bank's end of the host connections, and the terminals.

use super::{CHANNEL, HEAL_MS, Happening, TERMINALS, World, show};
use crate::channel::{Mood, PATIENCE_MS, Payment};
use veksel_codecs::{Message, ResponseCode, field};
use veksel_core::{ConnectionId, Input, LinkId};

impl World {
    pub(super) fn host_up(&mut self, place: usize) {
        if self.switch.is_none() || !self.bank_is_up || self.hosts[place].is_some() {
            return;
        }
        self.serial += 1;
        let link = LinkId(1 + u16::from(place >= 2));
        let connection = ConnectionId { link, serial: self.serial };
        self.hosts[place] = Some(connection);
        self.tell(Input::LinkUp(connection));
    }

    pub(super) fn host_lost(&mut self, connection: ConnectionId) {
        let Some(place) = self.hosts.iter().position(|host| *host == Some(connection)) else {
            return;
        };
        self.say(|_| format!("host connection {} is lost", connection.serial));
        self.hosts[place] = None;
        self.told.push_back(Input::LinkDown(connection));
        let after = self.chance.between(100, 5_000);
        self.after(after, Happening::HostUp(place));
    }

    pub(super) fn bank_down(&mut self) {
        self.say(|_| "bank is down".into());
        self.bank_is_up = false;
        for connection in self.hosts.into_iter().flatten() {
            self.host_lost(connection);
        }
    }

    /// Somebody reloads: other times and limits, and now and then the older host connections are
    /// made by settings that no longer hold.
    pub(super) fn replan(&mut self) {
        let Some(mut plan) = self.switch.as_ref().map(|switch| switch.plan().clone()) else {
            return;
        };
        let payment_ms = self.chance.between(6_000, 15_000);
        plan.groups[0].deadlines.payment_ms = payment_ms;
        plan.groups[0].breaker.failures_max =
            u32::try_from(self.chance.between(3, 12)).unwrap_or(8);
        plan.limits.keys_max = u32::try_from(self.chance.between(16, 40)).unwrap_or(24);
        plan.routes[0].name = format!("all but {payment_ms}");
        self.say(|_| format!("another plan: payments in {payment_ms} ms"));
        self.mix(&[11, payment_ms]);
        self.tell(Input::Replan(Box::new(plan)));
        let newest = self.hosts.iter().flatten().map(|connection| connection.serial).max();
        if let Some(since) = newest.filter(|_| self.chance.often(500_000)) {
            for link in [LinkId(1), LinkId(2)] {
                self.tell(Input::Renewed { link, since });
            }
        }
    }

    pub(super) fn at_bank(&mut self, connection: ConnectionId, request: Message) {
        if !self.bank_is_up {
            return;
        }
        let is_echo = request.has(field::NETWORK_CODE);
        let code = if !is_echo && self.strikes(self.faults.host_fault) {
            *self.chance.pick(&["91", "96"])
        } else {
            self.bank.execute(&request)
        };
        self.mix(&[3, connection.serial, request.get(field::STAN).unwrap_or_default()]);
        self.say(|_| format!("bank: {} -> {code}", show(connection, &request)));
        if !is_echo && self.strikes(self.faults.bank_crash) {
            self.bank_down();
            let after = self.chance.between(100, 20_000);
            self.after(after, Happening::BankUp);
            return;
        }
        let mut answer = self.bank.answer(&request, code);
        let mut after = self.travel();
        if !is_echo {
            if self.strikes(self.faults.answer_never) {
                return;
            }
            if self.strikes(self.faults.answer_late) {
                after += self.chance.between(14_000, 40_000);
            }
            if self.strikes(self.faults.answer_wrong) {
                self.falsify(&mut answer);
            }
            if self.strikes(self.faults.answer_twice) {
                let again = after + self.travel();
                let copy = Input::Received { connection, message: answer.clone() };
                self.after(again, Happening::Tell(copy));
            }
        }
        self.after(after, Happening::Tell(Input::Received { connection, message: answer }));
    }

    /// An answer that is not the answer to this request. It approves, so that taking it shows.
    pub(super) fn falsify(&mut self, answer: &mut Message) {
        match self.chance.below(3) {
            0 => {
                let amount = answer.get(field::AMOUNT).unwrap_or_default();
                answer.set(field::AMOUNT, amount + 1);
            }
            1 => answer.set(field::TERMINAL, "T0000002"),
            _ => answer.set(field::RRN, "999999999999"),
        }
        answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    }

    pub(super) fn terminal_up(&mut self, place: usize) {
        if self.switch.is_none() || self.terminals[place].is_some() {
            return;
        }
        self.serial += 1;
        let connection = ConnectionId { link: CHANNEL, serial: self.serial };
        self.terminals[place] = Some(connection);
        self.tell(Input::LinkUp(connection));
    }

    pub(super) fn connection_lost(&mut self, connection: ConnectionId) {
        if let Some(place) = self.terminals.iter().position(|t| *t == Some(connection)) {
            self.terminal_lost(place);
            self.told.push_back(Input::LinkDown(connection));
            let after = self.chance.between(10, 2_000);
            self.after(after, Happening::TerminalUp(place));
        }
    }

    pub(super) fn terminal_lost(&mut self, place: usize) {
        self.terminals[place] = None;
    }

    pub(super) fn start(&mut self, place: usize) {
        if self.strikes(self.faults.overtake) {
            self.payments[place].mood = Mood::TakingBack;
            self.ask(place, true);
            let after = self.chance.between(0, 2_000);
            self.after(after, Happening::Copy(place));
            return;
        }
        self.ask(place, false);
        if self.strikes(self.faults.send_twice) {
            let after = self.chance.below(3_000);
            self.after(after, Happening::Copy(place));
        }
    }

    /// Sends the request of a payment, or its reversal, and begins to wait.
    pub(super) fn ask(&mut self, place: usize, reversal: bool) {
        let terminal = (place + self.chance.below(2) as usize) % TERMINALS;
        self.payments[place].wait += 1;
        let wait = self.payments[place].wait;
        self.after(PATIENCE_MS, Happening::Patience(place, wait));
        let Some(connection) = self.terminals[terminal] else { return };
        let payment = &mut self.payments[place];
        let repeat = payment.sends > 0 && payment.sends.is_multiple_of(2);
        let message = if reversal { payment.reversal() } else { payment.request(repeat) };
        let key = (connection.serial, payment.rrn(), reversal);
        self.asked.entry(key).or_default().0 += 1;
        self.say(|_| format!("terminal sends {}", show(connection, &message)));
        let after = self.travel();
        self.after(after, Happening::Tell(Input::Received { connection, message }));
    }

    pub(super) fn lose_patience(&mut self, place: usize, wait: u32) {
        if self.payments[place].wait != wait {
            return;
        }
        let mood = self.payments[place].mood;
        match mood {
            Mood::Done => {}
            Mood::TakingBack => self.ask(place, true),
            Mood::Asking if self.strikes(self.faults.give_up) => {
                self.payments[place].mood = Mood::Done;
            }
            Mood::Asking => {
                let is_clash = self.payments[place].clash_of.is_some();
                if is_clash && self.now_ms > HEAL_MS + 60_000 {
                    self.payments[place].mood = Mood::Done;
                } else if self.payments[place].sends < 4
                    || self.strikes(self.faults.repeat)
                    || is_clash
                    || self.payments[place].advice
                {
                    self.ask(place, false);
                } else {
                    self.payments[place].mood = Mood::TakingBack;
                    self.ask(place, true);
                }
            }
        }
    }

    pub(super) fn at_terminal(&mut self, connection: ConnectionId, answer: &Message) {
        self.say(|_| format!("terminal hears {}", show(connection, answer)));
        let Some(rrn) = answer.get(field::RRN).map(|rrn| rrn.to_string()) else { return };
        let code = answer.get(field::RESPONSE_CODE).map(|code| code.to_string());
        let Some(code) = code else { return };
        let reversal = answer.mti().as_str() == "0430";
        let asked = self.asked.entry((connection.serial, rrn.clone(), reversal)).or_default();
        asked.1 += 1;
        if asked.1 > asked.0 {
            self.wrong.push(format!("I9: more answers than requests for {rrn} ({code})"));
        }
        let amount = answer.get(field::AMOUNT);
        let mine = |payment: &Payment| payment.rrn() == rrn && Some(payment.amount) == amount;
        let mine = self.payments.iter_mut().find(|payment| mine(payment));
        let Some(payment) = mine else {
            self.wrong.push(format!("I3: {rrn} was answered for another amount, {amount:?}"));
            return;
        };
        let place = payment.number as usize;
        if reversal {
            payment.taken_back |= code == "00";
            // 94: somebody else has taken back something else under these numbers.
            if code == "00" || code == "94" {
                payment.mood = Mood::Done;
            }
            return;
        }
        self.counts.approvals += u64::from(code == "00");
        // In progress is no answer: the terminal asks again.
        if code == "09" {
            return;
        }
        payment.heard.insert(code.clone());
        if payment.mood != Mood::Asking {
            return;
        }
        payment.mood = Mood::Done;
        let may = !payment.advice && payment.clash_of.is_none();
        if may && code == "00" && self.strikes(self.faults.take_back) {
            self.payments[place].mood = Mood::TakingBack;
            self.ask(place, true);
        }
    }
}

//! Admission: which request is carried, which waits a little, and which is shed with 91.
//!
//! In this order: does its participant keep its rate and its number in flight; has the switch
//! room, of which a part is kept for reversals and advices; is anybody there to carry it; is
//! there room at its group, or in the line before it. Nothing is recorded of what waits.
//!
//! That an inquiry is shed costs nothing. That a payment is shed is recorded like any refusal:
//! memory may have forgotten, and the store alone knows for certain, that these numbers were
//! carried out before; then its channel must hear what became of them and not 91, which says
//! that no money moved.

use super::choice::Wish;
use super::duplicate::Seeking;
use super::{Group, Switch};
use crate::admission::Waiter;
use crate::answer::Decline;
use crate::event::{Event, Kind, Shedding};
use crate::fact::Linked;
use crate::keys;
use crate::plan::{GroupId, ParticipantId};
use crate::record::Reason;
use crate::route::{Route, Taken};
use crate::time::Now;
use veksel_codecs::Message;

impl Switch {
    /// A request that nobody has seen before: admitted and sent, or turned away with nothing to
    /// undo. `is_charged` if it took its token already.
    pub(super) fn admit_and_open(&mut self, now: Now, seeking: Seeking, is_charged: bool) {
        if self.full && seeking.kind.moves_money() {
            // Not even the refusal can be recorded. Who would have paid at a bank hears that it is
            // our fault (http-contracts 4.4).
            let at_bank = matches!(self.route(&seeking), Some(Taken::Bank(_)));
            let why = if at_bank { Decline::MALFUNCTION } else { Decline::HOST_UNAVAILABLE };
            self.answer_at_once(seeking, why);
            return;
        }
        let channel = self.channels.get(&seeking.connection.serial);
        let signed_off = channel.is_some_and(|channel| !channel.is_online());
        let is_owing = seeking.kind.moves_money()
            && self.durable.reversals_open() >= self.plan.limits.reversals_max as usize;
        if self.draining || signed_off || is_owing {
            let (why, reason) = (Decline::HOST_UNAVAILABLE, Reason::Overload);
            return self.refuse(now, seeking, why, reason, None);
        }
        let Some(taken) = self.route(&seeking) else {
            return self.refuse(now, seeking, Decline::NO_ROUTE, Reason::NoConnection, None);
        };
        if let Err(why) = self.admit(now, &seeking, is_charged) {
            return self.shed(now, seeking, why);
        }
        self.count(Event::Routed { link: seeking.connection.link, route: taken.index() });
        let route = match taken {
            Taken::Group(route) => route,
            Taken::Bank(index) => return self.handle_at_bank(now, seeking, index, is_charged),
        };
        let window_max = self.window_max(route.group);
        let Some(group) = self.group_mut(route.group) else { return };
        let has_room = group.in_flight < window_max && group.waiting.is_empty();
        if has_room || !group.is_usable() {
            self.dispatch(now, seeking, route);
        } else {
            self.wait(now, seeking, route);
        }
    }

    /// The route of a request, by what is linked now.
    pub(super) fn route(&self, seeking: &Seeking) -> Option<Taken> {
        let is_linked = |message: &Message| self.leads_to_bank(message);
        self.plan.route(&seeking.message, seeking.participant, is_linked)
    }

    /// Whether a request is about an account that is at a bank. A link that no bank has ever agreed
    /// to leads nowhere: whoever only asks for one takes no account from the hosts.
    fn leads_to_bank(&self, message: &Message) -> bool {
        self.link_about(message).is_some_and(Linked::was_agreed)
    }

    /// The route of a request that no bank takes.
    pub(super) fn route_past_banks(&self, seeking: &Seeking) -> Option<Route> {
        let is_linked = |message: &Message| self.leads_to_bank(message);
        self.plan.route_past_banks(&seeking.message, seeking.participant, is_linked)
    }

    /// Whether the participant may send this, and the switch has room for it.
    pub(super) fn admit(
        &mut self,
        now: Now,
        seeking: &Seeking,
        is_charged: bool,
    ) -> Result<(), Shedding> {
        let place = usize::from(seeking.participant.0);
        let most = self.plan.participants.get(place).map_or(0, |plan| plan.in_flight_max);
        let own = self.participants.get(place).map_or(u32::MAX, |own| own.in_flight);
        if !is_charged && !self.take_token(now, seeking.participant) {
            return Err(Shedding::Rate);
        }
        if own >= most {
            return Err(Shedding::InFlight);
        }
        let limits = self.plan.limits;
        let all = u64::from(limits.in_flight_max);
        let kept = all * u64::from(limits.reserved_percent) / 100;
        let is_payment = seeking.kind.moves_money();
        let is_full = self.in_flight() as u64 >= all.saturating_sub(kept);
        if is_full && !self.shed_oldest(now, is_payment) {
            return Err(Shedding::Full);
        }
        Ok(())
    }

    /// Takes a token of the participant's bucket, if it has one.
    pub(super) fn take_token(&mut self, now: Now, participant: ParticipantId) -> bool {
        let own = self.participants.get_mut(usize::from(participant.0));
        own.is_some_and(|own| own.bucket.take(now.tick))
    }

    /// Whether a request has waited too long to be looked at. Reversals and advices never have.
    pub(super) fn is_late(&self, now: Now, seeking: &Seeking) -> bool {
        let may_wait = matches!(seeking.kind, Kind::Reversal | Kind::Advice);
        !may_wait && seeking.arrived.after_ms(self.plan.limits.wait_ms) < now.tick
    }

    fn window_max(&self, group: GroupId) -> u32 {
        self.plan.groups.get(usize::from(group.0)).map_or(0, |group| group.window_max)
    }

    /// Sends a request now, or refuses it because nobody is there to carry it.
    fn dispatch(&mut self, now: Now, seeking: Seeking, route: Route) {
        let is_inquiry = !seeking.kind.moves_money();
        let account = self.account(route.group, &seeking.message);
        let permit = self.group_mut(route.group).and_then(|group| {
            let is_online = group.links.iter().any(|link| link.online > 0);
            is_online.then(|| group.breaker.admit(now.tick, is_inquiry))
        });
        let why = (Decline::HOST_UNAVAILABLE, Some(route.group));
        let permit = match permit {
            None => return self.refuse(now, seeking, why.0, Reason::NoConnection, why.1),
            Some(None) => return self.refuse(now, seeking, why.0, Reason::BreakerOpen, why.1),
            Some(Some(permit)) => permit,
        };
        let wish = Wish { is_inquiry, account, not: None };
        match self.choose(now, route.group, wish) {
            Some(choice) => self.open(now, seeking, route, (choice, permit)),
            None => {
                if let Some(group) = self.group_mut(route.group) {
                    group.breaker.release(permit);
                }
                self.refuse(now, seeking, why.0, Reason::BreakerOpen, why.1);
            }
        }
    }

    /// Lets a request wait for room at its group.
    fn wait(&mut self, now: Now, seeking: Seeking, route: Route) {
        let plan = self.plan.groups.get(usize::from(route.group.0));
        let Some((most, ms)) = plan.map(|plan| (plan.queue_max as usize, plan.queue_ms)) else {
            return;
        };
        let end = seeking.arrived.after_ms(ms);
        let end = end.min(self.deadline(seeking.arrived, route.group, seeking.kind));
        let trace = trace(&seeking);
        if let Some(own) = self.participants.get_mut(usize::from(seeking.participant.0)) {
            own.in_flight += 1;
        }
        self.waiting += 1;
        let waiter = Waiter { end, trace, route, seeking };
        let shed = self.group_mut(route.group).and_then(|group| group.waiting.push(waiter, most));
        if let Some(waiter) = shed {
            let seeking = self.leave_line(waiter);
            self.shed(now, seeking, Shedding::Queue);
        }
    }

    /// Takes a request out of the counts of those that wait.
    fn leave_line(&mut self, waiter: Waiter) -> Seeking {
        let seeking = waiter.seeking;
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(own) = self.participants.get_mut(usize::from(seeking.participant.0)) {
            own.in_flight = own.in_flight.saturating_sub(1);
        }
        seeking
    }

    /// Sheds, of all that wait, the inquiry that would give up first, or for a payment also a
    /// payment. `false` if there is none.
    fn shed_oldest(&mut self, now: Now, for_payment: bool) -> bool {
        if self.waiting == 0 {
            return false;
        }
        let next = |group: &&mut Group| group.waiting.next_shed();
        let may_go = |group: &&mut Group| next(group).is_some_and(|(pays, _)| for_payment || !pays);
        let oldest = self.groups.iter_mut().filter(may_go).min_by_key(next);
        let Some(waiter) = oldest.and_then(|group| group.waiting.shed()) else { return false };
        let seeking = self.leave_line(waiter);
        self.shed(now, seeking, Shedding::Full);
        true
    }

    /// Serves those who wait, as far as there is room, and sheds those who waited long enough.
    /// If nobody can carry them any more, they hear so at once.
    pub(super) fn serve_waiting(&mut self, now: Now) {
        if self.waiting == 0 {
            return;
        }
        for place in 0..self.groups.len() {
            let id = GroupId(u16::try_from(place).unwrap_or(u16::MAX));
            let window_max = self.window_max(id);
            while let Some(group) = self.group_mut(id).filter(|group| !group.waiting.is_empty()) {
                if let Some(waiter) = group.waiting.expire(now.tick) {
                    let seeking = self.leave_line(waiter);
                    self.shed(now, seeking, Shedding::Waited);
                    continue;
                }
                if group.in_flight >= window_max && group.is_usable() {
                    break;
                }
                let Some(waiter) = group.waiting.pop() else { break };
                let route = waiter.route;
                let seeking = self.leave_line(waiter);
                self.resume(now, seeking, route);
            }
        }
    }

    /// The turn of a request that waited. Meanwhile its channel may have taken it back.
    fn resume(&mut self, now: Now, seeking: Seeking, route: Route) {
        if seeking.kind.moves_money() {
            if let Some(id) = self.recognise(&seeking) {
                return self.handle_duplicate(now, seeking, id);
            }
            if self.is_being_sought(&seeking) {
                return self.answer_at_once(seeking, Decline::IN_PROGRESS);
            }
            if self.full {
                return self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
            }
        }
        self.dispatch(now, seeking, route);
    }

    /// Whether this is a copy of a request that waits.
    pub(super) fn is_waiting(&self, seeking: &Seeking) -> bool {
        let may_wait = matches!(seeking.kind, Kind::Payment | Kind::Hold);
        if self.waiting == 0 || !may_wait {
            return false;
        }
        let trace = trace(seeking);
        self.groups.iter().any(|group| group.waiting.contains(trace))
    }

    /// Answers 91: nothing was done for it.
    pub(super) fn shed(&mut self, now: Now, seeking: Seeking, why: Shedding) {
        self.count(Event::Shed { participant: seeking.participant, why });
        let moves_money = seeking.kind.moves_money();
        if moves_money && (self.full || why == Shedding::Late && self.is_repeat(&seeking)) {
            // Not even the refusal can be recorded; or nobody has looked for its original yet,
            // and nothing final can be said.
            let why_not = if self.full { Decline::HOST_UNAVAILABLE } else { Decline::IN_PROGRESS };
            return self.answer_at_once(seeking, why_not);
        }
        self.refuse(now, seeking, Decline::HOST_UNAVAILABLE, Reason::Overload, None);
    }
}

/// Names the numbers of a request that can move money; 0 for another.
fn trace(seeking: &Seeking) -> u64 {
    if seeking.kind.moves_money() { keys::number(&seeking.key, false) } else { 0 }
}

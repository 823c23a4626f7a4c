//! Hosts: sessions, what they send, and the moment a connection to one is gone.

use super::{Host, Switch, network_request};
use crate::answer::{Contradiction, Decline, Verified, acknowledge, decline, verify};
use crate::breaker::Health;
use crate::bug::{Bug, planted};
use crate::event::{Dropped, Event};
use crate::pending::{Stage, Traced};
use crate::plan::{Answers, ConnectionId, GroupId, LinkId};
use crate::record::{Reason, TxnId};
use crate::session::{CUT_OVER, ECHO, SIGN_OFF, SIGN_ON, Session, State, Step};
use crate::time::Now;
use veksel_codecs::{Class, Message, ResponseCode, field};

impl Switch {
    pub(super) fn handle_host_up(&mut self, now: Now, group: GroupId, connection: ConnectionId) {
        let place = usize::from(group.0);
        let Some(plan) = self.plan.groups.get(place).map(|group| group.session) else { return };
        let (session, step) = Session::new(plan, connection.serial, now.tick);
        let state = session.state();
        if let Some(group) = self.group_mut(group) {
            group.hosts.push(Host { connection, session, in_flight: 0, is_old: false });
            group.count_online(connection.link, now.tick);
        }
        self.count(Event::Session { connection, state });
        self.take_step(now, connection, step);
    }

    /// A connection is gone: what it carried and was written is indefinite at once.
    pub(super) fn handle_host_down(&mut self, now: Now, group: GroupId, connection: ConnectionId) {
        let Some(live) = self.group_mut(group) else { return };
        live.hosts.retain(|host| host.connection != connection);
        live.count_online(connection.link, now.tick);
        self.count(Event::Session { connection, state: State::Down });
        let lost = self
            .txns
            .select(|txn| txn.host == connection && matches!(txn.stage, Stage::Waiting { .. }));
        for id in lost {
            if planted(Bug::RetryAfterSend) {
                self.send_elsewhere(now, id);
            } else {
                self.indefinite(now, id, Reason::ClosedSent);
            }
        }
        self.retry_reversals(now, group, Some(connection));
    }

    pub(super) fn handle_group_timeout(&mut self, now: Now, id: GroupId) {
        self.retry_reversals(now, id, None);
        self.park_aged_reversals(now, id);
        let Some(group) = self.group_mut(id) else { return };
        group.stans.forget(now.tick);
        let steps: Vec<_> = group
            .hosts
            .iter_mut()
            .map(|host| (host.connection, host.session.handle_timeout(now.tick)))
            .filter(|(_, step)| *step != Step::Nothing)
            .collect();
        let probes = group.probe_by_echo(now.tick);
        for (connection, step) in steps.into_iter().chain(probes) {
            self.take_step(now, connection, step);
        }
        self.expire_controls(now, id);
    }

    /// Tells every host that is signed on that nothing new will come: the last act of a drain
    /// (behaviour 57).
    pub fn sign_off(&mut self, now: Now) {
        let hosts = self.groups.iter_mut().flat_map(|group| &mut group.hosts);
        let steps: Vec<_> =
            hosts.map(|host| (host.connection, host.session.sign_off(now.tick))).collect();
        for group in &mut self.groups {
            for place in 0..group.links.len() {
                if let Some(link) = group.links.get(place).map(|destination| destination.link) {
                    group.count_online(link, now.tick);
                }
            }
        }
        for (connection, step) in steps {
            if step != Step::Nothing {
                self.count(Event::Session { connection, state: State::Draining });
            }
            self.take_step(now, connection, step);
        }
    }

    /// Whether a host has not yet answered [`Switch::sign_off`].
    #[must_use]
    pub fn is_signing_off(&self) -> bool {
        let mut hosts = self.groups.iter().flat_map(|group| &group.hosts);
        hosts.any(|host| host.session.is_signing_off())
    }

    pub(super) fn take_step(&mut self, now: Now, connection: ConnectionId, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Send { code, stan } => {
                let message = network_request(&self.plan.institution, now, code, stan);
                self.send(connection, message, None, None, None);
            }
            Step::Close(why) => self.close(connection, why),
        }
    }

    pub(super) fn handle_host_message(
        &mut self,
        now: Now,
        group: GroupId,
        connection: ConnectionId,
        message: Message,
    ) {
        if let Some(host) = self.host_mut(group, connection) {
            host.session.hear(now.tick);
        }
        match (message.mti().class(), message.mti().is_request()) {
            (_, true) => self.handle_host_request(now, group, connection, message),
            (Class::Network, false) => self.handle_session_answer(now, group, connection, message),
            (_, false) => self.handle_host_answer(now, group, connection, message),
        }
    }

    /// A host may sign on, sign off, cut over, and ask for other keys and for an echo. Nothing
    /// else is taken.
    fn handle_host_request(
        &mut self,
        now: Now,
        group: GroupId,
        connection: ConnectionId,
        message: Message,
    ) {
        let Some(mut message) = self.take_key_change(connection, message) else { return };
        let code = message.get(field::NETWORK_CODE);
        let known = matches!(code, Some(SIGN_ON | SIGN_OFF | CUT_OVER | ECHO));
        if message.mti().class() == Class::Network && known {
            let host = self.host_mut(group, connection);
            let change = host.and_then(|host| {
                let before = host.session.state();
                host.session.peer_said(code.unwrap_or_default());
                Some(host.session.state()).filter(|state| *state != before)
            });
            if let Some(state) = change {
                self.tend_soon(now);
                self.count(Event::Session { connection, state });
                if let Some(live) = self.group_mut(group) {
                    live.count_online(connection.link, now.tick);
                }
            }
            if code == Some(CUT_OVER) && !self.cut_over(now, group, &message) {
                decline(&mut message, Decline::FORMAT_ERROR);
            } else {
                acknowledge(&mut message);
            }
        } else {
            let why = Dropped::RequestFromHost;
            self.drop_frame(now, connection, why, message.clone(), None, |_, _| None);
            decline(&mut message, Decline::NOT_SUPPORTED);
        }
        self.send(connection, message, None, None, None);
    }

    fn handle_session_answer(
        &mut self,
        now: Now,
        group: GroupId,
        connection: ConnectionId,
        message: Message,
    ) {
        let stan = message.get(field::STAN).unwrap_or_default();
        let (code, response) =
            (message.get(field::NETWORK_CODE), message.get(field::RESPONSE_CODE));
        let host = self.host_mut(group, connection);
        let answered = host.and_then(|host| host.session.answer(stan, code, response));
        let Some((answered, step)) = answered else {
            self.drop_frame(now, connection, Dropped::Unmatched, message, None, |_, _| None);
            return;
        };
        self.recycle(message);
        if step == Step::Nothing {
            if answered == SIGN_ON {
                let host = self.host_mut(group, connection);
                let state = host.map_or(State::Down, |host| host.session.state());
                self.count(Event::Session { connection, state });
            }
            if let Some(live) = self.group_mut(group) {
                live.count_online(connection.link, now.tick);
                let before = live.breaker.position();
                let link_before = live.link_position(connection.link);
                // A sign-on tells no more than an echo: the host is there. It may not shorten
                // the time a breaker stays open.
                live.breaker.echo_answered(now.tick);
                if let Some(destination) = live.destination(connection.link) {
                    destination.breaker.echo_answered(now.tick);
                }
                let link_after = live.link_position(connection.link);
                self.handle_breaker_change(group, before);
                if let Some(position) = link_after.filter(|_| link_after != link_before) {
                    self.count(Event::LinkBreaker { link: connection.link, position });
                }
            }
        }
        self.take_step(now, connection, step);
    }

    fn handle_host_answer(
        &mut self,
        now: Now,
        group: GroupId,
        connection: ConnectionId,
        message: Message,
    ) {
        let stan = message.get(field::STAN).and_then(|stan| u32::try_from(stan).ok());
        let traced = stan.and_then(|stan| self.group(group)?.stans.find(stan));
        if let Some(stan) = stan
            && self.handle_reversal_answer(now, (group, connection.link), stan, &message)
        {
            self.recycle(message);
            return;
        }
        let reversing = stan.and_then(|stan| self.group(group)?.stans.reversing(stan).first());
        let reversing = reversing.copied();
        if let Some(id) = reversing
            && planted(Bug::LateSettles)
            && message.get(field::RESPONSE_CODE) == Some(ResponseCode::APPROVED)
        {
            self.settle_reversal(now, group, id, ResponseCode::APPROVED);
        }
        let id = match traced {
            Some(Traced::Pending(id)) => id,
            Some(Traced::Tombstone | Traced::Answered(_)) | None => {
                let is_late = traced.is_some() || reversing.is_some();
                let why = if is_late { Dropped::Late } else { Dropped::Unmatched };
                self.drop_frame(now, connection, why, message, None, |switch, answer| {
                    (!is_late).then(|| switch.nearest(now, group, answer)).flatten()
                });
                return;
            }
        };
        let asked = self.txns.get(id).map(|txn| txn.host.link);
        if asked.is_some_and(|asked| !self.may_answer(group, asked, connection.link)) {
            self.drop_frame(now, connection, Dropped::Elsewhere, message, None, |_, _| None);
            return;
        }
        match self.txns.get(id).map(|txn| verify(txn, message)) {
            Some(Ok(verified)) => self.handle_verified(now, id, verified),
            Some(Err((message, Contradiction(differs)))) => {
                if let Some(txn) = self.txns.get_mut(id) {
                    txn.contradicted = true;
                }
                let why = Dropped::Mismatch;
                self.drop_frame(now, connection, why, message, None, |switch, _| {
                    switch.contradicted(now, id, differs)
                });
            }
            None => {}
        }
    }

    /// Whether what was asked over one link may be answered over another (switch semantics 21).
    pub(super) fn may_answer(&self, group: GroupId, asked: LinkId, answering: LinkId) -> bool {
        let plan = self.plan.groups.get(usize::from(group.0));
        asked == answering || plan.is_some_and(|plan| plan.answers == Answers::Any)
    }

    fn handle_verified(&mut self, now: Now, id: TxnId, verified: Verified) {
        let Some(txn) = self.txns.get(id) else { return };
        // An answer can overtake the report that its request was written.
        let since = match txn.stage {
            Stage::Waiting { since } => since,
            Stage::Sending => txn.received.tick,
            Stage::Answering { .. } => {
                self.recycle(verified.into_message());
                return;
            }
        };
        let elapsed = now.tick.since(since);
        let (group, response) = (txn.group, verified.response());
        self.count(Event::HostAnswered { group, elapsed });
        let health = if response.is_host_fault() { Health::Bad } else { Health::Good { elapsed } };
        self.leave_group(id, Some((now.tick, health)));
        self.answered(now, id, verified);
    }
}

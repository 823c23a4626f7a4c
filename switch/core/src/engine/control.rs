//! What people decide about groups and links, the echoes that breakers ask for, and the moment a
//! connection that carried one message is gone.

use super::{Group, Switch};
use crate::breaker::Position;
use crate::contract::{Control, Leg, Order, Tag, Target};
use crate::event::Event;
use crate::pending::Stage;
use crate::plan::{ConnectionId, GroupId, LinkId, LinkRole};
use crate::record::Reason;
use crate::session::{State, Step};
use crate::time::{Now, Tick};

impl Switch {
    /// A person decides how a breaker stands. It is recorded whatever comes of it.
    pub(super) fn handle_control(&mut self, now: Now, control: Control) {
        let Control { target, operator, reason, order, for_ms } = control;
        let name = self.name_of(target).unwrap_or_else(|| "an unknown target".to_owned());
        let detail = match order {
            Order::Judge => format!("{name}: {reason}"),
            Order::ForceOpen | Order::ForceClosed | Order::Disable => {
                format!("{name} for {} s: {reason}", for_ms / 1_000)
            }
        };
        self.note(now, &operator, order.word(), detail);
        let until = now.tick.after_ms(for_ms);
        let forced = match order {
            Order::ForceOpen => Some((Position::ForcedOpen, until)),
            Order::ForceClosed => Some((Position::ForcedClosed, until)),
            Order::Disable => Some((Position::Disabled, until)),
            Order::Judge => None,
        };
        match target {
            Target::Group(id) => {
                let Some(group) = self.group_mut(id) else { return };
                let before = group.breaker.position();
                group.breaker.force(forced);
                self.handle_breaker_change(id, before);
            }
            Target::Link(link) => {
                let group = self.group_of(link).and_then(|group| self.group_mut(group));
                let Some(destination) = group.and_then(|group| group.destination(link)) else {
                    return;
                };
                let before = destination.breaker.position();
                destination.breaker.force(forced);
                let position = destination.breaker.position();
                if position != before {
                    self.count(Event::LinkBreaker { link, position });
                }
            }
        }
    }

    /// What people wanted for a time is over; the switch says so itself.
    pub(super) fn expire_controls(&mut self, now: Now, id: GroupId) {
        let Some(group) = self.group_mut(id) else { return };
        let before = group.breaker.position();
        group.breaker.expire(now.tick);
        let is_over = group.breaker.position() != before;
        let mut over = Vec::new();
        for destination in &mut group.links {
            let before = destination.breaker.position();
            destination.breaker.expire(now.tick);
            let position = destination.breaker.position();
            if position != before {
                over.push((destination.link, position));
            }
        }
        if is_over {
            self.handle_breaker_change(id, before);
            self.note_expiry(now, Target::Group(id));
        }
        for (link, position) in over {
            self.count(Event::LinkBreaker { link, position });
            self.note_expiry(now, Target::Link(link));
        }
    }

    fn note_expiry(&mut self, now: Now, target: Target) {
        let name = self.name_of(target).unwrap_or_default();
        self.note(now, "switch", Order::Judge.word(), format!("{name}: its time is over"));
    }

    fn name_of(&self, target: Target) -> Option<String> {
        match target {
            Target::Group(id) => {
                let plan = self.plan.groups.get(usize::from(id.0));
                plan.map(|plan| format!("group {}", plan.name))
            }
            Target::Link(id) => {
                let plan = self.plan.links.get(usize::from(id.0));
                plan.map(|plan| format!("link {}", plan.name))
            }
        }
    }

    fn group_of(&self, link: LinkId) -> Option<GroupId> {
        match self.plan.links.get(usize::from(link.0))?.role {
            LinkRole::Host(group) => Some(group),
            LinkRole::Channel(_) | LinkRole::Identified => None,
        }
    }

    /// A tagged message was written and its connection is gone without an answer.
    pub(super) fn handle_lost(&mut self, now: Now, tag: Tag) {
        match tag.leg {
            Leg::Request => {
                let is_out = self
                    .txns
                    .get(tag.txn)
                    .is_some_and(|txn| matches!(txn.stage, Stage::Waiting { .. } | Stage::Sending));
                if is_out {
                    self.indefinite(now, tag.txn, Reason::ClosedSent);
                }
            }
            Leg::Reversal => self.retry_reversal(now, tag.txn),
            // What was written to a channel is its own concern.
            Leg::Answer => {}
        }
    }
}

impl Group {
    /// The echoes that its breaker and those of its links want now.
    pub(super) fn probe_by_echo(&mut self, now: Tick) -> Vec<(ConnectionId, Step)> {
        let mut probes = Vec::new();
        if self.breaker.echo_is_due(now) {
            self.breaker.postpone(now);
            probes.extend(self.echo(now, None));
        }
        for place in 0..self.links.len() {
            let Some(destination) = self.links.get_mut(place) else { break };
            if destination.breaker.echo_is_due(now) {
                destination.breaker.postpone(now);
                let link = destination.link;
                probes.extend(self.echo(now, Some(link)));
            }
        }
        probes
    }

    fn echo(&mut self, now: Tick, link: Option<LinkId>) -> Option<(ConnectionId, Step)> {
        let mut online = self.hosts.iter_mut().filter(|host| {
            host.session.state() == State::Online
                && link.is_none_or(|link| host.connection.link == link)
        });
        let host = online.next()?;
        Some((host.connection, host.session.echo(now)))
    }
}

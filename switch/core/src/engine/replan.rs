//! Another plan while everything runs, and connections that are given up for it.
//!
//! Whatever is in flight keeps what it was given: its deadline, its group and the name of its
//! route. Nothing is closed before something else can do its work.

use super::{Group, Switch};
use crate::contract::Closing;
use crate::event::Event;
use crate::pending::Stans;
use crate::plan::{GroupId, GroupPlan, LinkId, LinkRole, Plan};
use crate::reversals::Reversals;
use crate::session::{State, Step};
use crate::time::Now;

/// How often connections that are being given up are looked at, in milliseconds.
const TEND_MS: u64 = 50;

impl Group {
    /// A group that nothing happened to yet.
    pub(super) fn new(plan: &GroupPlan) -> Self {
        Self {
            hosts: Vec::new(),
            breaker: crate::breaker::Breaker::new(plan.breaker),
            stans: Stans::default(),
            reversals: Reversals::default(),
            in_flight: 0,
            business_date: None,
        }
    }

    /// Whether a connection that stays carries requests.
    fn has_successor(&self) -> bool {
        self.hosts.iter().any(|host| !host.is_old && host.session.state() == State::Online)
    }
}

impl Switch {
    pub(super) fn handle_replan(&mut self, plan: Plan) {
        let taken = extends(&plan, &self.plan);
        if taken {
            self.keep_old_routes(&plan);
            self.participants.resize(plan.participants.len(), 0);
            for (live, plan) in self.groups.iter_mut().zip(&plan.groups) {
                live.breaker.replan(plan.breaker);
                for host in &mut live.hosts {
                    host.session.replan(plan.session);
                }
            }
            self.groups.extend(plan.groups.iter().skip(self.groups.len()).map(Group::new));
            self.durable.resize(plan.limits.keys_max);
            self.plan = plan;
        }
        self.count(Event::Replanned { taken });
    }

    /// Requests in flight get the new indices of their routes. Of a route that is gone its name
    /// is kept for them.
    fn keep_old_routes(&mut self, plan: &Plan) {
        let mut old = Vec::new();
        let known = self.plan.routes.len();
        let (before, gone) = (&self.plan.routes, &self.old_routes);
        for txn in self.txns.values_mut() {
            let name = before.get(txn.route).map(|route| &route.name);
            let old_name = || gone.get(txn.route.checked_sub(known)?);
            let Some(name) = name.or_else(old_name) else { continue };
            let place = plan.routes.iter().position(|route| route.name == *name);
            txn.route = place.unwrap_or_else(|| {
                let place = old.iter().position(|old| old == name).unwrap_or(old.len());
                if place == old.len() {
                    old.push(name.clone());
                }
                plan.routes.len() + place
            });
        }
        self.old_routes = old;
    }

    /// The name of a route that is no longer in the plan.
    pub(super) fn old_route(&self, index: usize) -> Option<&str> {
        let place = index.checked_sub(self.plan.routes.len())?;
        self.old_routes.get(place).map(String::as_str)
    }

    pub(super) fn handle_renewed(&mut self, now: Now, link: LinkId, since: u64) {
        let Some(LinkRole::Host(group)) =
            self.plan.links.get(usize::from(link.0)).map(|link| link.role)
        else {
            return;
        };
        let Some(live) = self.group_mut(group) else { return };
        for host in &mut live.hosts {
            host.is_old |= host.connection.link == link && host.connection.serial < since;
        }
        self.tend_soon(now);
    }

    /// Looks at connections that are to be given up before long.
    pub(super) fn tend_soon(&mut self, now: Now) {
        let at = now.tick.after_ms(TEND_MS);
        self.tending = Some(self.tending.map_or(at, |before| before.min(at)));
    }

    /// Gives up what has a successor and closes what is empty; says when to look again.
    pub(super) fn tend_connections(&mut self, now: Now) {
        let mut is_busy = false;
        for place in 0..self.groups.len() {
            is_busy |= self.tend_group(now, GroupId(u16::try_from(place).unwrap_or(u16::MAX)));
        }
        self.tending = is_busy.then(|| now.tick.after_ms(TEND_MS));
    }

    /// Whether a connection of the group is still on its way out.
    fn tend_group(&mut self, now: Now, id: GroupId) -> bool {
        let Some(group) = self.group_mut(id) else { return false };
        let has_successor = group.has_successor();
        let (mut steps, mut changes, mut is_busy) = (Vec::new(), Vec::new(), false);
        for host in &mut group.hosts {
            let connection = host.connection;
            let before = host.session.state();
            if host.is_old && has_successor && !host.session.is_retired() {
                host.session.retire();
            }
            if host.in_flight == 0 && !group.reversals.is_on(connection) {
                steps.push((connection, host.session.suspend(now.tick)));
            }
            let after = host.session.state();
            if after != before {
                changes.push((connection, after));
            }
            let is_out = matches!(after, State::Suspended | State::SigningOn | State::Connected);
            if host.session.is_retired() && is_out {
                steps.push((connection, Step::Close(Closing::Renewed)));
            }
            is_busy |= host.is_old || after == State::Draining;
        }
        for (connection, state) in changes {
            self.count(Event::Session { connection, state });
        }
        for (connection, step) in steps {
            self.take_step(now, connection, step);
        }
        is_busy
    }
}

/// Whether everything that has a place keeps it.
fn extends(plan: &Plan, before: &Plan) -> bool {
    fn begins<T>(all: &[T], first: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
        all.len() >= first.len() && all.iter().zip(first).all(|(a, b)| is_same(a, b))
    }
    let same_side = |a: LinkRole, b: LinkRole| match (a, b) {
        (LinkRole::Channel(_), LinkRole::Channel(_)) => true,
        (LinkRole::Host(a), LinkRole::Host(b)) => a == b,
        _ => false,
    };
    let is_known = |link: &crate::plan::LinkPlan| match link.role {
        LinkRole::Channel(participant) => usize::from(participant.0) < plan.participants.len(),
        LinkRole::Host(group) => usize::from(group.0) < plan.groups.len(),
    };
    begins(&plan.links, &before.links, |a, b| a.name == b.name && same_side(a.role, b.role))
        && begins(&plan.groups, &before.groups, |a, b| a.name == b.name)
        && begins(&plan.participants, &before.participants, |a, b| a.name == b.name)
        && plan.links.iter().all(is_known)
        && plan.routes.iter().all(|route| usize::from(route.group.0) < plan.groups.len())
}

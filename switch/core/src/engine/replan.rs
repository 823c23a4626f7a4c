//! Another plan while everything runs, and connections that are given up for it.
//!
//! Whatever is in flight keeps what it was given: its deadline, its group and the name of its
//! route. Nothing is closed before something else can do its work.

use super::choice::Destination;
use super::identity::Claims;
use super::{Group, Participant, Switch};
use crate::admission::Waiting;
use crate::breaker::Breaker;
use crate::contract::Closing;
use crate::event::Event;
use crate::pending::Stans;
use crate::plan::{GroupId, LinkId, LinkRole, Plan, RouteTo};
use crate::reversals::Reversals;
use crate::session::{State, Step};
use crate::time::Now;

/// How often connections that are being given up are looked at, in milliseconds.
const TEND_MS: u64 = 50;

impl Group {
    /// A group that nothing happened to yet.
    pub(super) fn new(plan: &Plan, id: GroupId) -> Self {
        let rules = plan.groups.get(usize::from(id.0)).map(|group| group.breaker);
        let seed = seed_of(plan) ^ ((u64::from(id.0) + 1) << 48);
        let mut group = Self {
            hosts: Vec::new(),
            links: Vec::new(),
            turn: 0,
            breaker: Breaker::new(rules.unwrap_or_default(), seed),
            waiting: Waiting::default(),
            stans: Stans::default(),
            reversals: Reversals::default(),
            in_flight: 0,
            business_date: None,
        };
        group.take_links(plan, id);
        group
    }

    /// Goes on by another plan, in which its links keep their places.
    fn replan(&mut self, plan: &Plan, id: GroupId) {
        let Some(rules) = plan.groups.get(usize::from(id.0)) else { return };
        self.breaker.replan(rules.breaker);
        for link in &mut self.links {
            link.breaker.replan(rules.breaker);
        }
        for host in &mut self.hosts {
            host.session.replan(rules.session);
        }
        self.take_links(plan, id);
    }

    /// Adds the links of the plan that it does not have yet.
    fn take_links(&mut self, plan: &Plan, id: GroupId) {
        let rules = plan.groups.get(usize::from(id.0)).map(|group| group.breaker);
        for (place, link) in (0..).zip(&plan.links) {
            if link.role == LinkRole::Host(id) && self.place(LinkId(place)).is_none() {
                let seed = seed_of(plan) ^ ((u64::from(place) + 1) << 32);
                let breaker = Breaker::new(rules.unwrap_or_default(), seed);
                self.links.push(Destination::new(LinkId(place), breaker));
            }
        }
    }

    /// Whether a connection that stays carries requests.
    fn has_successor(&self) -> bool {
        self.hosts.iter().any(|host| !host.is_old && host.session.state() == State::Online)
    }
}

impl Switch {
    pub(super) fn handle_replan(&mut self, now: Now, plan: Plan) {
        let taken = extends(&plan, &self.plan);
        if taken {
            self.keep_old_routes(&plan);
            for (live, plan) in self.participants.iter_mut().zip(&plan.participants) {
                live.bucket.replan(now.tick, plan);
            }
            let more = plan.participants.iter().skip(self.participants.len());
            self.participants.extend(more.map(Participant::new));
            self.claims.resize(plan.participants.len(), Claims::default());
            for (id, live) in (0..).zip(&mut self.groups) {
                live.replan(&plan, GroupId(id));
            }
            let more = (0..).zip(&plan.groups).skip(self.groups.len());
            self.groups.extend(more.map(|(id, _)| Group::new(&plan, GroupId(id))));
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
        let in_flight = self.txns.values_mut().map(|txn| &mut txn.route);
        let waiting = self.groups.iter_mut().flat_map(|group| group.waiting.routes_mut());
        for index in in_flight.chain(waiting) {
            let name = before.get(*index).map(|route| &route.name);
            let old_name = || gone.get(index.checked_sub(known)?);
            let Some(name) = name.or_else(old_name) else { continue };
            let place = plan.routes.iter().position(|route| route.name == *name);
            *index = place.unwrap_or_else(|| {
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
        for (connection, _) in &changes {
            group.count_online(connection.link, now.tick);
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

/// Two switches with one plan have different keys, and so try a host at different times.
fn seed_of(plan: &Plan) -> u64 {
    plan.digest_key.0.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// Whether everything that has a place keeps it.
fn extends(plan: &Plan, before: &Plan) -> bool {
    fn begins<T>(all: &[T], first: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
        all.len() >= first.len() && all.iter().zip(first).all(|(a, b)| is_same(a, b))
    }
    let same_side = |a: LinkRole, b: LinkRole| match (a, b) {
        (LinkRole::Channel(_), LinkRole::Channel(_))
        | (LinkRole::Identified, LinkRole::Identified) => true,
        (LinkRole::Host(a), LinkRole::Host(b)) => a == b,
        _ => false,
    };
    let is_known = |link: &crate::plan::LinkPlan| match link.role {
        LinkRole::Channel(participant) => usize::from(participant.0) < plan.participants.len(),
        LinkRole::Identified => true,
        LinkRole::Host(group) => usize::from(group.0) < plan.groups.len(),
    };
    begins(&plan.links, &before.links, |a, b| a.name == b.name && same_side(a.role, b.role))
        && begins(&plan.groups, &before.groups, |a, b| a.name == b.name)
        && begins(&plan.participants, &before.participants, |a, b| a.name == b.name)
        && plan.links.iter().all(is_known)
        && plan.routes.iter().all(|route| match route.to {
            RouteTo::Group(group) => usize::from(group.0) < plan.groups.len(),
            RouteTo::Bank => true,
        })
}

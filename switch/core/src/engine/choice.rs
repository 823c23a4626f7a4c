//! Which connection of a group gets a request.
//!
//! A group has links, one for each of its hosts, and a link has connections. The policy chooses
//! among the links that can be used; of the link's connections it is the one with the fewest
//! requests in flight. A link whose breaker is open is passed over as long as another is there.
//! A link that has just come back beside others gets a part of its share that grows.

use super::{Group, Host};
use crate::breaker::{Breaker, Health, Permit, Position};
use crate::plan::{ConnectionId, GroupPlan, LinkId, Policy};
use crate::session::State;
use crate::time::Tick;

/// Share of its requests that a link gets when it has just come back, in percent.
const WARM_UP_PERCENT: u64 = 10;

/// One link of a group, as far as choosing goes.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) link: LinkId,
    pub(super) breaker: Breaker,
    /// Connections that are signed on.
    pub(super) online: u32,
    /// When it came back; `None` if it was there before any other.
    warm_from: Option<Tick>,
    /// What it has saved towards its next turn while it warms up, in percent.
    credit: u64,
}

impl Destination {
    pub(super) const fn new(link: LinkId, breaker: Breaker) -> Self {
        Self { link, breaker, online: 0, warm_from: None, credit: 0 }
    }

    /// The part of its share that it gets, in percent.
    fn share(&self, now: Tick, warm_up_ms: u64) -> u64 {
        let Some(from) = self.warm_from else { return 100 };
        let elapsed_ms = now.since(from) / 1_000_000;
        let grown = (100 - WARM_UP_PERCENT) * elapsed_ms.min(warm_up_ms);
        WARM_UP_PERCENT + grown.checked_div(warm_up_ms).unwrap_or(100 - WARM_UP_PERCENT)
    }

    /// Whether its turn, which has come, is one of those it takes.
    fn takes_turn(&mut self, now: Tick, warm_up_ms: u64) -> bool {
        let share = self.share(now, warm_up_ms);
        if share >= 100 {
            self.warm_from = None;
            return true;
        }
        self.credit += share;
        let takes = self.credit >= 100;
        self.credit -= if takes { 100 } else { 0 };
        takes
    }
}

/// A connection for a request, and leave of its link's breaker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) host: ConnectionId,
    pub(super) permit: Permit,
}

/// What a request is, as far as choosing goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) is_inquiry: bool,
    /// A number for its account, if the policy wants one.
    pub(super) account: u64,
    /// A connection that has refused it.
    pub(super) not: Option<ConnectionId>,
}

impl Group {
    /// Where a link stands in the group.
    pub(super) fn place(&self, link: LinkId) -> Option<usize> {
        self.links.iter().position(|destination| destination.link == link)
    }

    pub(super) fn destination(&mut self, link: LinkId) -> Option<&mut Destination> {
        self.links.iter_mut().find(|destination| destination.link == link)
    }

    /// Whether a request could go anywhere, permits of breakers aside.
    pub(super) fn is_usable(&self) -> bool {
        let group = match self.breaker.position() {
            Position::Closed | Position::HalfOpen | Position::ForcedClosed => true,
            Position::Open | Position::ForcedOpen | Position::Disabled => false,
        };
        group && self.links.iter().any(|link| link.online > 0 && !is_barred(link))
    }

    /// Counts the connections of a link that are signed on, after a session changed.
    pub(super) fn count_online(&mut self, link: LinkId, now: Tick) {
        let is_online =
            |host: &&Host| host.connection.link == link && host.session.state() == State::Online;
        let online = self.hosts.iter().filter(is_online).count();
        let others = self.links.iter().any(|other| other.link != link && other.online > 0);
        let Some(destination) = self.destination(link) else { return };
        if destination.online == 0 && online > 0 {
            destination.warm_from = others.then_some(now);
            destination.credit = 0;
        }
        destination.online = u32::try_from(online).unwrap_or(u32::MAX);
    }

    /// Whether this link may be passed over: at most half of the links are, and never the last.
    pub(super) fn may_eject(&self, link: LinkId) -> bool {
        let is_out = |other: &&Destination| other.breaker.position() != Position::Closed;
        let out = self.links.iter().filter(|other| other.link != link).filter(is_out).count();
        (out + 1) * 2 <= self.links.len() && self.has_other(link)
    }

    /// Whether another link than this carries requests.
    pub(super) fn has_other(&self, link: LinkId) -> bool {
        self.links.iter().any(|other| {
            let is_well =
                matches!(other.breaker.position(), Position::Closed | Position::ForcedClosed);
            other.link != link && other.online > 0 && is_well
        })
    }

    pub(super) fn link_position(&self, link: LinkId) -> Option<Position> {
        self.links.iter().find(|other| other.link == link).map(|other| other.breaker.position())
    }

    /// A request over a link has ended. As long as another link does its work, what goes wrong
    /// on this one is its own fault and not the group's.
    pub(super) fn report(
        &mut self,
        now: Tick,
        link: LinkId,
        (group_permit, link_permit): (Permit, Permit),
        health: Health,
    ) {
        let (may_eject, has_other) = (self.may_eject(link), self.has_other(link));
        let Some(destination) = self.destination(link) else { return };
        destination.breaker.report(now, link_permit, health, may_eject);
        let is_out = destination.breaker.position() != Position::Closed;
        let is_own = health == Health::Bad && has_other && (may_eject || is_out);
        if is_own && self.breaker.position() == Position::Closed {
            self.breaker.release(group_permit);
        } else {
            self.breaker.report(now, group_permit, health, true);
        }
    }

    /// Chooses a connection. `None` if nobody is there, or whoever is there is barred.
    pub(super) fn choose(&mut self, plan: &GroupPlan, now: Tick, wish: Wish) -> Option<Choice> {
        // A link that refused this request is not asked again while there is another.
        let tried = wish.not.map(|connection| connection.link);
        let elsewhere = |link: LinkId| tried != Some(link);
        let place = self
            .probe(now, wish, elsewhere)
            .or_else(|| self.prefer(plan, now, wish, |d| elsewhere(d.link) && is_well(d)))
            .or_else(|| self.prefer(plan, now, wish, |d| elsewhere(d.link)))
            .or_else(|| self.prefer(plan, now, wish, |_| true))?;
        let host = self.least(self.links.get(place)?.link, wish.not)?.connection;
        let destination = self.links.get_mut(place)?;
        let permit = match destination.breaker.position() {
            // The only one that is left goes on, and its group judges it.
            Position::Open => Permit::default(),
            _ => destination.breaker.admit(now, wish.is_inquiry).unwrap_or_default(),
        };
        self.turn = place;
        Some(Choice { host, permit })
    }

    /// A link that wants a probe gets the first request that fits.
    fn probe(
        &mut self,
        now: Tick,
        wish: Wish,
        elsewhere: impl Fn(LinkId) -> bool,
    ) -> Option<usize> {
        if self.links.len() < 2 {
            return None;
        }
        let wants = |destination: &&mut Destination| {
            destination.online > 0
                && elsewhere(destination.link)
                && destination.breaker.position() == Position::HalfOpen
        };
        let mut probed = None;
        let hosts = &self.hosts;
        let reachable = |destination: &&mut Destination| {
            let link = destination.link;
            hosts.iter().any(|host| {
                host.connection.link == link
                    && Some(host.connection) != wish.not
                    && host.session.state() == State::Online
            })
        };
        for destination in self.links.iter_mut().filter(wants).filter(reachable) {
            if let Some(permit) = destination.breaker.admit(now, wish.is_inquiry) {
                // Given back at once: it is asked for again when the choice is made.
                destination.breaker.release(permit);
                probed = Some(destination.link);
                break;
            }
        }
        self.place(probed?)
    }

    /// The link that the policy wants among those that fit.
    fn prefer(
        &mut self,
        plan: &GroupPlan,
        now: Tick,
        wish: Wish,
        fits: impl Fn(&Destination) -> bool,
    ) -> Option<usize> {
        let (count, warm_up_ms) = (self.links.len(), plan.warm_up_ms);
        let usable = |group: &Self, place: usize| {
            group.links.get(place).is_some_and(|destination| {
                destination.online > 0
                    && !is_barred(destination)
                    && fits(destination)
                    && group.least(destination.link, wish.not).is_some()
            })
        };
        if count == 1 {
            return usable(self, 0).then_some(0);
        }
        if plan.policy == Policy::LeastOutstanding {
            let load = |place: usize| {
                let destination = self.links.get(place)?;
                let busy = u64::from(self.least(destination.link, wish.not)?.in_flight) + 1;
                Some(busy * 100 / destination.share(now, warm_up_ms).max(1))
            };
            let places = (0..count).filter(|place| usable(self, *place));
            return places.min_by_key(|place| load(*place).unwrap_or(u64::MAX));
        }
        // The first of those that fit who takes its turn; if none does, the first.
        let mut first = None;
        for step in 0..count {
            let place = self.nth(plan.policy, wish.account, step);
            if !usable(self, place) {
                continue;
            }
            first = first.or(Some(place));
            let takes = |destination: &mut Destination| destination.takes_turn(now, warm_up_ms);
            if self.links.get_mut(place).is_some_and(takes) {
                return Some(place);
            }
        }
        first
    }

    /// The links in the order in which a policy wants them.
    fn nth(&self, policy: Policy, account: u64, step: usize) -> usize {
        let count = self.links.len().max(1);
        match policy {
            Policy::LeastOutstanding | Policy::PrimaryBackup => step % count,
            Policy::RoundRobin => (self.turn + 1 + step) % count,
            Policy::Sticky => {
                // Every account has an order of its own in which it likes the links, so that one
                // that is gone moves only its own accounts, and each of them somewhere else.
                let rank = |place: &usize| {
                    let link = self.links.get(*place).map_or(0, |d| u64::from(d.link.0) + 1);
                    let mixed = (account ^ link.wrapping_mul(0x9E37_79B9_7F4A_7C15))
                        .wrapping_mul(0xD6E8_FEB8_6659_FD93);
                    mixed ^ (mixed >> 32)
                };
                let above = |place: &usize| {
                    let own = (rank(place), *place);
                    (0..count).filter(|other| (rank(other), *other) > own).count()
                };
                (0..count).find(|place| above(place) == step).unwrap_or(0)
            }
        }
    }

    /// The connection of a link with the fewest requests in flight, other than `not`.
    pub(super) fn least(&self, link: LinkId, not: Option<ConnectionId>) -> Option<&Host> {
        let usable = |host: &&Host| {
            host.connection.link == link
                && host.session.state() == State::Online
                && Some(host.connection) != not
        };
        self.hosts.iter().filter(usable).min_by_key(|host| host.in_flight)
    }

    /// The connection for a reversal: of a link that is well if there is one, and never of one
    /// that a person has taken out of use.
    pub(super) fn for_reversal(&self) -> Option<ConnectionId> {
        let rank = |host: &&Host| {
            let link = host.connection.link;
            let destination = self.links.iter().find(|destination| destination.link == link);
            (!destination.is_some_and(is_well), host.in_flight)
        };
        let may = |host: &&Host| {
            let link = host.connection.link;
            let is_disabled = |destination: &Destination| {
                destination.link == link && destination.breaker.position() == Position::Disabled
            };
            host.session.state() == State::Online && !self.links.iter().any(is_disabled)
        };
        self.hosts.iter().filter(may).min_by_key(rank).map(|host| host.connection)
    }
}

/// Whether a person keeps requests from it.
fn is_barred(destination: &Destination) -> bool {
    matches!(destination.breaker.position(), Position::ForcedOpen | Position::Disabled)
}

/// Whether it is to be preferred.
fn is_well(destination: &Destination) -> bool {
    matches!(destination.breaker.position(), Position::Closed | Position::ForcedClosed)
}

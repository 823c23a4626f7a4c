//! How the engine stands, for people: sessions, breakers and what is under way.
//!
//! A look costs in proportion to host connections and groups, never to requests.

use super::Switch;
use crate::breaker::Position;
use crate::plan::{ConnectionId, GroupId, ParticipantId};
use crate::session::State;
use crate::time::Tick;

/// One connection to a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostLook {
    /// Which.
    pub connection: ConnectionId,
    /// How far its session has come.
    pub state: State,
    /// Requests on it that are not answered.
    pub in_flight: u32,
    /// Nanoseconds since the host last said anything.
    pub quiet: u64,
    /// Echoes in a row that it did not answer.
    pub misses: u32,
    /// Whether it goes as soon as another does its work.
    pub is_old: bool,
}

/// One group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupLook {
    /// Where its breaker stands.
    pub breaker: Position,
    /// Requests that are not answered.
    pub in_flight: u32,
    /// What is to be undone or delivered, parked or not.
    pub reversals: usize,
    /// How much of that waits for a person.
    pub parked: usize,
    /// How much of it was sent and is not answered.
    pub sent: usize,
    /// DE15 since the last cut-over, `MMDD`, if there was one.
    pub business_date: Option<[u8; 4]>,
    /// Its connections.
    pub hosts: Vec<HostLook>,
}

impl Switch {
    /// How a group stands; `None` if the plan has no such group.
    #[must_use]
    pub fn look(&self, group: GroupId, now: Tick) -> Option<GroupLook> {
        let group = self.group(group)?;
        let hosts = group.hosts.iter().map(|host| HostLook {
            connection: host.connection,
            state: host.session.state(),
            in_flight: host.in_flight,
            quiet: now.since(host.session.heard()),
            misses: host.session.misses(),
            is_old: host.is_old,
        });
        Some(GroupLook {
            breaker: group.breaker.position(),
            in_flight: group.in_flight,
            reversals: group.reversals.len(),
            parked: group.reversals.parked(),
            sent: group.reversals.in_flight(),
            business_date: group.business_date,
            hosts: hosts.collect(),
        })
    }

    /// Requests of a participant that are not answered.
    #[must_use]
    pub fn in_flight_of(&self, participant: ParticipantId) -> u32 {
        self.participants.get(usize::from(participant.0)).map_or(0, |own| own.in_flight)
    }
}

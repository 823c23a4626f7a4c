//! How everything is, made when somebody asks (`veksel status`).

use super::Turning;
use serde_json::{Map, Value, json};
use veksel_core::plan::LinkRole;
use veksel_core::{GroupId, LinkId, ParticipantId, Position};
use veksel_link::{CloseReason, LinkStats};

impl Turning {
    pub(super) fn report(&self) -> Value {
        let switch = &self.shard.switch;
        let plan = switch.plan();
        let groups: Vec<Value> =
            (0..).zip(&plan.groups).map(|(place, _)| self.group(place)).collect();
        let links: Vec<Value> = (0..).zip(&plan.links).map(|(place, _)| self.link(place)).collect();
        let participants = (0..).zip(&plan.participants).map(|(place, participant)| {
            json!({
                "name": participant.name,
                "in_flight": switch.in_flight_of(ParticipantId(place)),
                "in_flight_max": participant.in_flight_max,
            })
        });
        json!({
            "ready": self.shard.status.is_ready(),
            "draining": self.draining_until.is_some(),
            "uptime_seconds": self.shard.clock.now().tick.0 / 1_000_000_000,
            "in_flight": switch.in_flight(),
            "in_flight_max": plan.limits.in_flight_max,
            "reversals": {
                "open": switch.reversals_open(),
                "parked": switch.reversals_parked(),
                "max": plan.limits.reversals_max,
            },
            "journal": {
                "records": self.shard.durable.0,
                "waiting": self.backlog.len(),
                "batches_unconfirmed": self.handed.len(),
                "messages_held": self.gate.len(),
            },
            "participants": participants.collect::<Vec<_>>(),
            "groups": groups,
            "links": links,
            "dropped": self.shard.observer.dropped(),
        })
    }

    fn group(&self, place: u16) -> Value {
        let (switch, tick) = (&self.shard.switch, self.shard.clock.now().tick);
        let plan = switch.plan();
        let known = plan.groups.get(usize::from(place));
        let (Some(group), Some(look)) = (known, switch.look(GroupId(place), tick)) else {
            return Value::Null;
        };
        let sessions = look.hosts.iter().map(|host| {
            let link = plan.links.get(usize::from(host.connection.link.0));
            json!({
                "link": link.map(|link| link.name.as_str()),
                "connection": host.connection.serial,
                "state": host.state.word(),
                "in_flight": host.in_flight,
                "quiet_ms": host.quiet / 1_000_000,
                "missed_echoes": host.misses,
                "being_replaced": host.is_old,
            })
        });
        let date = look.business_date.map(|date| String::from_utf8_lossy(&date).into_owned());
        json!({
            "name": group.name,
            "breaker": look.breaker.word(),
            "in_flight": look.in_flight,
            "window_max": group.window_max,
            "business_date": date,
            "reversals": {
                "open": look.reversals,
                "parked": look.parked,
                "sent": look.sent,
                "oldest_seconds": switch.reversal_age(GroupId(place), tick) / 1_000_000_000,
            },
            "sessions": sessions.collect::<Vec<_>>(),
        })
    }

    fn link(&self, place: u16) -> Value {
        let switch = &self.shard.switch;
        let plan = switch.plan();
        let Some(link) = plan.links.get(usize::from(place)) else { return Value::Null };
        let stats: LinkStats = self.shard.wires.stats(LinkId(place));
        let ended = CloseReason::ALL.into_iter().filter(|why| stats.closed(*why) > 0);
        let ended: Map<String, Value> =
            ended.map(|why| (why.word().to_owned(), stats.closed(why).into())).collect();
        let (side, part) = match link.role {
            LinkRole::Channel(id) => {
                let participant = plan.participants.get(usize::from(id.0));
                ("channel", participant.map(|participant| participant.name.as_str()))
            }
            LinkRole::Identified => ("channel", None),
            LinkRole::Host(id) => {
                let group = plan.groups.get(usize::from(id.0));
                ("host", group.map(|group| group.name.as_str()))
            }
        };
        json!({
            "name": link.name,
            "side": side,
            "of": part,
            "breaker": switch.link_position(LinkId(place)).map(Position::word),
            "connections": stats.connections,
            "buffered_bytes": stats.buffered,
            "accepted": stats.accepted,
            "refused": stats.refused,
            "dialled": stats.dialled,
            "dial_failures": stats.dial_failures,
            "frames_in": stats.frames_in,
            "frames_out": stats.frames_out,
            "malformed": stats.malformed,
            "unauthentic": stats.unauthentic,
            "unsent": stats.unsent,
            "closed": ended,
        })
    }
}

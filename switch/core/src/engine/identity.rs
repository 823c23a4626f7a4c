//! Who a channel is, and whether its messages claim to be somebody else (guarantees 5.2).

use super::Switch;
use crate::answer::{Decline, decline};
use crate::event::Event;
use crate::plan::{ConnectionId, LinkRole, ParticipantId};
use crate::time::{Now, Tick};
use veksel_codecs::{FieldNumber, Message};

/// How often claims of one participant beyond its grants are recorded: a peer that has a
/// certificate must not be able to fill the journal.
const NOTE_EVERY_MS: u64 = 10_000;

/// What a participant claimed beyond its grants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims {
    /// When that was last recorded.
    noted: Option<Tick>,
    /// How often it happened since then.
    since: u64,
}

impl Switch {
    /// The certificate of a connection belongs to a participant.
    pub(super) fn handle_identified(
        &mut self,
        connection: ConnectionId,
        participant: ParticipantId,
    ) {
        let is_known = usize::from(participant.0) < self.plan.participants.len();
        if is_known && self.role(connection) == Some(LinkRole::Identified) {
            self.identities.insert(connection.serial, participant);
        }
    }

    /// Who acts on a connection whose link leaves that to its certificate.
    pub(super) fn identity(&self, connection: ConnectionId) -> Option<ParticipantId> {
        self.identities.get(&connection.serial).copied()
    }

    /// The field of a request that claims what its participant is not granted.
    pub(super) fn claim(
        &self,
        participant: ParticipantId,
        message: &Message,
    ) -> Option<FieldNumber> {
        self.plan.participants.get(usize::from(participant.0))?.grants.beyond(message)
    }

    /// Answers a request that claims to be somebody else's, and records that it came.
    pub(super) fn refuse_claim(
        &mut self,
        now: Now,
        connection: ConnectionId,
        participant: ParticipantId,
        field: FieldNumber,
        mut message: Message,
    ) {
        let link = connection.link;
        let recorded = self.note_claim(now, connection, participant, field, &message);
        let why = Decline::NOT_GRANTED;
        decline(&mut message, why);
        self.count(Event::Ungranted { link, participant, field, recorded });
        self.count(Event::Refused { link, response: why.code(), fault: None });
        self.send(connection, message, None, None, None);
    }

    /// Says whether it was recorded now, or will be counted in the next record.
    fn note_claim(
        &mut self,
        now: Now,
        connection: ConnectionId,
        participant: ParticipantId,
        field: FieldNumber,
        message: &Message,
    ) -> bool {
        let place = usize::from(participant.0);
        let Some(claims) = self.claims.get_mut(place) else { return false };
        if claims.noted.is_some_and(|noted| now.tick < noted.after_ms(NOTE_EVERY_MS)) {
            claims.since = claims.since.saturating_add(1);
            return false;
        }
        let before = core::mem::take(&mut claims.since);
        claims.noted = Some(now.tick);
        let name = |name: Option<&String>| name.cloned().unwrap_or_default();
        let who = name(self.plan.participants.get(place).map(|participant| &participant.name));
        let links = &self.plan.links;
        let link = name(links.get(usize::from(connection.link.0)).map(|link| &link.name));
        let detail = format!(
            "participant {who} sent {} with DE{} outside its grant over {link}, connection {}; \
             {before} more before that were not recorded",
            message.mti(),
            field.get(),
            connection.serial,
        );
        self.note(now, "switch", "not-granted", detail);
        true
    }
}

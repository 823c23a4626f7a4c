//! Who may connect, and who a peer is: what only several values together can tell, and the
//! identities of a listener.
//!
//! A listener that asks for certificates knows its participants by them; one that other machines
//! reach without TLS must name the networks it is for (guarantees 5.2).

use super::raw::{Listener, Participant, Switch};
use crate::cidr::Cidr;
use crate::findings::{Findings, Found, Place};
use crate::section::Section;
use crate::tls::{Clients, Identities, Identity};
use veksel_core::plan::ParticipantId;

/// Reads `allow`: `None` lets everybody connect.
pub(super) fn allow(section: &mut Section<'_>) -> Found<Option<Vec<Cidr>>> {
    let parse = |text: &str| if text == "*" { Ok(None) } else { Cidr::parse(text).map(Some) };
    let show = |network: &Option<Cidr>| network.map_or("*".to_owned(), |own| own.to_string());
    let expected = "networks such as \"10.1.0.0/16\", or \"*\" for all";
    let found = section.list_or("allow", &["*"], expected, parse, show);
    let value = found.value.into_iter().map(|network| network.value).collect();
    Found { value, place: found.place }
}

impl Listener {
    /// Everybody its peers may act as.
    pub(super) fn acting(&self) -> impl Iterator<Item = &Found<String>> {
        std::iter::once(&self.participant).chain(&self.participants.value)
    }

    fn clients(&self) -> Clients {
        self.tls.value.as_ref().map_or(Clients::None, |tls| tls.clients)
    }
}

impl Participant {
    fn is_known(&self) -> bool {
        !self.pins.value.is_empty() || !self.sans.value.is_empty()
    }
}

/// Looks at listeners and participants.
pub(super) fn check(switch: &Switch, findings: &mut Findings) {
    for listener in &switch.listeners {
        plaintext(listener, findings);
        certificates(switch, listener, findings);
    }
    for (index, participant) in switch.participants.iter().enumerate() {
        for earlier in switch.participants.iter().take(index) {
            shared(earlier, participant, findings);
        }
    }
}

fn plaintext(listener: &Listener, findings: &mut Findings) {
    let (name, allow) = (&listener.name.value, &listener.allow);
    let is_tls = listener.tls.value.is_some();
    let is_open = allow.value.is_none();
    if allow.value.as_ref().is_some_and(Vec::is_empty) && allow.is_sound() {
        let help = "an empty list means nobody; \"*\" means everybody";
        let message = format!("nobody may connect to listener \"{name}\"");
        findings.warning(allow.place, message, help);
    }
    let is_local = listener.listen.value.ip().is_loopback();
    if is_tls || is_local || !listener.listen.is_sound() || !listener.tls.is_sound() {
        return;
    }
    let (permit, place) = (&listener.allow_plaintext, listener.listen.place);
    if permit.is_sound() && !permit.value {
        let message = format!("other machines reach listener \"{name}\" without TLS");
        let help = "set up [listener.tls], or `allow_plaintext = true` and name the networks \
                    it is for in `allow`";
        findings.error(place, message, help);
    } else if permit.is_sound() && allow.is_sound() && is_open {
        let message = format!("listener \"{name}\" allows plaintext from everywhere");
        let help = "name the networks it is for: allow = [\"10.1.0.0/16\"]";
        findings.error(allow.place.or(permit.place), message, help);
    }
}

fn certificates(switch: &Switch, listener: &Listener, findings: &mut Findings) {
    let (name, clients) = (&listener.name.value, listener.clients());
    let more = &listener.participants;
    if clients == Clients::None && more.is_sound() && !more.value.is_empty() {
        let message = format!("listener \"{name}\" cannot tell its participants apart");
        let help = "set up [listener.tls] with `clients = \"required\"`";
        findings.error(more.place, message, help);
    }
    for (place, acting) in listener.acting().enumerate() {
        let part = switch.participants.iter().find(|part| part.name.value == acting.value);
        let Some(part) = part.filter(|_| acting.is_sound()) else { continue };
        let needs_none = clients == Clients::None || (clients == Clients::Optional && place == 0);
        if !part.pins.is_sound() || !part.sans.is_sound() {
            continue;
        }
        if !needs_none && !part.is_known() {
            let message = format!("nobody can be participant \"{}\"", acting.value);
            let help = format!(
                "listener \"{name}\" knows its peers by certificates; give the participant \
                 `pins` or `sans`"
            );
            findings.error(acting.place, message, help);
        } else if needs_none && part.is_known() {
            let message = format!(
                "listener \"{name}\" lets peers act as \"{}\" without a certificate",
                acting.value
            );
            let help = "its `pins` and `sans` are not asked for here";
            findings.warning(acting.place, message, help);
        }
    }
    for (place, acting) in listener.acting().enumerate() {
        let is_twice = listener.acting().take(place).any(|other| other.value == acting.value);
        if is_twice && acting.is_sound() {
            let message =
                format!("listener \"{name}\" names participant \"{}\" twice", acting.value);
            findings.error(acting.place, message, "");
        }
    }
}

/// One key or name that stands for two participants stands for neither.
fn shared(earlier: &Participant, later: &Participant, findings: &mut Findings) {
    let (pins, sans) = (&later.pins, &later.sans);
    let pin = pins.value.iter().find(|pin| earlier.pins.value.contains(pin));
    let san = sans.value.iter().find(|san| earlier.sans.value.contains(san));
    let found: [(Option<String>, Place); 2] = [
        (pin.map(|pin| format!("pin {pin}")), pins.place),
        (san.map(|san| format!("name {san}")), sans.place),
    ];
    for (what, place) in found {
        let Some(what) = what else { continue };
        let message = format!("participant \"{}\" has a {what} that is taken", later.name.value);
        let other = findings.words(earlier.name.place);
        let help = format!("it is that of participant \"{}\", {other}", earlier.name.value);
        findings.error(place, message, help);
    }
}

/// How the peers of a listener are known; `None` where its only participant is.
pub(super) fn identities(
    listener: &Listener,
    participants: &[Participant],
    index_of: impl Fn(&Found<String>) -> u16,
) -> Option<Identities> {
    let clients = listener.clients();
    if clients == Clients::None {
        return None;
    }
    let known = listener.acting().filter_map(|acting| {
        let index = index_of(acting);
        let part = participants.get(usize::from(index))?;
        Some(Identity {
            participant: ParticipantId(index),
            pins: part.pins.value.clone(),
            sans: part.sans.value.clone(),
        })
    });
    let own = ParticipantId(index_of(&listener.participant));
    let without = (clients == Clients::Optional).then_some(own);
    Some(Identities { known: known.collect(), without })
}

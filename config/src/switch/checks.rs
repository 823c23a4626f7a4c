//! What only several values together can tell: names given twice, ports used twice, deadlines
//! that do not fit into each other, routes nothing reaches.

use super::raw::{Group, Route, Switch};
use super::{DEADLINE_MARGIN_MS, HTTP, identity};
use crate::address::collide;
use crate::findings::{Findings, Found, Place};
use crate::unit::show_duration;

/// Channel timeouts for which a late answer must stay recognisable (semantics 31).
const TOMBSTONE_TIMEOUTS: u64 = 4;

/// Looks at everything but references, which are checked where they are resolved.
pub(super) fn check(switch: &Switch, findings: &mut Findings) {
    names(switch, findings);
    ports(switch, findings);
    self_calls(switch, findings);
    for group in &switch.groups {
        for patience in patience(switch) {
            if is_reachable(switch, &patience, group) {
                deadlines(&patience, group, findings);
            }
        }
        backoffs(group, findings);
        addresses(group, findings);
    }
    sizes(switch, findings);
    identity::check(switch, findings);
    shadowed_routes(&switch.routes, findings);
    idle_parts(switch, findings);
}

fn names(switch: &Switch, findings: &mut Findings) {
    let participants: Vec<_> =
        switch.participants.iter().map(|p| ("participant", &p.name)).collect();
    let routes: Vec<_> = switch.routes.iter().map(|r| ("route", &r.name)).collect();
    // Both become links, and a link is known by its name.
    let listeners = switch.listeners.iter().map(|l| ("listener", &l.name));
    // A payment is recorded with the name of the group or bank it goes to.
    let banks = switch.outside.banks.iter().map(|bank| ("bank", &bank.name));
    let groups = switch.groups.iter().map(|group| ("group", &group.name));
    let links: Vec<_> = listeners.chain(groups).chain(banks).collect();
    let callers: Vec<_> = switch.outside.callers.iter().map(|c| ("caller", &c.name)).collect();
    let is_taken = |(_, name): &&(&str, &Found<String>)| name.is_sound() && name.value == HTTP;
    let http = switch.outside.http.as_ref();
    let is_known = !callers.is_empty() || http.is_some_and(|http| http.tls.value.is_some());
    if let (true, Some((kind, name))) = (is_known, links.iter().find(is_taken)) {
        let message = format!("{kind} \"{HTTP}\" has a name that is taken");
        findings.error(
            name.place,
            message,
            "it is that of [http] and of the link of all [[caller]]",
        );
    }
    for named in [participants, routes, links, callers] {
        unique(&named, findings);
    }
}

/// Names must differ in more than `-` and `_`: variables cannot tell those apart.
fn unique(named: &[(&str, &Found<String>)], findings: &mut Findings) {
    for (index, (kind, name)) in named.iter().enumerate().filter(|(_, (_, name))| name.is_sound()) {
        let same = |other: &Found<String>| {
            other.is_sound() && other.value.replace('-', "_") == name.value.replace('-', "_")
        };
        let earlier = named.iter().take(index).find(|(_, other)| same(other));
        if let Some((other_kind, other)) = earlier {
            let message = format!("{kind} \"{}\" has a name that is taken", name.value);
            let place = findings.words(other.place);
            let help = format!("already used by {other_kind} \"{}\", {place}", other.value);
            findings.error(name.place, message, help);
        }
    }
}

fn ports(switch: &Switch, findings: &mut Findings) {
    let admin = ("[admin]".to_owned(), &switch.admin);
    let listeners =
        switch.listeners.iter().map(|l| (format!("listener \"{}\"", l.name.value), &l.listen));
    let http = switch.outside.http.iter().map(|http| ("[http]".to_owned(), &http.listen));
    let sockets: Vec<_> = std::iter::once(admin).chain(listeners).chain(http).collect();
    for (index, (_, listen)) in sockets.iter().enumerate() {
        let clash = sockets.iter().take(index).enumerate().find(|(_, (_, other))| {
            listen.is_sound() && other.is_sound() && collide(listen.value, other.value)
        });
        if let Some((earlier, (owner, other))) = clash {
            let users = if earlier == 0 { "twice" } else { "by two listeners" };
            let message = format!("port {} is used {users}", listen.value.port());
            let help = format!("already used by {owner}");
            findings.error(listen.place.or(other.place), message, help);
        }
    }
}

/// A switch that dials itself multiplies every message until something is full.
fn self_calls(switch: &Switch, findings: &mut Findings) {
    for group in &switch.groups {
        for destination in &group.connect.value {
            let listener = switch.listeners.iter().find(|listener| {
                listener.listen.is_sound() && destination.value.reaches(listener.listen.value)
            });
            if let Some(listener) = listener {
                let message =
                    format!("group \"{}\" connects to the switch itself", group.name.value);
                let place = findings.words(listener.listen.place);
                let help = format!("this is listener \"{}\", {place}", listener.name.value);
                findings.error(destination.place, message, help);
            }
        }
    }
}

/// How long some channels wait for an answer, and who they are.
pub(super) struct Patience<'a> {
    /// The key that says it.
    pub(super) key: &'static str,
    /// Whose it is.
    pub(super) of: String,
    pub(super) wait: &'a Found<u64>,
    acting: Vec<&'a str>,
}

/// Of every listener, and of those who call over HTTP.
pub(super) fn patience(switch: &Switch) -> Vec<Patience<'_>> {
    let listeners = switch.listeners.iter().map(|listener| Patience {
        key: "channel_timeout",
        of: format!("listener \"{}\"", listener.name.value),
        wait: &listener.channel_timeout,
        acting: listener.acting().map(|acting| acting.value.as_str()).collect(),
    });
    let callers = &switch.outside.callers;
    let http = switch.outside.http.iter().filter(|_| !callers.is_empty()).map(|http| Patience {
        key: "answer",
        of: "[http]".to_owned(),
        wait: &http.answer,
        acting: callers.iter().map(|caller| caller.participant.value.as_str()).collect(),
    });
    listeners.chain(http).collect()
}

/// Whether some route leads from there to the group.
fn is_reachable(switch: &Switch, patience: &Patience<'_>, group: &Group) -> bool {
    switch.routes.iter().any(|route| {
        let takes = |acting: &&str| route.takes(acting);
        route.group.value == group.name.value && patience.acting.iter().any(takes)
    })
}

impl Route {
    /// Whether requests of this participant may use it.
    fn takes(&self, participant: &str) -> bool {
        let names = &self.participants;
        let is_open = names.value.is_empty() && names.is_sound();
        is_open || names.value.iter().any(|name| name.value == participant)
    }
}

fn deadlines(patience: &Patience<'_>, group: &Group, findings: &mut Findings) {
    let Patience { key, of: whose, wait: timeout, .. } = patience;
    let latest = timeout.value.saturating_sub(DEADLINE_MARGIN_MS);
    let group_name = &group.name.value;
    let why = format!(
        "`{key}` of {whose} is {} ({}), less 2s for the way back",
        show_duration(timeout.value),
        findings.words(timeout.place),
    );
    let of = &group.deadlines;
    let services =
        [("payment", &of.payment), ("inquiry", &of.inquiry), ("statement", &of.statement)];
    for (service, deadline) in services {
        if !timeout.is_sound() || !deadline.is_sound() || deadline.value < latest {
            continue;
        }
        let message = format!(
            "`{service}` deadline {} of group \"{group_name}\" must be less than {}",
            show_duration(deadline.value),
            show_duration(latest),
        );
        let place = deadline.place.or(timeout.place);
        // Only a payment leaves something behind when the channel has given up.
        match service {
            "payment" => findings.error(place, message, why.as_str()),
            _ => findings.warning(place, message.replace("must", "should"), why.as_str()),
        }
    }
    let tombstone = &group.tombstone;
    let least = timeout.value.saturating_mul(TOMBSTONE_TIMEOUTS);
    if timeout.is_sound() && tombstone.is_sound() && tombstone.value < least {
        let message = format!(
            "`tombstone` {} of group \"{group_name}\" is less than {} channel timeouts",
            show_duration(tombstone.value),
            TOMBSTONE_TIMEOUTS,
        );
        let help = format!("at least {} for {whose}", show_duration(least));
        findings.warning(tombstone.place.or(timeout.place), message, help);
    }
}

fn backoffs(group: &Group, findings: &mut Findings) {
    let pairs = [
        ("reconnect_min", &group.reconnect_min, "reconnect_max", &group.reconnect_max),
        ("open", &group.breaker.open, "open_max", &group.breaker.open_max),
        ("retry", &group.reversals.retry, "retry_max", &group.reversals.retry_max),
    ];
    for (least_key, least, most_key, most) in pairs {
        if least.is_sound() && most.is_sound() && least.value > most.value {
            let message = format!("`{least_key}` must not be more than `{most_key}`");
            let (value, place) = (show_duration(most.value), findings.words(most.place));
            let help = format!("`{most_key}` is {value}, {place}");
            findings.error(least.place.or(most.place), message, help);
        }
    }
    let (guard, payment) = (&group.reversals.guard, &group.deadlines.payment);
    if guard.is_sound() && payment.is_sound() && guard.value < payment.value.saturating_mul(2) {
        let message = "`guard` should be at least twice `payment`";
        let (value, place) = (show_duration(payment.value), findings.words(payment.place));
        let help = format!("`payment` is {value}, {place}; an original may arrive that late");
        findings.warning(guard.place.or(payment.place), message, help);
    }
    let (guard, age) = (&group.reversals.guard, &group.reversals.age_max);
    if guard.is_sound() && age.is_sound() && age.value <= guard.value {
        let message = "`age_max` must be more than `guard`";
        let (value, place) = (show_duration(guard.value), findings.words(guard.place));
        let help = format!("`guard` is {value}, {place}; \"not found\" counts only after it");
        findings.error(age.place.or(guard.place), message, help);
    }
    let (slow, payment) = (&group.breaker.slow, &group.deadlines.payment);
    if slow.is_sound() && payment.is_sound() && slow.value >= payment.value {
        let message = format!("no payment of group \"{}\" can ever be slow", group.name.value);
        let (slow_for, given_up) = (show_duration(slow.value), show_duration(payment.value));
        let help = format!("`slow` is {slow_for}, and a payment is given up after {given_up}");
        findings.warning(slow.place.or(payment.place), message, help);
    }
}

fn addresses(group: &Group, findings: &mut Findings) {
    for (index, destination) in group.connect.value.iter().enumerate() {
        if group.connect.value.iter().take(index).any(|other| other.value == destination.value) {
            let message = format!("group \"{}\" connects to one address twice", group.name.value);
            findings.error(destination.place, message, "`connections` makes more connections");
        }
    }
}

fn sizes(switch: &Switch, findings: &mut Findings) {
    let (path, keys) = (&switch.store.path, &switch.store.keys);
    if path.is_sound() && keys.is_sound() && path.value == keys.value {
        let help = format!("`path` is the same, {}", findings.words(path.place));
        let message = "`keys` must not be the file of the records";
        findings.error(keys.place.or(path.place), message, help);
    }
    let most = &switch.connections_max;
    for listener in &switch.listeners {
        let connections = &listener.connections_max;
        let is_set = connections.is_sound() && connections.place != Place::Default;
        if is_set && most.is_sound() && connections.value > most.value {
            let message = format!(
                "listener \"{}\" allows more connections than the switch",
                listener.name.value
            );
            let place = findings.words(most.place);
            let help = format!("`connections_max` in [limits] is {}, {place}", most.value);
            findings.warning(connections.place, message, help);
        }
    }
    let hosts: u64 = switch.groups.iter().map(host_connections).sum();
    if most.is_sound() && hosts > u64::from(most.value) {
        let message = format!("{hosts} host connections are more than `connections_max` allows");
        findings.error(most.place, message, "");
    }
}

fn host_connections(group: &Group) -> u64 {
    let addresses = u64::try_from(group.connect.value.len()).unwrap_or(u64::MAX);
    addresses.saturating_mul(group.connections.value.into())
}

/// Only one earlier route at a time is compared; several that cover another together go unseen.
fn shadowed_routes(routes: &[Route], findings: &mut Findings) {
    for (index, route) in routes.iter().enumerate() {
        if let Some(earlier) = routes.iter().take(index).find(|earlier| covers(earlier, route)) {
            let message = format!("route \"{}\" can never match", route.name.value);
            let place = findings.words(earlier.name.place);
            let help = format!("route \"{}\" takes everything first, {place}", earlier.name.value);
            findings.warning(route.name.place, message, help);
        }
    }
}

/// Whether whatever fits `later` fits `earlier` too. An empty list fits everything.
fn covers(earlier: &Route, later: &Route) -> bool {
    fn all<T>(
        wide: &Found<Vec<Found<T>>>,
        narrow: &Found<Vec<Found<T>>>,
        fits: impl Fn(&T, &T) -> bool,
    ) -> bool {
        let taken =
            |item: &Found<T>| wide.value.iter().any(|other| fits(&other.value, &item.value));
        let is_within = || !narrow.value.is_empty() && narrow.value.iter().all(taken);
        wide.is_sound() && narrow.is_sound() && (wide.value.is_empty() || is_within())
    }
    let begins = |prefix: &String, longer: &String| longer.starts_with(prefix.as_str());
    all(&earlier.mti, &later.mti, PartialEq::eq)
        && all(&earlier.codes, &later.codes, PartialEq::eq)
        && all(&earlier.participants, &later.participants, PartialEq::eq)
        && all(&earlier.account_prefixes, &later.account_prefixes, begins)
        && all(&earlier.card_prefixes, &later.card_prefixes, begins)
        && (earlier.linked.value.is_none() || earlier.linked.value == later.linked.value)
}

/// Parts that are configured and can do nothing. Silent while a reference was refused, or while
/// there is nothing that could refer to them.
fn idle_parts(switch: &Switch, findings: &mut Findings) {
    let (routes, listeners) = (&switch.routes, &switch.listeners);
    let is_route_sound = |route: &Route| route.group.is_sound() && route.participants.is_sound();
    let are_routes_sound = !routes.is_empty() && routes.iter().all(is_route_sound);
    let are_listeners_sound = !listeners.is_empty()
        && listeners
            .iter()
            .all(|listener| listener.participant.is_sound() && listener.participants.is_sound());
    for group in switch.groups.iter().filter(|_| are_routes_sound) {
        if !routes.iter().any(|route| route.group.value == group.name.value) {
            let message = format!("no route leads to group \"{}\"", group.name.value);
            never_used(findings, group.name.place, message);
        }
    }
    for participant in &switch.participants {
        let name = &participant.name.value;
        let listens = |acting: &Found<String>| acting.value == *name;
        let mut acting = listeners.iter().flat_map(|listener| listener.acting());
        let mut callers = switch.outside.callers.iter().map(|caller| &caller.participant);
        if are_listeners_sound && !acting.any(listens) && !callers.any(listens) {
            let message = format!("no listener belongs to participant \"{name}\"");
            never_used(findings, participant.name.place, message);
        } else if are_routes_sound && !routes.iter().any(|route| route.takes(name)) {
            let message = format!("no route takes participant \"{name}\"");
            never_used(findings, participant.name.place, message);
        }
    }
}

fn never_used(findings: &mut Findings, place: Place, message: String) {
    findings.warning(place, message, "it will never be used");
}

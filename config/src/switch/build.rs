//! Raw values to the result: names become indices, a group becomes one link per address.
//!
//! A reference that leads nowhere is reported here and becomes index 0, which is never seen
//! because the load fails.

use super::identity::identities;
use super::outside::{Bank, Outside};
use super::raw::{Breaker, Group, Listener, Participant, Reversals, Route, Switch};
use super::{
    AdminConfig, DialConfig, ExclusiveConfig, HTTP, ListenConfig, LogConfig, PortConfig,
    SocketConfig, StoreConfig, SwitchConfig,
};
use crate::address::Destination;
use crate::bridge::{BridgeConfig, CallerConfig};
use crate::findings::{Findings, Found};
use crate::problem::Problems;
use crate::settings::Settings;
use veksel_core::plan::{
    BankPlan, BreakerPlan, ChannelSessionPlan, Deadlines, DigestKey, GroupId, GroupPlan, LinkPlan,
    LinkRole, ParticipantId, ParticipantPlan, Plan, ReversalPlan, RoutePlan, RouteTo, SessionPlan,
};

/// Everything but settings and warnings, which are known when all is done.
pub(super) fn build(switch: Switch, findings: &mut Findings) -> SwitchConfig {
    let participants: Vec<_> = switch.participants.iter().map(|part| part.name.clone()).collect();
    let groups: Vec<_> = switch.groups.iter().map(|group| group.name.clone()).collect();
    let mut links = Vec::new();
    let mut sockets = Vec::new();
    for listener in &switch.listeners {
        for acting in listener.acting() {
            resolve(acting, "[[participant]]", &participants, findings);
        }
        let index_of = |name: &Found<String>| index_of(name, &participants);
        let known = identities(listener, &switch.participants, index_of);
        let role = match known {
            Some(_) => LinkRole::Identified,
            None => LinkRole::Channel(ParticipantId(index_of(&listener.participant))),
        };
        let (name, session) = (listener.name.value.clone(), listener.session);
        links.push(LinkPlan { name, role, session });
        sockets.push(SocketConfig::Listen(ListenConfig { identities: known, ..listen(listener) }));
    }
    for (index, group) in (0..).zip(&switch.groups) {
        for (number, destination) in (1..).zip(&group.connect.value) {
            // A dot cannot stand in a name, so no listener can have this one.
            let name = format!("{}.{number}", group.name.value);
            let (role, session) = (LinkRole::Host(GroupId(index)), ChannelSessionPlan::default());
            links.push(LinkPlan { name, role, session });
            let dial = dial(group, destination.value.clone(), &switch.institution.value);
            sockets.push(SocketConfig::Dial(dial));
        }
    }
    if let (Some(http), false) = (&switch.outside.http, switch.outside.callers.is_empty()) {
        let (role, session) = (LinkRole::Identified, ChannelSessionPlan::default());
        links.push(LinkPlan { name: HTTP.to_owned(), role, session });
        let dialect = http.config.dialect.clone();
        sockets.push(SocketConfig::Port(PortConfig { dialect }));
    }
    let callers = callers(&switch, &participants, findings);
    let extauth = switch.outside.extauth.as_ref().map(|extauth| {
        let names: Vec<_> = switch.outside.callers.iter().map(|own| own.name.clone()).collect();
        extauth.config(resolve(&extauth.caller, "[[caller]]", &names, findings))
    });
    let banks = bank_plans(&switch.outside, &participants, findings);
    let routes = switch
        .routes
        .into_iter()
        .map(|route| route_plan(route, &participants, &groups, findings))
        .collect();
    let plan = Plan {
        institution: switch.institution.value,
        links,
        groups: switch.groups.into_iter().map(group_plan).collect(),
        participants: (0..)
            .zip(switch.participants)
            .map(|(place, participant)| {
                // A program that asks again does not know which time it said before.
                let is_caller = callers.iter().any(|own| own.participant == ParticipantId(place));
                participant_plan(participant, is_caller)
            })
            .collect(),
        routes,
        banks,
        payees: switch.outside.payees.into_iter().map(|(_, plan)| plan).collect(),
        asks_billers: switch.outside.providers.bill.is_some(),
        kyc: switch.outside.kyc.as_ref().map(|kyc| kyc.plan.clone()).unwrap_or_default(),
        limits: switch.limits,
        record_inquiries: switch.record_inquiries.value,
        keep_ms: switch.store.keep.value,
        digest_key: DigestKey([0; 32]),
    };
    SwitchConfig {
        name: switch.name.value,
        drain_ms: switch.drain.value,
        mode: switch.service_mode.value,
        allow_mock: switch.allow_mock.value,
        plan,
        sockets,
        bridge: BridgeConfig {
            banks: switch.outside.banks.into_iter().map(|bank| bank.config).collect(),
            kyc: switch.outside.kyc.map(|kyc| kyc.config),
            http: switch.outside.http.map(|http| http.config),
            callers,
            identity: switch.outside.identity.map(|identity| identity.config),
            extauth,
            providers: switch.outside.providers.into_config(),
        },
        admin: AdminConfig { listen: switch.admin.value },
        store: StoreConfig {
            path: switch.store.path.value,
            keys: switch.store.keys.value,
            queue_max: switch.store.queue_max.value,
            keep_ms: switch.store.keep.value,
            records_max: switch.store.records_max.value,
        },
        alert: switch.alert,
        trace: switch.trace,
        log: LogConfig { format: switch.log_format.value, level: switch.log_level.value },
        settings: Settings::default(),
        warnings: Problems::default(),
    }
}

fn callers(
    switch: &Switch,
    participants: &[Found<String>],
    findings: &mut Findings,
) -> Vec<CallerConfig> {
    let institution = &switch.institution.value;
    let callers = switch.outside.callers.iter().map(|caller| {
        let index = resolve(&caller.participant, "[[participant]]", participants, findings);
        caller.config(ParticipantId(index), institution)
    });
    callers.collect()
}

/// The index of the part that `name` means.
fn resolve(
    name: &Found<String>,
    kind: &str,
    names: &[Found<String>],
    findings: &mut Findings,
) -> u16 {
    if names.iter().all(|other| other.value != name.value) {
        let names = names.iter().filter(|name| name.is_sound());
        let names: Vec<&str> = names.map(|name| name.value.as_str()).collect();
        findings.unknown_name(name.place, kind, &name.value, &names);
    }
    index_of(name, names)
}

/// The index of the part that `name` means, or 0, if [`resolve`] complains of it.
fn index_of(name: &Found<String>, names: &[Found<String>]) -> u16 {
    let index = names.iter().position(|other| other.value == name.value);
    index.and_then(|index| u16::try_from(index).ok()).unwrap_or(0)
}

fn participant_plan(participant: Participant, stamps_anew: bool) -> ParticipantPlan {
    ParticipantPlan {
        name: participant.name.value,
        in_flight_max: participant.in_flight_max.value,
        grants: participant.grants,
        rate: participant.rate.value,
        burst: participant.burst.value,
        file_actions: participant.file_actions.value,
        told_by: participant.told_by.value,
        stamps_anew,
    }
}

fn group_plan(group: Group) -> GroupPlan {
    GroupPlan {
        name: group.name.value,
        policy: group.policy.value,
        answers: group.answers.value,
        warm_up_ms: group.warm_up.value,
        queue_max: group.queue_max.value,
        queue_ms: group.queue_age.value,
        // Connections that are lent sign on where they are made, and are not kept.
        session: match group.exclusive.value {
            true => SessionPlan {
                sign_on: false,
                peer_signs_on: false,
                echo_idle_ms: 0,
                ..group.session
            },
            false => group.session,
        },
        deadlines: Deadlines {
            payment_ms: group.deadlines.payment.value,
            inquiry_ms: group.deadlines.inquiry.value,
            statement_ms: group.deadlines.statement.value,
        },
        breaker: breaker_plan(&group.breaker),
        reversals: reversal_plan(&group.reversals),
        window_max: group.window_max.value,
        tombstone_ms: group.tombstone.value,
    }
}

const fn breaker_plan(breaker: &Breaker) -> BreakerPlan {
    BreakerPlan {
        failures_max: breaker.failures_max.value,
        window_ms: breaker.window.value,
        calls_min: breaker.calls_min.value,
        failure_percent: breaker.failure_percent.value,
        slow_ms: breaker.slow.value,
        slow_percent: breaker.slow_percent.value,
        open_ms: breaker.open.value,
        open_ms_max: breaker.open_max.value,
        probes: breaker.probes.value,
    }
}

const fn reversal_plan(reversals: &Reversals) -> ReversalPlan {
    ReversalPlan {
        mti: reversals.message.value,
        answer_ms: reversals.answer.value,
        retry_ms: reversals.retry.value,
        retry_ms_max: reversals.retry_max.value,
        guard_ms: reversals.guard.value,
        window_max: reversals.window_max.value,
        alarm_ms: reversals.alarm.value,
        age_ms_max: reversals.age_max.value,
    }
}

fn route_plan(
    route: Route,
    participants: &[Found<String>],
    groups: &[Found<String>],
    findings: &mut Findings,
) -> RoutePlan {
    fn values<T>(items: Found<Vec<Found<T>>>) -> Vec<T> {
        items.value.into_iter().map(|item| item.value).collect()
    }
    let to = match route.leads_to_bank() {
        true => RouteTo::Bank,
        false => RouteTo::Group(GroupId(resolve(&route.group, "[[group]]", groups, findings))),
    };
    let participants = route
        .participants
        .value
        .iter()
        .map(|name| ParticipantId(resolve(name, "[[participant]]", participants, findings)))
        .collect();
    RoutePlan {
        name: route.name.value,
        mti: values(route.mti),
        codes: values(route.codes),
        account_prefixes: values(route.account_prefixes),
        card_prefixes: values(route.card_prefixes),
        participants,
        linked: route.linked.value,
        to,
    }
}

fn bank_plans(
    outside: &Outside,
    participants: &[Found<String>],
    findings: &mut Findings,
) -> Vec<BankPlan> {
    let plan = |bank: &Bank| {
        let attended = bank.attended.value.iter();
        let attended = attended
            .map(|name| ParticipantId(resolve(name, "[[participant]]", participants, findings)));
        BankPlan { attended: attended.collect(), ..bank.plan.clone() }
    };
    outside.banks.iter().map(plan).collect()
}

fn listen(listener: &Listener) -> ListenConfig {
    ListenConfig {
        address: listener.listen.value,
        dialect: listener.dialect.value.clone(),
        framing: listener.framing.clone(),
        mac: listener.mac.clone(),
        tls: listener.tls.value.clone(),
        identities: None,
        allow: listener.allow.value.clone(),
        connections_max: listener.connections_max.value,
        in_flight_max: listener.in_flight_max.value,
        frame_deadline_ms: listener.frame_deadline.value,
        tcp_user_timeout_ms: listener.tcp_user_timeout.value,
        tcp_keep_alive: listener.tcp_keep_alive,
        idle_ms: listener.idle.value,
        outbound_max: listener.outbound_max.value,
        malformed_max: listener.malformed_max.value,
        malformed_window_ms: listener.malformed_window.value,
        channel_timeout_ms: listener.channel_timeout.value,
        strict: listener.strict.value,
    }
}

fn dial(group: &Group, destination: Destination, institution: &str) -> DialConfig {
    let exclusive = group.exclusive.value.then(|| ExclusiveConfig {
        institution: institution.to_owned(),
        sign_on: group.session.sign_on,
        answer_ms: group.session.answer_ms,
        idle_ms: group.session.echo_idle_ms,
        wait_ms: group.queue_age.value,
        waiting_max: group.window_max.value,
    });
    DialConfig {
        exclusive,
        destination,
        connections: group.connections.value,
        dialect: group.dialect.value.clone(),
        framing: group.framing.clone(),
        mac: group.mac.clone(),
        tls: group.tls.clone(),
        connect_timeout_ms: group.connect_timeout.value,
        reconnect_ms_min: group.reconnect_min.value,
        reconnect_ms_max: group.reconnect_max.value,
        tcp_user_timeout_ms: group.tcp_user_timeout.value,
        tcp_keep_alive: group.tcp_keep_alive,
        frame_deadline_ms: group.frame_deadline.value,
        outbound_max: group.outbound_max.value,
    }
}

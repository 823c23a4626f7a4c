//! What only the sections about third parties and the others together can tell: that customers can
//! come back, that a production switch calls nobody of this machine, that routes and banks fit.

use super::outside::{Bank, Http, host_of, is_private_host};
use super::raw::{Route, Switch};
use super::{DEADLINE_MARGIN_MS, ServiceMode};
use crate::bridge::BankProfile;
use crate::findings::{Findings, Found, Place};
use crate::unit::show_duration;
use veksel_core::fact::ApprovalMode;

pub(super) fn check(switch: &Switch, findings: &mut Findings) {
    let outside = &switch.outside;
    if let Some(http) = &outside.http {
        listener(http, findings);
    }
    let redirects = |bank: &&Bank| !matches!(bank.config.profile, BankProfile::DropPay { .. });
    if let (None, Some(bank)) = (&outside.http, outside.banks.iter().find(redirects)) {
        let message = format!("bank \"{}\" and no [http]", bank.name.value);
        let help = "its customers come back there, once they have approved";
        findings.error(bank.name.place, message, help);
    }
    if switch.service_mode.value == ServiceMode::Production && !switch.allow_mock.value {
        production(switch, findings);
    }
    for bank in &outside.banks {
        one(switch, bank, findings);
    }
    for route in &switch.routes {
        to_banks(switch, route, findings);
    }
    let is_asked = switch.routes.iter().any(|route| route.leads_to_bank());
    if let (false, false, Some(bank)) = (is_asked, switch.routes.is_empty(), outside.banks.first())
    {
        let message = "no route leads to a bank".to_owned();
        findings.warning(bank.name.place, message, "`to = \"bank\"` makes a route lead there");
    }
    payees(switch, findings);
}

fn listener(http: &Http, findings: &mut Findings) {
    let is_local = http.listen.value.ip().is_loopback();
    let permit = &http.allow_plaintext;
    if http.listen.is_sound() && permit.is_sound() && !is_local && !permit.value {
        let message = "[http] lets other machines in without TLS";
        let help = "put something in front that speaks TLS, and say `allow_plaintext = true`";
        findings.error(http.listen.place, message, help);
    }
    let url = &http.public_url;
    let is_near = is_private_host(host_of(&url.value));
    if url.is_sound() && url.value.starts_with("http://") && !is_near {
        let message = "`public_url` is without TLS";
        findings.warning(url.place, message, "customers and banks come there from elsewhere");
    }
}

/// A switch that moves real money does not ask a pretended bank.
fn production(switch: &Switch, findings: &mut Findings) {
    let outside = &switch.outside;
    let banks = outside.banks.iter().map(|bank| {
        (format!("bank \"{}\"", bank.name.value), &bank.url, bank.config.call.allow_private)
    });
    let kyc = outside.kyc.iter();
    let kyc = kyc.map(|kyc| ("[kyc]".to_owned(), &kyc.url, kyc.config.call.allow_private));
    let why = "`service_mode` is \"production\"; `allow_mock_in_prod = true` lets it be";
    for (who, url, allow_private) in banks.chain(kyc).filter(|(_, url, _)| url.is_sound()) {
        let wrong = if is_private_host(host_of(&url.value)) {
            "is on this machine or in a private network"
        } else if url.value.starts_with("http://") {
            "is called without TLS"
        } else if allow_private {
            "may be in a private network (`allow_private`)"
        } else {
            continue;
        };
        findings.error(url.place, format!("{who} {wrong}"), why);
    }
}

fn one(switch: &Switch, bank: &Bank, findings: &mut Findings) {
    let name = &bank.name.value;
    if bank.mode.is_sound() && bank.mode.value == ApprovalMode::ApprovePending {
        let message = format!("bank \"{name}\" approves what its customer has not approved");
        let help = "if the customer never does, the merchant is not paid";
        findings.warning(bank.mode.place, message, help);
    }
    for listener in &switch.listeners {
        let timeout = &listener.channel_timeout;
        let latest = timeout.value.saturating_sub(DEADLINE_MARGIN_MS);
        for (service, deadline) in &bank.deadlines {
            if !timeout.is_sound() || !deadline.is_sound() || deadline.value <= latest {
                continue;
            }
            let message = format!(
                "`{service}` deadline {} of bank \"{name}\" must not be more than {}",
                show_duration(deadline.value),
                show_duration(latest),
            );
            let help = format!(
                "`channel_timeout` of listener \"{}\" is {} ({}), less 2s for the way back",
                listener.name.value,
                show_duration(timeout.value),
                findings.words(timeout.place),
            );
            let place = deadline.place.or(timeout.place);
            match *service {
                "payment" => findings.error(place, message, help),
                _ => findings.warning(place, message.replace("must", "should"), help),
            }
        }
    }
}

fn to_banks(switch: &Switch, route: &Route, findings: &mut Findings) {
    let name = &route.name.value;
    if !route.leads_to_bank() {
        return;
    }
    if switch.outside.banks.is_empty() {
        let message = format!("route \"{name}\" leads to banks, and there are none");
        findings.error(route.to.place, message, "add an [[aspsp]]");
    }
    if route.linked.value == Some(false) {
        let message = format!("route \"{name}\" leads to the bank of accounts that have none");
        findings.error(route.linked.place, message, "leave `linked` out, or say \"yes\"");
    }
    let group = &route.group;
    if group.is_sound() && !group.value.is_empty() {
        let message = format!("route \"{name}\" leads to banks and to a group");
        findings.error(group.place, message, "leave `group` out");
    }
}

fn payees(switch: &Switch, findings: &mut Findings) {
    let ids: Vec<&Found<String>> = switch.outside.payees.iter().map(|(id, _)| id).collect();
    let mut seen: std::collections::BTreeMap<&str, Place> = std::collections::BTreeMap::new();
    for id in ids.into_iter().filter(|id| id.is_sound()) {
        match seen.get(id.value.as_str()) {
            Some(earlier) => {
                let help = format!("the first is {}", findings.words(*earlier));
                let message = format!("two payees have the id \"{}\"", id.value);
                findings.error(id.place, message, help);
            }
            None => _ = seen.insert(&id.value, id.place),
        }
    }
}

//! What only the sections about third parties and the others together can tell: that customers can
//! come back, that a production switch calls nobody of this machine, that routes and banks fit.

use super::checks::{Patience, patience};
use super::outside::{
    Api, Bank, BankId, Caller, ExtAuth, HOLD_LIFE_MIN, Http, bare_addresses, host_of,
    is_private_host,
};
use super::raw::{Route, Switch};
use super::{DEADLINE_MARGIN_MS, ServiceMode};
use crate::bridge::{BankProfile, IdHash};
use crate::findings::{Findings, Found, Place};
use crate::provider::MailSecurity;
use crate::unit::show_duration;
use std::net::IpAddr;
use veksel_core::fact::ApprovalMode;

pub(super) fn check(switch: &Switch, findings: &mut Findings) {
    let outside = &switch.outside;
    let is_production =
        switch.service_mode.value == ServiceMode::Production && !switch.allow_mock.value;
    if let Some(http) = &outside.http {
        listener(http, is_production, findings);
    }
    let redirects = |bank: &&Bank| !matches!(bank.config.profile, BankProfile::DropPay { .. });
    if let (None, Some(bank)) = (&outside.http, outside.banks.iter().find(redirects)) {
        let message = format!("bank \"{}\" and no [http]", bank.name.value);
        let help = "its customers come back there, once they have approved";
        findings.error(bank.name.place, message, help);
    }
    if is_production {
        production(switch, findings);
    } else {
        for (who, url, _) in called(switch) {
            bare(&who, url, findings);
        }
    }
    for bank in &outside.banks {
        one(switch, bank, findings);
    }
    for route in &switch.routes {
        to_banks(switch, route, findings);
    }
    if let Some(identity) = &outside.identity {
        signing_in(identity, outside.http.as_ref(), is_production, findings);
    }
    let is_asked = switch.routes.iter().any(|route| route.leads_to_bank());
    if let (false, false, Some(bank)) = (is_asked, switch.routes.is_empty(), outside.banks.first())
    {
        let message = "no route leads to a bank".to_owned();
        findings.warning(bank.name.place, message, "`to = \"bank\"` makes a route lead there");
    }
    payees(switch, findings);
    providers(switch, is_production, findings);
    callers(switch, findings);
    if let Some(extauth) = &outside.extauth {
        external(switch, extauth, findings);
    }
}

/// Each provider that is described by data, with its section.
fn apis(switch: &Switch) -> impl Iterator<Item = (&'static str, &Api)> {
    let providers = &switch.outside.providers;
    let sms = providers.sms.as_ref().map(|sms| ("[sms]", &sms.api));
    providers.bill.as_ref().map(|api| ("[bill]", api)).into_iter().chain(sms)
}

/// A certificate that nobody looks at and answers that nobody gave are for trying out. The first
/// is refused in production whatever is allowed.
fn providers(switch: &Switch, is_production: bool, findings: &mut Findings) {
    let is_real = switch.service_mode.value == ServiceMode::Production;
    let email = switch.outside.providers.email.as_ref();
    let relaxed = apis(switch).map(|(who, api)| (who, &api.tls));
    let relaxed = relaxed.chain(email.map(|email| ("[email]", &email.tls)));
    for (who, tls) in relaxed.filter(|(_, tls)| tls.value && is_real) {
        let message = format!("{who} does not look at certificates, and this is production");
        findings.error(tls.place, message, "`tls = \"strict\"`, and name their CA by `trust`");
    }
    let simulated = apis(switch).filter(|(_, api)| api.simulate.value && is_production);
    for (who, api) in simulated {
        let message = format!("{who} is simulated, and this is production");
        findings.error(api.simulate.place, message, "`allow_mock_in_prod = true` lets it be");
    }
    let Some(email) = email.filter(|email| email.host.is_sound()) else { return };
    let is_near = is_private_host(&email.config.host);
    if email.config.security == MailSecurity::None && (is_production || !is_near) {
        let message = "[email] logs in and sends letters without TLS";
        let help = "`security = \"starttls\"` or \"implicit\"";
        findings.error(email.security.place.or(email.host.place), message, help);
    }
    if is_production && (is_near || email.config.allow_private) {
        let message = "[email] is on this machine or in a private network";
        let help = "`service_mode` is \"production\"; `allow_mock_in_prod = true` lets it be";
        findings.error(email.host.place, message, help);
    }
}

fn listener(http: &Http, is_production: bool, findings: &mut Findings) {
    let is_local = http.listen.value.ip().is_loopback();
    let (permit, tls) = (&http.allow_plaintext, &http.tls);
    let is_bare = tls.is_sound() && tls.value.is_none();
    if http.listen.is_sound() && permit.is_sound() && is_bare && !is_local && !permit.value {
        let message = "[http] lets other machines in without TLS";
        let help = "set up [http.tls], or put something in front that speaks TLS, and say \
                    `allow_plaintext = true`";
        findings.error(http.listen.place, message, help);
    }
    let url = &http.public_url;
    if url.is_sound() && tls.value.is_some() && url.value.starts_with("http://") {
        let message = "[http] speaks TLS, and `public_url` is without";
        let help = "whoever follows an address that is given out is not heard: say https://";
        findings.warning(url.place.or(tls.place), message, help);
    }
    if !url.is_sound() || is_private_host(host_of(&url.value)) {
        return;
    }
    if http.config.token.is_none() {
        let message = "others come to `public_url`, and [http] asks nobody for a token";
        let help = "name one by `token_file` or `token_env`: whoever comes could link accounts";
        findings.error(url.place, message, help);
    }
    if url.value.starts_with("http://") && !is_production {
        let message = "`public_url` is without TLS";
        findings.warning(url.place, message, "customers and banks come there from elsewhere");
    }
}

/// Who signs in is who the provider says, so in production there is a real one.
fn signing_in(
    identity: &BankId,
    http: Option<&Http>,
    is_production: bool,
    findings: &mut Findings,
) {
    let Some(http) = http else {
        let message = "[identity] and no [http]".to_owned();
        let help = "people come back there, once they have signed in";
        findings.error(identity.mock.place.or(identity.url.place), message, help);
        return;
    };
    for (key, place) in bare_addresses(&identity.addresses) {
        let message = format!("`{key}` of [identity] is called without TLS");
        findings.error(place, message, "http:// is for this machine and private networks");
    }
    let callback = &identity.callback_url;
    let is_bare = callback.value.starts_with("http://");
    if callback.is_sound() && is_bare && !is_private_host(host_of(&callback.value)) {
        let message = "people come back to `callback_url` without TLS".to_owned();
        findings.error(callback.place, message, "their code could be read on its way");
    }
    let public = &http.public_url;
    let own = format!("{}{CALLBACK}", public.value);
    if callback.is_sound() && !callback.value.is_empty() && callback.value != own {
        let message = "`callback_url` is not where people come back".to_owned();
        let help = format!("with this `public_url` it is {own}, unless something rewrites it");
        findings.warning(callback.place, message, help);
    }
    if !is_production {
        return;
    }
    if identity.mock.is_sound() && identity.mock.value {
        let message = "[identity] signs anybody in (`mock`)".to_owned();
        let why = "`service_mode` is \"production\"; `allow_mock_in_prod = true` lets it be";
        findings.error(identity.mock.place, message, why);
    }
    if identity.hash.is_sound() && identity.hash.value == IdHash::Compat {
        let message = "national ids are hashed without a key (`hash`)".to_owned();
        let help = "whoever has the hashes has the ids within seconds";
        findings.warning(identity.hash.place, message, help);
    }
}

/// Where people come back, below the public address.
const CALLBACK: &str = "/api/auth/bankid/callback";

/// Everybody who is called, with the address and whether it may be a private one.
fn called(switch: &Switch) -> Vec<(String, &Found<String>, bool)> {
    let mut all = Vec::new();
    for bank in &switch.outside.banks {
        let (name, allow_private) = (&bank.name.value, bank.config.call.allow_private);
        all.push((format!("bank \"{name}\""), &bank.url, allow_private));
        let token_url = bank.token_url.iter().filter(|url| !url.value.is_empty());
        all.extend(
            token_url.map(|url| (format!("`token_url` of bank \"{name}\""), url, allow_private)),
        );
        let server = bank.approval.iter().filter(|url| !url.value.is_empty());
        all.extend(server.map(|url| (format!("`server` of bank \"{name}\""), url, allow_private)));
    }
    let kyc = switch.outside.kyc.iter();
    all.extend(kyc.map(|kyc| ("[kyc]".to_owned(), &kyc.url, kyc.config.call.allow_private)));
    // The mock asks nobody.
    let identity = outside_identity(switch);
    all.extend(identity.map(|it| ("[identity]".to_owned(), &it.url, it.config.call.allow_private)));
    let extauth = switch
        .outside
        .extauth
        .iter()
        .map(|extauth| ("[extauth]".to_owned(), &extauth.url, extauth.allow_private()));
    all.extend(extauth);
    let apis = apis(switch).filter(|(_, api)| !api.simulate.value);
    all.extend(apis.map(|(who, api)| (who.to_owned(), &api.url, api.config.call.allow_private)));
    if let Some(push) = &switch.outside.providers.push {
        let allow_private = push.config.call.allow_private;
        all.push(("[push]".to_owned(), &push.url, allow_private));
        let token_url = Some(&push.token_url).filter(|url| !url.value.is_empty());
        all.extend(token_url.map(|url| ("`token_url` of [push]".to_owned(), url, allow_private)));
    }
    all.retain(|(_, url, _)| url.is_sound());
    all
}

fn outside_identity(switch: &Switch) -> impl Iterator<Item = &BankId> {
    switch.outside.identity.iter().filter(|identity| !identity.mock.value)
}

/// What is not encrypted does not leave our networks, whatever is allowed.
fn bare(who: &str, url: &Found<String>, findings: &mut Findings) {
    if url.value.starts_with("http://") && !is_private_host(host_of(&url.value)) {
        let message = format!("{who} is called without TLS");
        let help = "http:// is for this machine and private networks";
        findings.error(url.place, message, help);
    }
}

/// A switch that moves real money does not ask a pretended bank.
fn production(switch: &Switch, findings: &mut Findings) {
    let outside = &switch.outside;
    for bank in &outside.banks {
        let Found { value, place } = &bank.callback_url;
        if value.starts_with("http://") {
            let message =
                format!("customers of bank \"{}\" come back without TLS", bank.name.value);
            findings.error(*place, message, "`callback_url` must begin with https://");
        }
    }
    let why = "`service_mode` is \"production\"; `allow_mock_in_prod = true` lets it be";
    for (who, url, allow_private) in called(switch) {
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
    for bank in &outside.banks {
        let Some(address) = bank.psu_ip.as_ref().filter(|address| address.is_sound()) else {
            continue;
        };
        if address.place == Place::Default || is_documentation(&address.value) {
            let message = format!("`psu_ip` of bank \"{}\" is nobody's address", bank.name.value);
            let help = "say the public address that customers reach us from";
            findings.error(address.place.or(bank.name.place), message, help);
        }
    }
    let url = outside.http.iter().map(|http| &http.public_url);
    for url in url.filter(|url| url.is_sound() && !url.value.starts_with("https://")) {
        findings.error(url.place, "`public_url` is without TLS".to_owned(), why);
    }
}

/// Whether an address is one of those that texts use as an example (RFC 5737, RFC 3849).
fn is_documentation(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(v4)) => v4.is_documentation(),
        Ok(IpAddr::V6(v6)) => matches!(v6.segments(), [0x2001, 0xdb8, ..]),
        Err(_) => false,
    }
}

fn one(switch: &Switch, bank: &Bank, findings: &mut Findings) {
    let name = &bank.name.value;
    if bank.mode.is_sound() && bank.mode.value == ApprovalMode::ApprovePending {
        let message = format!("bank \"{name}\" approves what its customer has not approved");
        let help = "if the customer never does, the merchant is not paid";
        findings.warning(bank.mode.place, message, help);
    }
    let is_droppay = matches!(bank.config.profile, BankProfile::DropPay { .. });
    if is_droppay && bank.config.call.identity.is_none() {
        let message = format!("bank \"{name}\" knows callers by a certificate, and there is none");
        let help = "the switch does not start without `certificate` and `key` of its [[aspsp]]";
        findings.warning(bank.name.place, message, help);
    }
    for Patience { key, of: whose, wait: timeout, .. } in patience(switch) {
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
                "`{key}` of {whose} is {} ({}), less 2s for the way back",
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

/// Each caller is a participant that nobody else is: what one has sent is not the other's.
fn callers(switch: &Switch, findings: &mut Findings) {
    let callers = &switch.outside.callers;
    if let (None, Some(caller)) = (&switch.outside.http, callers.first()) {
        let message = format!("caller \"{}\" and no [http]", caller.name.value);
        findings.error(caller.name.place, message, "callers come there");
    }
    let has_tokens = switch.outside.http.iter().all(|http| http.config.tokens.is_some());
    let platform = switch.outside.extauth.as_ref().map(|extauth| &extauth.caller.value);
    let is_alone = |caller: &&Caller| !caller.has_key() && Some(&caller.name.value) != platform;
    for caller in callers.iter().filter(is_alone).filter(|_| !has_tokens) {
        let message = format!("caller \"{}\" has no key and no token", caller.name.value);
        let help = "whatever it asks is 401: name its key by `key_file` or `key_env`, or whose \
                    tokens are believed by `token_keys` of [http]";
        findings.warning(caller.name.place, message, help);
    }
    for (index, caller) in callers.iter().enumerate().filter(|(_, c)| c.participant.is_sound()) {
        let own = &caller.participant;
        let is_same = |other: &&Found<String>| other.is_sound() && other.value == own.value;
        let mut earlier = callers.iter().take(index).map(|other| &other.participant);
        let mut acting = switch.listeners.iter().flat_map(|listener| listener.acting());
        if let Some(other) = earlier.find(is_same).or_else(|| acting.find(is_same)) {
            let message =
                format!("caller \"{}\" is a participant that others are", caller.name.value);
            let place = findings.words(other.place);
            let help =
                format!("\"{}\" is named before, {place}; give it one of its own", own.value);
            findings.error(own.place, message, help);
        }
    }
}

/// The platform is told what it was told before, and its holds are known, for as long as it asks.
fn external(switch: &Switch, extauth: &ExtAuth, findings: &mut Findings) {
    let (keep, life) = (&switch.store.keep, &extauth.hold_life);
    if keep.is_sound() && life.is_sound() && keep.value < life.value {
        let (kept, asked) = (show_duration(keep.value), show_duration(life.value));
        let message = format!(
            "`keep` of [store] is {kept}, and holds of [extauth] may be asked about for {asked}"
        );
        let help = format!(
            "a hold that is forgotten is neither completed nor let go: make `keep` \"{asked}\" or \
             more, or `hold_life` of [extauth] less"
        );
        let place = keep.place.or(extauth.caller.place);
        // Files that were written before there was `hold_life` go on as they did.
        if life.place == Place::Default && keep.value >= HOLD_LIFE_MIN {
            findings.warning(place, message, help);
        } else {
            findings.error(place, message, help);
        }
    }
    if switch.outside.http.is_none() {
        let message = "[extauth] and no [http]";
        findings.error(extauth.caller.place, message, "the platform comes there");
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

//! The HTTP listener of a configuration: its secrets and certificates, and whether its address is
//! free or a switch answers there; of such a one also what its admin listener says.

use serde_json::Value;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;
use veksel_adapters::examine::{Findings, Mark, heard};
use veksel_api::Tokens;
use veksel_config::bridge::HttpConfig;
use veksel_config::{ListenTls, SwitchConfig};
use veksel_link::{Purpose, check_listen, of_listener};

/// Who is to renew what is ours.
const US: &str = "whoever asks for our certificates";

/// What stands at an address.
enum There {
    /// Nothing; the switch could have it.
    Free,
    /// Somebody listens there.
    Taken,
    /// The system chooses one.
    Unsaid,
    /// The switch could not have it.
    Unusable,
}

pub(super) async fn listener(config: &SwitchConfig, limit: Duration) -> Findings {
    let mut findings = Findings::default();
    let Some(http) = &config.bridge.http else { return findings };
    if let Some(token) = &http.token {
        findings.secret("the token of programs", token);
    }
    for caller in &config.bridge.callers {
        if let Some(key) = &caller.key {
            findings.secret(&format!("the key of caller \"{}\"", caller.name), key);
        }
    }
    tokens(&mut findings, http);
    if let Some(tls) = &http.tls {
        certificates(&mut findings, tls);
    }
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    if matches!(place(&mut findings, "[http]", http.listen), There::Taken) {
        health(&mut findings, scheme, http.listen, limit).await;
    }
    let admin = config.admin.listen;
    if matches!(place(&mut findings, "[admin]", admin), There::Taken) {
        said(&mut findings, "live", admin, limit).await;
        said(&mut findings, "ready", admin, limit).await;
    }
    findings
}

/// The keys that tokens of callers are verified with.
fn tokens(findings: &mut Findings, http: &HttpConfig) {
    let Some(tokens) = &http.tokens else { return };
    let what = "the keys of callers' tokens";
    let Ok(text) = std::fs::read_to_string(&tokens.keys) else {
        // Says why.
        return findings.file(what, &tokens.keys);
    };
    match Tokens::new(&text, &tokens.issuer, &tokens.audience) {
        Ok(_) => {
            let said = format!("{what} are in {}", tokens.keys.display());
            findings.add("keys", Mark::Good, said, "");
        }
        Err(error) => {
            let said = format!("{what}, {}: {error}", tokens.keys.display());
            findings.add("keys", Mark::Bad, said, "put the set of whoever makes the tokens there");
        }
    }
}

fn certificates(findings: &mut Findings, tls: &ListenTls) {
    let listed = match check_listen(tls).and_then(|()| of_listener(tls)) {
        Ok(listed) => listed,
        Err(error) => {
            let fix = "name a certificate and the key it was asked for with, both in PEM, the key \
                       for its owner only";
            return findings.add("certificate", Mark::Bad, error.to_string(), fix);
        }
    };
    for one in listed {
        let (check, what, who) = match one.purpose {
            Purpose::Own => ("certificate", "ours, with its key,", US),
            Purpose::Chain => ("certificate", "one between ours and its CA", US),
            Purpose::Authority => ("trust", "a CA of callers", "that CA"),
            Purpose::Revocations => ("revocations", "a list of revocations", "its CA"),
        };
        match one.until {
            Some(until) => {
                let what = format!("{what} {}", one.path.display());
                findings.life(check, &what, (one.since, until), who);
            }
            None => {
                let said = format!("{what} {} does not say when it ends", one.path.display());
                findings.add(check, Mark::Doubtful, said, "ask its CA for one that does");
            }
        }
    }
}

/// Whether the switch could listen there.
fn place(findings: &mut Findings, section: &str, at: SocketAddr) -> There {
    if at.port() == 0 {
        let said = format!("the system chooses the port of {section}");
        findings.add("address", Mark::Skipped, said, "");
        return There::Unsaid;
    }
    let Err(error) = TcpListener::bind(at) else {
        let said = format!("{at} of {section} is free: no switch runs there");
        findings.add("address", Mark::Good, said, "");
        return There::Free;
    };
    let fix = match error.kind() {
        ErrorKind::AddrInUse => return There::Taken,
        ErrorKind::AddrNotAvailable => "this machine has no such address: `ip address` lists them",
        ErrorKind::PermissionDenied => {
            "a port below 1024 needs the right to it (CAP_NET_BIND_SERVICE), or another port"
        }
        _ => "choose another address",
    };
    findings.add("address", Mark::Bad, format!("{at} of {section}: {error}"), fix);
    There::Unusable
}

/// Whether who listens is a healthy switch.
async fn health(findings: &mut Findings, scheme: &str, at: SocketAddr, limit: Duration) {
    let other = "another program has it: stop that, or choose another `listen`";
    let answer = heard(&format!("{scheme}://{}/health", near(at)), limit).await;
    let (status, body) = match answer {
        Ok(answer) => answer,
        Err(why) if why == "tls_certificate" => {
            let said = format!("{at}: somebody answers, and wants a certificate of who asks");
            return findings.add("health", Mark::Skipped, said, "");
        }
        Err(why) => {
            let said = format!("{at} is taken by somebody who does not answer ({why})");
            return findings.add("health", Mark::Bad, said, other);
        }
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    match (status, word("status")) {
        (200, "ok") => {
            let said = format!("{at}: a switch answers, and is healthy");
            findings.add("health", Mark::Good, said, "");
        }
        (503, "unavailable") => {
            let said = format!("{at}: a switch answers, and is not healthy: {}", word("reason"));
            let fix = "`veksel status` and its log tell more";
            findings.add("health", Mark::Bad, said, fix);
        }
        (status, _) => {
            let said = format!("{at} is taken by somebody who answers {status}");
            findings.add("health", Mark::Bad, said, other);
        }
    }
}

/// What the admin listener says under this name.
async fn said(findings: &mut Findings, name: &'static str, at: SocketAddr, limit: Duration) {
    let answer = heard(&format!("http://{}/{name}", near(at)), limit).await;
    let other = "another program may have it: stop that, or choose another `admin.listen`";
    match (name, answer) {
        (_, Ok((200, _))) => {
            findings.add(name, Mark::Good, format!("{at}/{name}: the switch is {name}"), "");
        }
        ("ready", Ok((503, body))) => {
            let report: Value = serde_json::from_slice(&body).unwrap_or_default();
            let said = format!("{at}/ready: the switch is not ready: {}", why(&report));
            let fix = "`veksel status` tells more; `veksel doctor tcp` looks at a host";
            findings.add(name, Mark::Bad, said, fix);
        }
        (_, Ok((status, _))) => {
            findings.add(name, Mark::Bad, format!("{at}/{name} answers {status}"), other);
        }
        (_, Err(why)) => {
            let said = format!("{at} is taken by somebody who does not answer ({why})");
            findings.add(name, Mark::Bad, said, other);
        }
    }
}

/// Why a switch is not ready, by its own report.
fn why(report: &Value) -> String {
    let health = report.get("health").and_then(Value::as_str).unwrap_or("ok");
    if health != "ok" {
        return health.to_owned();
    }
    let groups = report.get("groups").and_then(Value::as_array).into_iter().flatten();
    let silent = groups.filter(|group| group.get("online").and_then(Value::as_u64) == Some(0));
    let names: Vec<&str> =
        silent.filter_map(|group| group.get("name").and_then(Value::as_str)).collect();
    match names.as_slice() {
        [] => "it does not say why".to_owned(),
        names => format!("no connection is online to {}", names.join(", ")),
    }
}

/// An address that every interface has, as it is reached from here.
const fn near(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, at.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_switch_says_why_it_is_not_ready() {
        let group = |name: &str, online: u64| json!({ "name": name, "online": online });
        let groups = json!([group("cbs", 0), group("other", 2), group("last", 0)]);
        for (report, expected) in [
            (json!({ "health": "stopping", "groups": groups }), "stopping"),
            (json!({ "health": "ok", "groups": groups }), "no connection is online to cbs, last"),
            (json!({ "health": "ok", "groups": [] }), "it does not say why"),
            (Value::Null, "it does not say why"),
        ] {
            assert_eq!(why(&report), expected);
        }
    }

    #[test]
    fn every_interface_is_asked_at_this_machine() {
        for (at, expected) in [
            ("0.0.0.0:8581", "127.0.0.1:8581"),
            ("[::]:8581", "[::1]:8581"),
            ("10.0.0.7:8581", "10.0.0.7:8581"),
        ] {
            assert_eq!(near(at.parse().unwrap()).to_string(), expected);
        }
    }
}

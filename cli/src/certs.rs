//! `veksel certs`: which certificates, keys and revocation lists a configuration uses, whose they
//! are and when they end.
//!
//! An inventory of what a start would load: nothing is connected, and no running switch is asked.

mod dev;

use crate::arguments::certs::{Certs, CertsCommand};
use crate::check::{kind, source};
use crate::output::{Exit, Failure, Output};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use std::path::Path;
use veksel_config::{
    DialTls, HTTP, Identities, ListenTls, SocketConfig, SwitchConfig, load_simulator, load_switch,
};
use veksel_link::{Listed, TlsError, check_dial, check_listen, of_host, of_listener};

const SECONDS_OF_A_DAY: i64 = 24 * 3_600;

/// Lists, or makes some for tests.
///
/// # Errors
/// When the configuration is wrong, or a file cannot be used.
pub(crate) fn certs(arguments: &Certs, output: Output) -> Result<Exit, Failure> {
    match (&arguments.command, &arguments.config) {
        (Some(CertsCommand::Dev(dev)), _) => dev::dev(dev, output),
        (None, Some(config)) => list(arguments, config, output),
        (None, None) => Err(Failure::usage("name a configuration with --config")),
    }
}

/// What one link or the HTTP listener uses, or why it cannot.
struct Used {
    link: String,
    listed: Result<Vec<Listed>, TlsError>,
}

/// How a participant is known.
struct Known {
    name: String,
    by: Vec<String>,
}

fn list(arguments: &Certs, path: &Path, output: Output) -> Result<Exit, Failure> {
    let source = source(path, &arguments.set).map_err(Failure::Configuration)?;
    let (used, known) = match kind(arguments.kind, path) {
        crate::arguments::ConfigKind::Switch => {
            let config = load_switch(source).map_err(Failure::Configuration)?;
            (of_switch(&config), known(&config))
        }
        crate::arguments::ConfigKind::Simulator => {
            let config = load_simulator(source).map_err(Failure::Configuration)?;
            let bank = config.bank.tls.as_ref().map(|tls| listener("bank", tls));
            let terminals = config.terminals.as_ref();
            let terminals = terminals.and_then(|own| Some((own.tls.as_ref()?, &own.connect)));
            let terminals = terminals.map(|(tls, to)| host("terminals", tls, &to.host));
            (bank.into_iter().chain(terminals).collect(), Vec::new())
        }
    };
    let now = Timestamp::now().as_second();
    let warn_s = i64::from(arguments.warn_days).saturating_mul(SECONDS_OF_A_DAY);
    let mut exit = Exit::Yes;
    let (mut rows, mut items, mut complaints) = (Vec::new(), Vec::new(), Vec::new());
    for Used { link, listed } in &used {
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                exit = Exit::Configuration;
                complaints.push(format!("error: link {link}: {error}"));
                items.push(json!({ "link": link, "error": error.to_string() }));
                continue;
            }
        };
        for one in listed {
            let term = Term::of(one, now, warn_s);
            if let Some(what) = term.complaint() {
                let path = one.path.display();
                complaints.push(format!("warning: link {link}: {path}: {}: {what}", one.subject));
            }
            if term.is_out() && exit == Exit::Yes {
                exit = Exit::No;
            }
            rows.push(row(link, one, term));
            items.push(item(link, one, term));
        }
    }
    if output.json {
        let known: Vec<Value> =
            known.iter().map(|one| json!({ "name": one.name, "known_by": one.by })).collect();
        output.print_json(&json!({ "certificates": items, "participants": known }))?;
    } else if used.is_empty() {
        output.print("no link uses TLS\n")?;
    } else {
        let header = ["link", "what", "subject", "names", "ends", "days", "pin or file"];
        output.print(output.table(&header, rows))?;
        if !known.is_empty() {
            let rows = known
                .into_iter()
                .flat_map(|one| one.by.into_iter().map(move |by| vec![one.name.clone(), by]));
            let table = output.table(&["participant", "known by"], rows.collect());
            output.print(format!("\n{table}"))?;
        }
    }
    for complaint in complaints {
        output.warn(format!("{complaint}\n"));
    }
    Ok(exit)
}

fn of_switch(config: &SwitchConfig) -> Vec<Used> {
    let links = config.plan.links.iter().zip(&config.sockets);
    let used = links.filter_map(|(link, socket)| match socket {
        SocketConfig::Listen(listen) => Some(listener(&link.name, listen.tls.as_ref()?)),
        SocketConfig::Dial(dial) => {
            Some(host(&link.name, dial.tls.as_ref()?, &dial.destination.host))
        }
        SocketConfig::Port(_) => None,
    });
    let http = config.bridge.http.as_ref().and_then(|http| http.tls.as_ref());
    used.chain(http.map(|tls| listener(HTTP, tls))).collect()
}

fn listener(link: &str, tls: &ListenTls) -> Used {
    let listed = check_listen(tls).and_then(|()| of_listener(tls));
    Used { link: link.to_owned(), listed }
}

fn host(link: &str, tls: &DialTls, host: &str) -> Used {
    let listed = check_dial(tls, host).and_then(|()| of_host(tls));
    Used { link: link.to_owned(), listed }
}

/// Every participant that is known by a certificate somewhere, once.
fn known(config: &SwitchConfig) -> Vec<Known> {
    let identities = config.sockets.iter().filter_map(|socket| match socket {
        SocketConfig::Listen(listen) => listen.identities.as_ref(),
        SocketConfig::Dial(_) | SocketConfig::Port(_) => None,
    });
    let all: Vec<_> = identities.flat_map(|Identities { known, .. }| known).collect();
    let participants = (0..).zip(&config.plan.participants);
    let known = participants.filter_map(|(place, participant)| {
        let identity = all.iter().find(|identity| identity.participant.0 == place)?;
        let pins = identity.pins.iter().map(|pin| format!("pin {pin}"));
        let by: Vec<String> = pins.chain(identity.sans.iter().map(ToString::to_string)).collect();
        Some(Known { name: participant.name.clone(), by })
    });
    known.filter(|known| !known.by.is_empty()).collect()
}

/// Where now is in the life of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Term {
    /// Valid, and for how many days.
    Valid(i64),
    /// Valid, and ends soon.
    Soon(i64),
    /// Over, and since how many days.
    Over(i64),
    /// Not yet valid.
    Early,
    /// It does not say when it ends.
    Endless,
}

impl Term {
    fn of(listed: &Listed, now: i64, warn_s: i64) -> Self {
        let Some(until) = listed.until else { return Self::Endless };
        let left = until.saturating_sub(now);
        let days = left.div_euclid(SECONDS_OF_A_DAY);
        match left {
            ..0 => Self::Over(left.saturating_neg() / SECONDS_OF_A_DAY),
            _ if now < listed.since => Self::Early,
            _ if left < warn_s => Self::Soon(days),
            _ => Self::Valid(days),
        }
    }

    const fn is_out(self) -> bool {
        matches!(self, Self::Over(_) | Self::Early)
    }

    const fn days(self) -> Option<i64> {
        match self {
            Self::Valid(days) | Self::Soon(days) => Some(days),
            Self::Over(days) => Some(-days),
            Self::Early | Self::Endless => None,
        }
    }

    fn complaint(self) -> Option<String> {
        match self {
            Self::Valid(_) | Self::Endless => None,
            Self::Soon(days) => Some(format!("ends in {days} days")),
            Self::Over(days) => Some(format!("ended {days} days ago")),
            Self::Early => Some("is not valid yet".to_owned()),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Valid(_) | Self::Endless => "valid",
            Self::Soon(_) => "ends_soon",
            Self::Over(_) => "over",
            Self::Early => "not_yet",
        }
    }
}

fn row(link: &str, listed: &Listed, term: Term) -> Vec<String> {
    let days = match term {
        Term::Early => "not yet".to_owned(),
        term => term.days().map_or("-".to_owned(), |days| days.to_string()),
    };
    vec![
        link.to_owned(),
        listed.purpose.word().to_owned(),
        listed.subject.clone(),
        listed.sans.join(" "),
        listed.until.map_or("-".to_owned(), date),
        days,
        listed.pin.map_or_else(|| listed.path.display().to_string(), |pin| pin.to_string()),
    ]
}

fn item(link: &str, listed: &Listed, term: Term) -> Value {
    json!({
        "link": link,
        "what": listed.purpose.word(),
        "file": listed.path.display().to_string(),
        "subject": listed.subject,
        "names": listed.sans,
        "pin": listed.pin.map(|pin| pin.to_string()),
        "begins": date(listed.since),
        "ends": listed.until.map(date),
        "days_left": term.days(),
        "state": term.word(),
    })
}

/// A day, UTC.
fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or("?".to_owned(), |at| at.to_zoned(TimeZone::UTC).date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_link::Purpose;

    #[test]
    fn terms() {
        let day = SECONDS_OF_A_DAY;
        let listed = |since: i64, until: Option<i64>| Listed {
            path: "x".into(),
            purpose: Purpose::Own,
            subject: String::new(),
            sans: Vec::new(),
            pin: None,
            since,
            until,
        };
        let term = |since, until| Term::of(&listed(since, until), 100 * day, 30 * day);
        assert_eq!(term(0, Some(130 * day)), Term::Valid(30));
        assert_eq!(term(0, Some(130 * day - 1)), Term::Soon(29));
        assert_eq!(term(0, Some(100 * day)), Term::Soon(0));
        assert_eq!(term(0, Some(100 * day - 1)), Term::Over(0));
        assert_eq!(term(0, Some(90 * day)), Term::Over(10));
        assert_eq!(term(101 * day, Some(200 * day)), Term::Early);
        assert_eq!(term(0, None), Term::Endless);
        assert!(Term::Over(0).is_out() && Term::Early.is_out() && !Term::Soon(0).is_out());
    }
}

//! `veksel doctor`: what is wrong, said in words, with what to do about it.
//!
//! Here is `veksel doctor tcp`. It sends network management only, which moves nothing, and signs
//! off again from what it signed on to. TLS is spoken if it is asked for (`--tls`), and recognised
//! if it is not. `http` is `veksel doctor http`, and `page` what both print.

mod http;
mod own;
mod page;
mod probe;

use crate::arguments::{Doctor, DoctorCommand, LinkFlags, TcpDoctor};
use crate::link::Link;
use crate::output::{Exit, Failure, Output, show_micros};
use jiff::Timestamp;
use jiff::civil::DateTime;
use probe::{CLIENT_HELLO, Probe, Reply, is_tls, response};
use serde_json::json;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use veksel_adapters::examine::{Findings, Mark};
use veksel_codecs::{Message, ResponseCode, Step, field};

const SIGN_ON: u64 = 1;
const SIGN_OFF: u64 = 2;
const ECHO: u64 = 301;

/// Round trips that are measured.
const ECHOES: usize = 3;

/// A clock that is further off is worth a word: DE7 is part of what messages are matched by.
const SKEW_MAX_S: i64 = 5;

/// Framings that are tried when the one that was named is not answered.
const FRAMINGS: [&str; 10] = [
    "binary2",
    "binary2,counts-itself",
    "ascii4",
    "ascii4,counts-itself",
    "bcd2",
    "binary4",
    "hex4",
    "binary2,tpdu=6000000000",
    "bcd2,tpdu=6000000000",
    "message",
];

/// What to look at when TLS does not come about.
const TLS_FIX: &str = "does --tls name the CA of the other side and a certificate that it wants, is \
                       the name in its certificate the one that was dialled, and does the port \
                       speak TLS at all?";

/// Examines what was named.
///
/// # Errors
/// When the flags make no sense.
pub(crate) fn doctor(arguments: &Doctor, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        DoctorCommand::Tcp(arguments) => tcp(arguments, output),
        DoctorCommand::Http(arguments) => http::http(arguments, output),
    }
}

fn tcp(arguments: &TcpDoctor, output: Output) -> Result<Exit, Failure> {
    let mut findings = Findings::default();
    let link = Link::of(&arguments.link, Some(&arguments.to), arguments.tls.as_deref())?;
    if let Some(address) = connect(&mut findings, &link, arguments) {
        examine(&mut findings, &link, address, arguments)?;
    }
    let is_sound = findings.is_sound();
    if output.json {
        let checks = page::json(&findings);
        output.print_json(&json!({ "to": arguments.to, "sound": is_sound, "checks": checks }))?;
    } else {
        output.print(page::text(&findings, output))?;
    }
    Ok(if is_sound { Exit::Yes } else { Exit::No })
}

/// The address that can be connected to.
fn connect(findings: &mut Findings, link: &Link, arguments: &TcpDoctor) -> Option<SocketAddr> {
    let name = (link.destination.host.as_str(), link.destination.port);
    let addresses: Vec<SocketAddr> = match name.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let said = format!("`{}` is no host that this machine knows: {error}", name.0);
            findings.add("name", Mark::Bad, said, "check the spelling and the resolver (DNS)");
            return None;
        }
    };
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        let start = Instant::now();
        match TcpStream::connect_timeout(&address, arguments.timeout) {
            Ok(_) => {
                let took = show_micros(micros(start.elapsed()));
                findings.add("connect", Mark::Good, format!("{address} accepts in {took}"), "");
                return Some(address);
            }
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    let fix = if last.contains("refused") {
        "nothing listens on that port: is the other side running, and is it this port?"
    } else {
        "no answer to the connection: a firewall drops it, or the host is down or not routed"
    };
    findings.add("connect", Mark::Bad, last, fix);
    None
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn examine(
    findings: &mut Findings,
    link: &Link,
    address: SocketAddr,
    arguments: &TcpDoctor,
) -> Result<(), Failure> {
    let timeout = arguments.timeout;
    let mut probe = match Probe::connect(link, &arguments.institution, address, timeout) {
        Ok(probe) => probe,
        Err(error) if link.tls.is_some() => {
            let said = format!("hands cannot be shaken: {error}");
            findings.add("tls", Mark::Bad, said, TLS_FIX);
            return Ok(());
        }
        Err(error) => {
            let fix = "it accepted once and not again: a limit of connections?";
            findings.add("connect", Mark::Bad, error.to_string(), fix);
            return Ok(());
        }
    };
    if let Some(version) = probe.tls() {
        let said = format!("{version}; the other side is who it should be");
        findings.add("tls", Mark::Good, said, "");
    }
    // An echo is answered in any state of a session (switch semantics 40).
    match probe.ask(ECHO, timeout) {
        Reply::Answer(answer, _) => {
            if link.tls.is_none() {
                findings.add("plain text", Mark::Good, "messages go in clear, without TLS", "");
            }
            findings.add(
                "framing",
                Mark::Good,
                format!("`{}` is understood", shown(arguments)),
                "",
            );
            session(findings, &mut probe, arguments, &answer);
        }
        reply => unanswered(findings, link, address, arguments, reply)?,
    }
    Ok(())
}

/// The framing that was named, or the default.
fn shown(arguments: &TcpDoctor) -> &str {
    arguments.link.framing.as_deref().unwrap_or("binary2")
}

/// Sign-on, round trips and clock, over a connection that answers.
fn session(findings: &mut Findings, probe: &mut Probe<'_>, arguments: &TcpDoctor, first: &Message) {
    let timeout = arguments.timeout;
    if arguments.no_sign_on {
        findings.add("sign-on", Mark::Skipped, "not tried (--no-sign-on)", "");
    } else {
        match probe.ask(SIGN_ON, timeout) {
            Reply::Answer(answer, _) => match response(&answer) {
                (Some(ResponseCode::APPROVED), said) => {
                    findings.add("sign-on", Mark::Good, format!("0800/001 answered {said}"), "");
                }
                (_, said) => {
                    let fix = "the other side does not know this institution (DE32) or address, \
                               or wants to sign on itself (`peer_signs_on`)";
                    findings.add("sign-on", Mark::Bad, format!("0800/001 answered {said}"), fix);
                }
            },
            reply => {
                let said = format!("0800/001 is not answered: {}", in_words(&reply));
                let fix = "if the other side has no sign-on, set `sign_on = false`";
                findings.add("sign-on", Mark::Bad, said, fix);
            }
        }
    }
    let (mut times, mut failed) = (Vec::new(), None);
    for _ in 0..ECHOES {
        match probe.ask(ECHO, timeout) {
            Reply::Answer(_, took) => times.push(took),
            reply => {
                failed = Some(in_words(&reply));
                break;
            }
        }
    }
    match (failed, times.iter().min(), times.iter().max()) {
        (None, Some(least), Some(most)) => {
            let (least, most) = (show_micros(micros(*least)), show_micros(micros(*most)));
            let said = format!("{} echoes answered in {least} to {most}", times.len());
            findings.add("echo", Mark::Good, said, "");
        }
        (failed, ..) => {
            let why = failed.unwrap_or_default();
            let said = format!("{} of {ECHOES} echoes were answered, then {why}", times.len());
            findings.add("echo", Mark::Bad, said, "the other side does not keep a connection");
        }
    }
    clock(findings, first, Timestamp::now());
    if !arguments.no_sign_on {
        // It is only polite; what comes of it says nothing.
        drop(probe.ask(SIGN_OFF, timeout));
    }
}

/// What the answer says of the other side's clock. The answer came a moment ago.
fn clock(findings: &mut Findings, answer: &Message, now: Timestamp) {
    let theirs = answer.get(field::TRANSMISSION).map(|time| time.trimmed().to_owned());
    match theirs.as_deref().and_then(|theirs| skew(theirs, now)) {
        None => {
            let said = "its answers carry no DE7 that can be read";
            findings.add("clock", Mark::Skipped, said, "");
        }
        Some(skew) if skew.abs() <= SKEW_MAX_S => {
            let said =
                format!("DE7 of the answer is {skew:+} s from this clock (it may repeat ours)");
            findings.add("clock", Mark::Good, said, "");
        }
        Some(skew) => {
            let said = format!("DE7 of the answer is {skew:+} s from this clock");
            let hours = skew.abs() % 1_800;
            let is_zone = !(60..=1_740).contains(&hours) && skew.abs() >= 1_740;
            let fix = if is_zone {
                "that is a time zone: DE7 is to be UTC"
            } else {
                "let both sides ask a time server (NTP)"
            };
            findings.add("clock", Mark::Doubtful, said, fix);
        }
    }
}

/// Seconds by which `MMDDhhmmss` is ahead of now, in the year that makes it least.
fn skew(theirs: &str, now: Timestamp) -> Option<i64> {
    let digits: Vec<i8> = theirs
        .as_bytes()
        .chunks(2)
        .map(|two| str::from_utf8(two).ok()?.parse().ok())
        .collect::<Option<_>>()?;
    let [month, day, hour, minute, second] = digits.try_into().ok()?;
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    let at = |year: i16| {
        let time = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
        Some(time.as_second() - now.as_second())
    };
    [year - 1, year, year + 1].into_iter().filter_map(at).min_by_key(|skew| skew.abs())
}

/// No answer to the echo: why?
fn unanswered(
    findings: &mut Findings,
    link: &Link,
    address: SocketAddr,
    arguments: &TcpDoctor,
    reply: Reply,
) -> Result<(), Failure> {
    let timeout = arguments.timeout;
    let came = match &reply {
        Reply::NoFrame(_, bytes) | Reply::Closed(bytes) | Reply::Silence(bytes) => bytes.as_slice(),
        Reply::Answer(..) | Reply::Unreadable(..) | Reply::Broken(_) => &[],
    };
    if link.tls.is_some() {
        // With TLS 1.3 a server says only now that it does not believe who connected.
        if let Reply::Broken(error) = &reply {
            let said = format!("the other side ended the session: {error}");
            findings.add("tls", Mark::Bad, said, TLS_FIX);
            return Ok(());
        }
    } else if is_tls(came) || speaks_tls(link, address, timeout) {
        let fix = "give --tls, or connect to a port without it";
        findings.add("plain text", Mark::Bad, "the port speaks TLS, and got a message", fix);
        return Ok(());
    } else {
        findings.add("plain text", Mark::Good, "the port does not speak TLS", "");
    }
    if let Reply::Unreadable(error) = &reply {
        let said = format!("`{}` is understood", shown(arguments));
        findings.add("framing", Mark::Good, said, "");
        let said = format!("the answer is no message of {}: {error}", arguments.link.dialect);
        let fix = "another dialect? `veksel decode` with the bytes of a trace tells more";
        findings.add("dialect", Mark::Bad, said, fix);
        return Ok(());
    }
    let why = in_words(&reply);
    for candidate in FRAMINGS.iter().filter(|candidate| **candidate != shown(arguments)) {
        let flags = LinkFlags { framing: Some((*candidate).to_owned()), ..arguments.link.clone() };
        let other = Link::of(&flags, Some(&arguments.to), arguments.tls.as_deref())?;
        let reads = |bytes: &[u8]| match other.framing.decode_with(&other.codec, bytes) {
            Ok(Step::Frame { message, .. }) => {
                other.codec.decode_into(message, &mut Message::new()).is_ok()
            }
            Ok(Step::Incomplete | Step::KeepAlive { .. }) | Err(_) => false,
        };
        let is_it = reads(came)
            || Probe::connect(&other, &arguments.institution, address, timeout).is_ok_and(
                |mut probe| {
                    matches!(probe.ask(ECHO, timeout), Reply::Answer(..) | Reply::Unreadable(..))
                },
            );
        if is_it {
            let said =
                format!("`{}` is not understood ({why}); `{candidate}` is", shown(arguments));
            let fix = format!("give --framing {candidate}, and set it in [group.framing]");
            findings.add("framing", Mark::Bad, said, fix);
            return Ok(());
        }
    }
    let said = format!("no framing is answered; with `{}`: {why}", shown(arguments));
    let fix = "the other side may know only some addresses, want a sign-on of its own, a MAC \
               (--mac), another dialect (--dialect), or a header in front of messages";
    findings.add("framing", Mark::Bad, said, fix);
    Ok(())
}

/// Whether a port that is greeted as a TLS server answers as one.
fn speaks_tls(link: &Link, address: SocketAddr, timeout: Duration) -> bool {
    let probe = Probe::connect(link, "", address, timeout);
    probe.is_ok_and(|mut probe| {
        probe.provoke(CLIENT_HELLO, timeout).is_ok_and(|bytes| is_tls(&bytes))
    })
}

fn in_words(reply: &Reply) -> String {
    let some = |bytes: &[u8]| match bytes.len() {
        0 => "without a byte".to_owned(),
        count => format!("after {count} bytes that are no whole frame"),
    };
    match reply {
        Reply::Answer(..) => "answered".to_owned(),
        Reply::Unreadable(error) => format!("an answer that cannot be read: {error}"),
        Reply::NoFrame(error, _) => format!("an answer that is no frame: {error}"),
        Reply::Closed(bytes) => format!("the connection was closed {}", some(bytes)),
        Reply::Silence(bytes) if bytes.is_empty() => "nothing came".to_owned(),
        Reply::Silence(bytes) => format!("{} bytes came that are no whole frame", bytes.len()),
        Reply::Broken(error) => format!("the connection broke: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_over_the_turn_of_the_year() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (theirs, now, expected) in [
            ("1120142807", "2026-11-20T14:28:05Z", Some(2)),
            ("0101000001", "2026-12-31T23:59:58Z", Some(3)),
            ("1231235958", "2027-01-01T00:00:01Z", Some(-3)),
            ("1120152807", "2026-11-20T14:28:07Z", Some(3_600)),
            ("1320142807", "2026-11-20T14:28:05Z", None),
            ("11201428", "2026-11-20T14:28:05Z", None),
            ("ab", "2026-11-20T14:28:05Z", None),
        ] {
            assert_eq!(skew(theirs, at(now)), expected, "{theirs} at {now}");
        }
    }

    #[test]
    fn a_zone_is_told_from_a_clock_that_is_wrong() {
        let fix = |theirs: &str| {
            let mut answer = Message::new();
            answer.set(field::TRANSMISSION, theirs);
            let mut findings = Findings::default();
            clock(&mut findings, &answer, "2026-11-20T14:28:05Z".parse().unwrap());
            findings.0.remove(0)
        };
        assert_eq!(fix("1120142807").mark, Mark::Good);
        assert!(fix("1120152807").fix.contains("time zone"));
        assert!(fix("1120143307").fix.contains("time server"));
    }
}

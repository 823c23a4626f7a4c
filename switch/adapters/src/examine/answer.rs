//! A request that changes nothing, what came back, and how far the clock that answers is off.

use super::{Findings, Mark, origin};
use crate::dates;
use crate::executor::audit::audit;
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Executor, Request, Response, failed};
use crate::oidc;
use core::fmt;
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime};
use veksel_config::bridge::{CallConfig, IdentityConfig};
use veksel_core::enquiry::{Failed, Failure};

/// A clock that is further off is worth a word, in seconds; an answer says it in whole ones.
const SKEW_GOOD_S: u64 = 5;

/// And one beyond this is wrong: tokens and signatures with a time in them are good for about a
/// minute.
const SKEW_MAX_S: u64 = 60;

/// Counts the keys of a set that may sign, or says why there are none.
pub(super) type Count = Box<dyn Fn(&[u8]) -> Result<usize, String> + Send + Sync>;

/// What is asked.
pub(super) enum Question {
    /// Its address itself: any answer shows that somebody speaks HTTP there.
    Anything,
    /// A document of JSON, at its address.
    Document,
    /// The discovery document, and the keys it leads to.
    Discovery(Box<IdentityConfig>),
    /// Keys, with what knows how many of them may sign, and how far the clock may be off in
    /// milliseconds; 0 is as far as it likes.
    Keys(Count, u64),
}

impl Question {
    /// Whether the configuration says all that the document would.
    fn is_told_otherwise(&self) -> bool {
        let Self::Discovery(config) = self else { return false };
        let said = [&config.issuer, &config.authorize_url, &config.token_url, &config.jwks_url];
        said.iter().all(|said| said.is_some())
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anything => "Anything",
            Self::Document => "Document",
            Self::Discovery(_) => "Discovery",
            Self::Keys(..) => "Keys",
        })
    }
}

/// An answer, when half of the time it took was over, and all of that time.
struct Heard {
    response: Response,
    at: SystemTime,
    took: Duration,
}

/// Asks, and says what came of it.
pub(super) async fn ask(
    findings: &mut Findings,
    name: &str,
    call: &CallConfig,
    question: &Question,
    limit: Duration,
) {
    let heard = match get(name, call, &call.url, limit).await {
        Ok(heard) => heard,
        Err(failure) => return nothing(findings, call, question, &failure, limit),
    };
    let status = heard.response.status;
    let is_document = !matches!(question, Question::Anything);
    let (said, fix) = match status {
        500.. => ("it is in trouble", "ask again in a while; if it stays, ask its operator"),
        300..=499 if is_document => {
            ("that is not what should be there", "is the address the whole one, as it was given?")
        }
        _ => ("", ""),
    };
    let said = match (said, is_document, heard.response.is_success()) {
        ("", false, false) => format!("answers {status}: it speaks HTTP, and we showed nothing"),
        ("", ..) => format!("answers {status}"),
        (why, ..) => format!("answers {status}: {why}"),
    };
    match (fix, is_document) {
        ("", _) => findings.took("request", format!("{said}, connecting included"), heard.took),
        (_, true) if question.is_told_otherwise() => {
            let fix = "the configuration says where everything is, so that nobody needs it";
            findings.add("request", Mark::Doubtful, said, fix);
        }
        (fix, true) => findings.add("request", Mark::Bad, said, fix),
        (fix, false) => findings.add("request", Mark::Doubtful, said, fix),
    }
    if heard.response.is_success() {
        content(findings, name, call, question, &heard.response, limit).await;
    } else if let Question::Discovery(config) = question
        && question.is_told_otherwise()
        && let Some(keys_at) = &config.jwks_url
    {
        keys_at_issuer(findings, name, call, keys_at, limit).await;
    }
    let tolerance = match question {
        Question::Anything | Question::Document => Tolerance::Unknown,
        // The answer says whole seconds.
        Question::Discovery(config) => Tolerance::Seconds((config.skew_ms / 1_000).max(1)),
        Question::Keys(_, 0) => Tolerance::Any,
        Question::Keys(_, most_ms) => Tolerance::Seconds((most_ms / 1_000).max(1)),
    };
    clock(findings, &heard, &tolerance);
}

/// What a document says.
async fn content(
    findings: &mut Findings,
    name: &str,
    call: &CallConfig,
    question: &Question,
    response: &Response,
    limit: Duration,
) {
    match question {
        Question::Anything => {}
        Question::Document => {
            let is_object = response.json::<Value>().is_ok_and(|value| value.is_object());
            if !is_object {
                let fix = "is the address the whole one, as it was given?";
                findings.add("document", Mark::Bad, "it is no document of JSON", fix);
            }
        }
        Question::Discovery(config) => {
            let keys_at = match oidc::keys_url(config, response) {
                Ok(keys_at) => keys_at,
                Err(failure) => {
                    let said = match failure.code.as_str() {
                        "issuer" => "the document is that of another issuer",
                        _ => "it is no discovery document (OpenID Connect)",
                    };
                    let fix = "`url` is the realm, without /.well-known; if another issuer is \
                               meant, say it in `issuer`";
                    return findings.add("document", Mark::Bad, said, fix);
                }
            };
            findings.add("document", Mark::Good, "the document is that of its issuer", "");
            keys_at_issuer(findings, name, call, &keys_at, limit).await;
        }
        Question::Keys(count, _) => {
            let keys = count(&response.body);
            usable(findings, keys, "a request can be signed with (RS256)");
        }
    }
}

/// Keys of a provider that signs people in.
async fn keys_at_issuer(
    findings: &mut Findings,
    name: &str,
    call: &CallConfig,
    keys_at: &str,
    limit: Duration,
) {
    let keys = match get(name, call, keys_at, limit).await {
        Ok(heard) => oidc::keys_in(&heard.response),
        Err(failure) => Err(failure),
    };
    let keys = keys.map_err(|failure| match failure.code.as_str() {
        "" => failure.why.word().to_owned(),
        code => code.to_owned(),
    });
    usable(findings, keys, "a token can be signed with (RS256, PS256 or ES256)");
}

fn usable(findings: &mut Findings, keys: Result<usize, String>, what: &str) {
    let fix = "its operator has to publish one; until then nobody is believed";
    match keys {
        Ok(0) => {
            let said = format!("it publishes no key that {what}");
            findings.add("keys", Mark::Bad, said, fix);
        }
        Ok(count) => {
            let word = if count == 1 { "key" } else { "keys" };
            findings.add("keys", Mark::Good, format!("{count} {word} that {what}"), "");
        }
        Err(why) => {
            findings.add("keys", Mark::Bad, format!("its keys cannot be used: {why}"), fix);
        }
    }
}

/// Nothing came back.
fn nothing(
    findings: &mut Findings,
    call: &CallConfig,
    question: &Question,
    failure: &Failure,
    limit: Duration,
) {
    let (said, fix) = match failure.code.as_str() {
        "redirect" if matches!(question, Question::Anything) => {
            let said = "answers with a redirect, which is not followed: it speaks HTTP";
            return findings.add("request", Mark::Good, said, "");
        }
        "redirect" => (
            "it answers that what is asked for is elsewhere, and no redirect is followed"
                .to_owned(),
            "set the address to where it leads",
        ),
        "tls_certificate" if call.identity.is_some() => (
            "the other side does not take our certificate".to_owned(),
            "have the other side enter it, or name the one it knows in `certificate` and `key`",
        ),
        "tls_certificate" => (
            "the other side wants a certificate of ours".to_owned(),
            "name it in `certificate` and `key`",
        ),
        "timeout" | "connect_timeout" => (
            format!("no answer within {} ms", limit.as_millis()),
            "it accepts and says nothing: is it this port, and http or https as it should be?",
        ),
        "body_max" => (
            "it answers more than is read".to_owned(),
            "is it this address? If so, raise `answer_max`",
        ),
        "broken" | "broken_body" => (
            "it hangs up instead of answering".to_owned(),
            "does the port speak HTTP, and http or https as it should be?",
        ),
        code => (
            format!("nothing came back: {} {code}", failure.why.word()),
            "the lines above say how far it came",
        ),
    };
    findings.add("request", Mark::Bad, said, fix);
}

/// How far clocks may be apart before something is refused.
enum Tolerance {
    /// Nobody here looks at times of theirs; what they make of ours is not known.
    Unknown,
    /// As far as they like.
    Any,
    /// So far.
    Seconds(u64),
}

/// How far the clock of an answer is off. It says whole seconds only.
fn clock(findings: &mut Findings, heard: &Heard, tolerance: &Tolerance) {
    let theirs = dates::imf(heard.response.header("date"));
    let ours = heard.at.duration_since(SystemTime::UNIX_EPOCH).ok();
    let ours = ours.and_then(|since| i64::try_from(since.as_millis()).ok());
    let theirs = theirs.and_then(|theirs| i64::try_from(theirs.0).ok());
    let Some((theirs, ours)) = theirs.zip(ours) else {
        let said = "its answer has no `Date` that can be read";
        return findings.add("clock", Mark::Skipped, said, "");
    };
    let ms = theirs.saturating_sub(ours);
    // It may be nearly a second later there than it says.
    let seconds = if ms < 0 { ms.saturating_add(999).min(0) / 1_000 } else { ms / 1_000 };
    let (allowed_s, then) = match tolerance {
        Tolerance::Unknown => (SKEW_MAX_S, "what bears a time may be refused"),
        Tolerance::Any => (u64::MAX, ""),
        Tolerance::Seconds(most) => (*most, "what bears a time is refused"),
    };
    let said = format!("`Date` of the answer is {seconds:+} s from this clock");
    let fix = "let both sides ask a time server (NTP); if others are off as far, this machine is \
               the one";
    match seconds.unsigned_abs() {
        off if off <= SKEW_GOOD_S.min(allowed_s) => findings.add("clock", Mark::Good, said, ""),
        off if off <= allowed_s => findings.add("clock", Mark::Doubtful, said, fix),
        _ => {
            let said = format!("{said}: {then}");
            findings.add("clock", Mark::Bad, said, fix);
        }
    }
}

/// Asks a whole address, once.
async fn get(
    name: &str,
    call: &CallConfig,
    whole: &str,
    limit: Duration,
) -> Result<Heard, Failure> {
    let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    let base = origin(whole).ok_or_else(|| failed(Failed::Format, "address"))?;
    let call = CallConfig { url: base, connect_ms: ms, read_ms: ms, retries: 0, ..call.clone() };
    // Nobody reads the trail of a look.
    let (sink, _) = audit(1);
    let executor = Executor::new(name, &call, REGISTERED, sink);
    let executor = executor.map_err(|_| failed(Failed::Malfunction, "client"))?;
    let chain = Chain::new(ms.saturating_mul(2), "");
    let request =
        Request::new("doctor", Method::GET, "{address}", whole).identified(call.identity.is_some());
    let (begun, at) = (Instant::now(), SystemTime::now());
    let response = executor.call(&chain, request).await?;
    let took = begun.elapsed();
    Ok(Heard { response, at: at + took / 2, took })
}

/// What somebody of this machine answers, whoever it is: status and body.
///
/// # Errors
/// Why nothing came back, in a word.
pub async fn heard(url: &str, limit: Duration) -> Result<(u16, Vec<u8>), String> {
    // The certificate is that of a name, and it is called by its address.
    let call = CallConfig { allow_private: true, is_relaxed: true, ..CallConfig::at(url) };
    let heard = get("this machine", &call, url, limit).await.map_err(|failure| failure.code)?;
    Ok((heard.response.status, heard.response.body.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;
    use crate::executor::tests::server::{Act, Server, json, with};

    async fn asked(act: Act, question: &Question) -> Vec<Finding> {
        let server = Server::start(vec![act]).await;
        let call = CallConfig { allow_private: true, ..CallConfig::at(&server.url()) };
        let mut findings = Findings::default();
        ask(&mut findings, "bank", &call, question, Duration::from_secs(20)).await;
        findings.0
    }

    fn is(findings: &[Finding], check: &str, mark: Mark, part: &str) {
        let found = findings.iter().find(|finding| finding.check == check);
        let found = found.unwrap_or_else(|| panic!("no {check}: {findings:?}"));
        assert_eq!(found.mark, mark, "{found:?}");
        assert!(found.said.contains(part), "{found:?}");
        assert!(mark != Mark::Bad || !found.fix.is_empty(), "{found:?}");
    }

    #[tokio::test]
    async fn any_answer_but_a_fault_shows_that_somebody_speaks_http() {
        let anything = &Question::Anything;
        is(&asked(json(200, "{}"), anything).await, "request", Mark::Good, "answers 200");
        is(&asked(json(401, "{}"), anything).await, "request", Mark::Good, "we showed nothing");
        is(&asked(json(503, ""), anything).await, "request", Mark::Doubtful, "in trouble");
        let moved = with(302, "Location: https://elsewhere.example/hush\r\n", "");
        is(&asked(moved, anything).await, "request", Mark::Good, "redirect");
        let hung_up = asked(Act::SayAndClose(""), anything).await;
        is(&hung_up, "request", Mark::Bad, "hangs up");
        is(&asked(json(200, "{}"), anything).await, "clock", Mark::Skipped, "no `Date`");
    }

    #[tokio::test]
    async fn a_document_has_to_be_there() {
        let document = &Question::Document;
        is(&asked(json(200, "{}"), document).await, "request", Mark::Good, "answers 200");
        is(&asked(json(404, "{}"), document).await, "request", Mark::Bad, "not what should be");
        is(&asked(json(500, "{}"), document).await, "request", Mark::Bad, "in trouble");
        is(&asked(json(200, "[]"), document).await, "document", Mark::Bad, "no document");
        let moved = with(301, "Location: https://elsewhere.example/\r\n", "");
        is(&asked(moved, document).await, "request", Mark::Bad, "elsewhere");
        let keys =
            |found: Result<usize, String>| Question::Keys(Box::new(move |_| found.clone()), 0);
        is(&asked(json(200, "{}"), &keys(Ok(2))).await, "keys", Mark::Good, "2 keys");
        is(&asked(json(200, "{}"), &keys(Ok(0))).await, "keys", Mark::Bad, "no key");
        let none = keys(Err("it is no JSON".to_owned()));
        is(&asked(json(200, ""), &none).await, "keys", Mark::Bad, "it is no JSON");
    }

    #[test]
    fn a_clock_may_be_off_a_little_and_as_far_as_is_configured() {
        let date = "Mon, 23 Feb 2026 10:00:00 GMT";
        let at = |ahead_ms: i64| {
            let ms = u64::try_from(1_771_840_800_000 - ahead_ms).unwrap();
            SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
        };
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("date", date.parse().unwrap());
        let response = Response {
            status: 200,
            headers,
            body: bytes::Bytes::new(),
            moved_money: false,
            is_doubtful: false,
        };
        let unknown = || Tolerance::Unknown;
        for (ahead_ms, tolerance, mark, said) in [
            (0, unknown(), Mark::Good, "+0 s"),
            (-900, unknown(), Mark::Good, "+0 s"),
            (-5_900, unknown(), Mark::Good, "-4 s"),
            (5_900, unknown(), Mark::Good, "+5 s"),
            (6_000, unknown(), Mark::Doubtful, "+6 s"),
            (-7_100, unknown(), Mark::Doubtful, "-6 s"),
            (60_000, unknown(), Mark::Doubtful, "+60 s"),
            (61_000, unknown(), Mark::Bad, "+61 s"),
            (-600_000, unknown(), Mark::Bad, "-599 s"),
            (6_000, Tolerance::Seconds(5), Mark::Bad, "+6 s"),
            (4_000, Tolerance::Seconds(3), Mark::Bad, "+4 s"),
            (31_000, Tolerance::Seconds(60), Mark::Doubtful, "+31 s"),
            (90_000, Tolerance::Seconds(300), Mark::Doubtful, "+90 s"),
            (301_000, Tolerance::Seconds(300), Mark::Bad, "what bears a time is refused"),
            (9_000_000, Tolerance::Any, Mark::Doubtful, "+9000 s"),
        ] {
            let took = Duration::ZERO;
            let heard = Heard { response: response.clone(), at: at(ahead_ms), took };
            let mut findings = Findings::default();
            clock(&mut findings, &heard, &tolerance);
            let found = &findings.0[0];
            assert_eq!(found.mark, mark, "{ahead_ms} {found:?}");
            assert!(found.said.contains(said), "{ahead_ms} {found:?}");
        }
    }
}

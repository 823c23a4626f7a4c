//! What stands between us and the third parties of a configuration, for people (`veksel doctor`):
//! files and secrets, the name, the connection, TLS, and whether somebody answers.
//!
//! Calls go through the client that the adapters use. Nothing is ordered, posted or sent: what is
//! asked is asked by GET, without a secret, and of a mail server no more than how it speaks. What
//! is said names hosts, files and variables, never a secret, and of an address no more than host
//! and port, because some of them are secrets.

mod answer;
mod mail;
mod papers;
mod parties;
mod reach;

pub use answer::heard;
pub use parties::{KeysIn, parties};

use answer::Question;
use papers::Papers;
use reqwest::Url;
use std::time::{Duration, SystemTime};
use veksel_config::bridge::{CallConfig, SecretSource};
use veksel_config::provider::EmailConfig;
use veksel_core::Utc;

const DAY_S: i64 = 86_400;

/// Days before the end of a certificate from which on that is worth a word.
const SOON_DAYS: i64 = 30;

/// What a check came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// As it should be.
    Good,
    /// It works, and somebody should look at it.
    Doubtful,
    /// It does not work.
    Bad,
    /// It was not tried.
    Skipped,
}

/// One line of the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// What that came to.
    pub mark: Mark,
    /// In words.
    pub said: String,
    /// How long it took, if that tells something.
    pub took: Option<Duration>,
    /// What to do; empty if there is nothing.
    pub fix: String,
}

/// The lines of a result, in their order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// One more line.
    pub fn add(
        &mut self,
        check: &'static str,
        mark: Mark,
        said: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push(Finding { check, mark, said: said.into(), took: None, fix: fix.into() });
    }

    /// The same for what took a while and went well.
    fn took(&mut self, check: &'static str, said: impl Into<String>, took: Duration) {
        let (said, took) = (said.into(), Some(took));
        self.0.push(Finding { check, mark: Mark::Good, said, took, fix: String::new() });
    }

    /// Whether nothing is bad.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.0.iter().all(|finding| finding.mark != Mark::Bad)
    }

    /// A certificate that is good from `since` until `until`, in Unix seconds; `who` renews it.
    pub fn life(&mut self, check: &'static str, what: &str, (since, until): (i64, i64), who: &str) {
        let now = now_s();
        let days = until.saturating_sub(now).div_euclid(DAY_S);
        if until < now {
            let ago = now.saturating_sub(until) / DAY_S;
            let said = format!("{what} ended on {}, {ago} days ago", date(until));
            self.add(check, Mark::Bad, said, format!("{who} has to renew it"));
        } else if now < since {
            let said = format!("{what} is good from {} on only", date(since));
            let fix = format!("is the clock of this machine right? If so, {who} has made it early");
            self.add(check, Mark::Bad, said, fix);
        } else if days < SOON_DAYS {
            let said = format!("{what} ends on {}, in {days} days", date(until));
            self.add(check, Mark::Doubtful, said, format!("{who} has to renew it soon"));
        } else {
            let said = format!("{what} is good for {days} days, until {}", date(until));
            self.add(check, Mark::Good, said, "");
        }
    }
}

/// Somebody who is reached over the network.
#[derive(Debug)]
pub struct Party {
    /// For people: what it is for, and its name in the configuration.
    pub name: String,
    papers: Papers,
    way: Way,
}

/// How somebody is reached.
#[derive(Debug)]
enum Way {
    /// Nobody is; there are only files.
    Papers,
    /// Not at all, and why that is so.
    Nobody(&'static str),
    /// It cannot be: why, and what to do.
    Impossible(&'static str, &'static str),
    /// By HTTP.
    Http(Box<CallConfig>, Question),
    /// The same at an address that is a secret; whether it may be near by.
    Hook(SecretSource, bool),
    /// By SMTP.
    Mail(Box<EmailConfig>),
}

impl Party {
    /// Looks at everything. No step takes longer than `limit`.
    pub async fn examine(&self, limit: Duration) -> Findings {
        let mut findings = Findings::default();
        self.papers.look(&mut findings);
        match &self.way {
            Way::Papers => {}
            Way::Nobody(why) => findings.add("request", Mark::Skipped, *why, ""),
            Way::Impossible(why, fix) => findings.add("request", Mark::Bad, *why, *fix),
            Way::Http(call, question) => {
                http(&mut findings, &self.name, call, question, limit).await;
            }
            Way::Hook(source, allow_private) => {
                // That it cannot be read is said of the secret already.
                let Ok(address) = crate::read_secret(source) else { return findings };
                match origin(address.expose()) {
                    Some(origin) => {
                        let allow_private = *allow_private;
                        let call = CallConfig { allow_private, ..CallConfig::at(&origin) };
                        let question = &Question::Anything;
                        http(&mut findings, &self.name, &call, question, limit).await;
                    }
                    None => {
                        let fix = "put the whole address there, https:// and what follows";
                        findings.add("address", Mark::Bad, "the secret is no address", fix);
                    }
                }
            }
            Way::Mail(config) => mail::look(&mut findings, config, limit).await,
        }
        findings
    }

    /// Its host and port, if it has any that may be shown.
    #[must_use]
    pub fn at(&self) -> Option<String> {
        let of = |url: &str| Some(place(&Url::parse(url).ok()?));
        match &self.way {
            Way::Papers | Way::Nobody(_) | Way::Impossible(..) => None,
            Way::Http(call, _) => of(&call.url),
            Way::Hook(source, _) => of(crate::read_secret(source).ok()?.expose()),
            Way::Mail(config) => Some(format!("{}:{}", config.host, config.port)),
        }
    }
}

/// Name, connection, TLS, answer and clock of somebody who speaks HTTP.
async fn http(
    findings: &mut Findings,
    name: &str,
    call: &CallConfig,
    question: &Question,
    limit: Duration,
) {
    let Some(url) = reach::address(findings, call) else { return };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    let found = reach::connect(findings, (host, port), call.allow_private, limit).await;
    let Some(stream) = found else { return };
    if url.scheme() == "https" {
        if !reach::shake(findings, stream, host, call, limit).await {
            return;
        }
    } else {
        findings.add("tls", Mark::Skipped, "everything goes in clear (http)", "");
    }
    answer::ask(findings, name, call, question, limit).await;
}

/// Scheme, host and port of an address. `None` if it has none of them.
fn origin(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// Host and port.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Unix seconds.
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The day of Unix seconds, UTC.
fn date(seconds: i64) -> String {
    let ms = u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000);
    Utc(ms).to_string().get(..10).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(from_days: i64, to_days: i64) -> Finding {
        let mut findings = Findings::default();
        // An hour more, so that a slow test does not lose a day.
        let at = |days: i64| now_s() + days * DAY_S + 3_600;
        findings.life("certificate", "it", (at(from_days), at(to_days)), "somebody");
        findings.0.remove(0)
    }

    #[test]
    fn a_certificate_has_days_left_or_none() {
        for (from, to, mark, said) in [
            (-10, 90, Mark::Good, "it is good for 90 days, until "),
            (-10, 30, Mark::Good, "it is good for 30 days, until "),
            (-10, 29, Mark::Doubtful, ", in 29 days"),
            (-10, 0, Mark::Doubtful, ", in 0 days"),
            (-10, -2, Mark::Bad, ", 1 days ago"),
            (1, 90, Mark::Bad, "it is good from "),
        ] {
            let found = life(from, to);
            assert_eq!(found.mark, mark, "{found:?}");
            assert!(found.said.contains(said), "{found:?}");
            assert_eq!(found.fix.is_empty(), mark == Mark::Good, "{found:?}");
        }
        assert_eq!(date(1_771_840_800), "2026-02-23");
    }

    #[test]
    fn of_an_address_only_its_place_is_shown() {
        let url = Url::parse("https://me:hush@hooks.example/services/T0/hush?x=hush").unwrap();
        assert_eq!(place(&url), "hooks.example:443");
        assert_eq!(origin(url.as_str()).unwrap(), "https://hooks.example");
        assert_eq!(origin("data:hush"), None);
        assert_eq!(origin("hush"), None);
    }
}

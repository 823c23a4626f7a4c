//! Text messages.

use super::{providers, run, url, within};
use std::sync::Arc;
use veksel_adapters::providers::{Provides, Sms};
use veksel_core::enquiry::Failed;
use veksel_simulator::sandbox::Clock;
use veksel_simulator::sandbox::sms::SmsGateway;

fn sms(to: &str, text: &str) -> Sms {
    Sms { to: to.into(), text: text.into(), key: "k-1".into() }
}

#[tokio::test]
async fn a_text_is_sent_once_and_refusals_are_told_apart() {
    let _watch = super::watching();
    let clock = Clock::default();
    let sandbox = SmsGateway::new("key-of-ours".to_owned(), clock.clone());
    let running = run(Arc::new(sandbox.clone()), &clock);
    let section = format!(
        "[sms]\nurl = \"{}\"\nallow_private = true\nretries = 1\nretry_wait = \"10ms\"\n\
         headers = [\"X-Api-Key=env:key-of-ours\"]\nsender = \"Bank\"\n",
        url(&running)
    );
    let (all, _events) = providers(&section);
    let sent = all.sms(within(), sms("+4790000001", "Betalt: 412,00 æøå")).await.unwrap();
    assert_eq!(all.sms(within(), sms("+4790000001", "Betalt: 412,00 æøå")).await, Ok(sent));
    let texts = sandbox.sent();
    assert_eq!(texts.len(), 1);
    let (to, from, text) = (texts[0].to.as_str(), texts[0].from.as_str(), texts[0].text.as_str());
    assert_eq!((to, from, text), ("+4790000001", "Bank", "Betalt: 412,00 æøå"));
    for (to, text, why, code) in [
        ("+4790000404", "a", Failed::NotFound, "NUMBER_UNKNOWN"),
        ("+4790000429", "a", Failed::Limited, "TOO_MANY"),
        ("+4790000500", "a", Failed::Malfunction, "BROKEN"),
        // Whoever stands before the gateway does not know what it did.
        ("+4790000502", "a", Failed::Late, "NO_ANSWER"),
        ("+4790000503", "a", Failed::Late, "CLOSED"),
        ("4790000001", "a", Failed::Format, "to"),
        ("+4790000001", "", Failed::Format, "text"),
    ] {
        let mut one = sms(to, text);
        one.key = format!("k{to}");
        let failure = all.sms(within(), one).await.unwrap_err();
        assert_eq!((failure.why, failure.code.as_str()), (why, code), "{to}");
        assert!(!failure.is_open);
    }
    let entries = running.log("it").unwrap().entries();
    let tries = |status| entries.iter().filter(|entry| entry.status == Some(status)).count();
    // Too many is tried again; what broke is not, because it may have been sent.
    assert_eq!((tries(429), tries(500), tries(502), tries(503)), (2, 1, 1, 1));
    // A gateway that knows a key again may be told it as often as it takes.
    let (all, _events) = providers(&format!("{section}deduplicates = true\n"));
    for (to, code) in [("+4790000502", "NO_ANSWER"), ("+4790000503", "CLOSED")] {
        let mut one = sms(to, "a");
        one.key = format!("d{to}");
        let failure = all.sms(within(), one).await.unwrap_err();
        assert_eq!((failure.why, failure.code.as_str()), (Failed::Unavailable, code), "{to}");
    }
}

//! Billers and messengers behind the integration API: what they are asked, and what becomes of what
//! they say.

use crate::rig::{Rig, Said, json};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use veksel_adapters::providers::{
    Bill, BillNumber, Biller, Email, Issuer, Package, Provided, Providers, Provides, Sent, Sms,
    Within,
};
use veksel_core::enquiry::{Failed, Failure, Money};

/// The texts of the messages that were handed over, in their order.
pub(crate) type Post = Arc<Mutex<Vec<String>>>;

/// Says what it was asked, and fails as it is told to.
#[derive(Debug)]
struct Echo(Post);

impl Echo {
    /// What the next message is called: one of its own for each that is handed over.
    fn take(&self, text: &str) -> usize {
        let mut post = self.0.lock().unwrap();
        post.push(text.to_owned());
        post.len()
    }
}

fn failed<T>(why: Failed) -> Result<T, Failure> {
    Err(Failure::before(why))
}

impl Provides for Echo {
    fn has(&self, issuer: Issuer) -> bool {
        matches!(issuer, Issuer::Bill | Issuer::Sms | Issuer::Email)
    }

    fn billers(&self, _: Within, category: Option<String>) -> Provided<'_, Vec<Biller>> {
        let biller = |id: &str, category: &str| Biller {
            id: id.to_owned(),
            name: format!("Name of {id}"),
            category: category.to_owned(),
            currency: 8,
        };
        let all = [biller("B1", "water"), biller("B2", "power"), biller("B3", "water")];
        let fits = move |own: &Biller| category.as_ref().is_none_or(|only| own.category == *only);
        Box::pin(async move { Ok(all.into_iter().filter(fits).collect()) })
    }

    fn packages(&self, within: Within, biller: String) -> Provided<'_, Vec<Package>> {
        assert!(within.ms > 0 && !within.trace.is_empty());
        Box::pin(async move {
            match biller.as_str() {
                "refuses" => failed(Failed::Refused),
                "silent" => failed(Failed::Late),
                "unknown" => failed(Failed::NotFound),
                _ => {
                    let price = Some(Money { minor: 9_900, currency: 578 });
                    let free = Package { id: "P2".into(), name: "Free".into(), price: None };
                    Ok(vec![Package { id: "P1".into(), name: biller, price }, free])
                }
            }
        })
    }

    fn bill_inquiry(&self, _: Within, number: BillNumber) -> Provided<'_, Bill> {
        let due = Money { minor: 4_500, currency: 578 };
        let due_date = String::new();
        let holder = "Leif K********".to_owned();
        Box::pin(async move { Ok(Bill { number, due, due_date, holder }) })
    }

    fn sms(&self, _: Within, sms: Sms) -> Provided<'_, Sent> {
        let number = self.take(&sms.text);
        let Sms { to, text, key } = sms;
        Box::pin(async move {
            match text.as_str() {
                "away" if number % 2 == 1 => failed(Failed::Unavailable),
                "lost" => failed(Failed::Late),
                "broken" => Err(Failure {
                    code: veksel_adapters::BROKEN.to_owned(),
                    ..Failure::before(Failed::Unavailable)
                }),
                "refused" => failed(Failed::Refused),
                "slow" => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Ok(Sent { id: number.to_string() })
                }
                _ => Ok(Sent { id: format!("{number} {to} {text} {key}") }),
            }
        })
    }

    fn email(&self, _: Within, email: Email) -> Provided<'_, Sent> {
        let number = self.take(&email.text);
        let Email { subject, key, .. } = email;
        Box::pin(async move { Ok(Sent { id: format!("{number} {subject} {key}") }) })
    }
}

/// Providers of everything, and what they hand over.
pub(crate) fn providers() -> (Arc<dyn Provides>, Post) {
    let (mut providers, post) = (Providers::default(), Post::default());
    for issuer in [Issuer::Bill, Issuer::Sms, Issuer::Email] {
        providers = providers.with(issuer, Arc::new(Echo(Arc::clone(&post))));
    }
    (Arc::new(providers), post)
}

fn ask(rig: &Rig, path: &str, key: Option<&str>, body: &Value) -> Said {
    let mut headers = vec![("content-type", "application/json"), ("x-api-key", "app-key")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    rig.send("POST", &format!("/api/v1/integration/{path}"), &headers, &body.to_string())
}

#[test]
fn providers_are_asked_and_their_answers_shown() {
    let rig = Rig::new();
    let said = json(&ask(&rig, "biller/category", None, &json!({})));
    assert_eq!(said["categories"], json!(["power", "water"]));
    assert_eq!(said["billers"].as_array().map(Vec::len), Some(3));
    assert_eq!(said["billers"][0]["currency"], "008");
    let said = json(&ask(&rig, "biller/category", None, &json!({ "category": "power" })));
    assert_eq!(said["billers"][0]["biller"], "B2");
    let bill = json!({ "biller": "B1", "reference": "42" });
    let said = json(&ask(&rig, "biller/fetch", None, &bill));
    let expected = json!({
        "biller": "B1", "reference": "42", "bill": null,
        "due": { "minor": 4_500, "currency": "578" },
        "dueDate": null, "name": "Leif K********",
    });
    assert_eq!(said, expected);
    let said = json(&ask(&rig, "biller/package", None, &json!({ "biller": "B1" })));
    assert_eq!(said["packages"][0]["price"], json!({ "minor": 9_900, "currency": "578" }));
    assert_eq!(said["packages"][1]["price"], Value::Null);
    for (biller, status, code) in
        [("refuses", 422, "refused"), ("silent", 503, "unavailable"), ("unknown", 404, "not-found")]
    {
        let said = ask(&rig, "biller/package", None, &json!({ "biller": biller }));
        assert_eq!(said.status, status, "{said:?}");
        let found = json(&said)["error"]["code"].as_str().unwrap().replace('_', "-");
        assert_eq!(found, code.replace('_', "-"), "{said:?}");
    }
}

fn id(said: &Said) -> String {
    assert_eq!(said.status, 202, "{said:?}");
    json(said)["id"].as_str().unwrap().to_owned()
}

fn code(said: &Said) -> (u16, String) {
    (said.status, json(said)["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn sms(text: &str) -> Value {
    json!({ "to": "+4790100001", "text": text })
}

#[test]
fn messages_are_handed_over_once_for_each_key() {
    let rig = Rig::new();
    let handed = || rig.post.lock().unwrap().len();
    let first = id(&ask(&rig, "sms/send", Some("k1"), &sms("Hei på deg")));
    assert!(first.starts_with("1 +4790100001 Hei på deg "), "{first}");
    assert_eq!(id(&ask(&rig, "sms/send", Some("k1"), &sms("Hei på deg"))), first);
    assert_eq!(handed(), 1);
    // Something else under the same key is not sent.
    for other in [sms("Hei"), json!({ "to": "+4790100002", "text": "Hei på deg" })] {
        let said = ask(&rig, "sms/send", Some("k1"), &other);
        assert_eq!(code(&said), (409, "duplicate".to_owned()), "{said:?}");
    }
    assert_eq!(handed(), 1);
    assert_ne!(id(&ask(&rig, "sms/send", Some("k2"), &sms("Hei på deg"))), first);
    // Nor is another caller's message the same one.
    let path = "/api/v1/integration/sms/send";
    let other = [
        ("content-type", "application/json"),
        ("x-api-key", "only-send_sms"),
        ("idempotency-key", "k1"),
    ];
    assert_ne!(id(&rig.send("POST", path, &other, &sms("Hei på deg").to_string())), first);
    assert_eq!(handed(), 3);
    // Without a key each is another one.
    let twice = [0, 1].map(|_| id(&ask(&rig, "sms/send", None, &sms("Hei på deg"))));
    assert_ne!(twice[0], twice[1]);
    assert_eq!(handed(), 5);
    // Letters have keys of their own.
    let email = json!({ "to": "a@b.example", "subject": "Ditt uttrekk", "text": "Hei\n" });
    let letter = id(&ask(&rig, "email/send", Some("k1"), &email));
    assert!(letter.starts_with("6 Ditt uttrekk "), "{letter}");
    assert_eq!(id(&ask(&rig, "email/send", Some("k1"), &email)), letter);
    let mut other = email;
    other["subject"] = "Et annet".into();
    let said = ask(&rig, "email/send", Some("k1"), &other);
    assert_eq!(code(&said), (409, "duplicate".to_owned()), "{said:?}");
    assert_eq!(handed(), 6);
}

#[test]
fn a_message_whose_first_is_under_way_waits_for_it() {
    let rig = Rig::new();
    let said: Vec<String> = thread::scope(|scope| {
        let send = || id(&ask(&rig, "sms/send", Some("crowd"), &sms("slow")));
        let sending: Vec<_> = (0..20).map(|_| scope.spawn(send)).collect();
        sending.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(said.iter().all(|one| one == "1"), "{said:?}");
    assert_eq!(rig.post.lock().unwrap().len(), 1);
}

#[test]
fn a_message_that_was_not_taken_may_be_sent_again_and_one_nobody_knows_of_may_not() {
    let rig = Rig::new();
    let ask = |key: &str, text: &str| ask(&rig, "sms/send", Some(key), &sms(text));
    let handed = || rig.post.lock().unwrap().len();
    let away = ask("k1", "away");
    assert_eq!(code(&away), (503, "unavailable".to_owned()));
    assert!(!away.header("retry-after").is_empty(), "{away:?}");
    let sent = id(&ask("k1", "away"));
    assert_eq!((id(&ask("k1", "away")), handed()), (sent, 2));
    for (key, text, status, expected) in [
        ("k2", "lost", 504, "outcome_unknown"),
        ("k3", "refused", 422, "refused"),
        ("k4", "broken", 504, "outcome_unknown"),
    ] {
        let before = handed();
        for _ in 0..2 {
            assert_eq!(code(&ask(key, text)), (status, expected.to_owned()));
        }
        assert_eq!(handed(), before + 1, "{text}");
    }
}

#[test]
fn a_message_that_cannot_be_sent_is_refused_by_the_name_of_what_is_wrong() {
    let rig = Rig::new();
    let long = "a".repeat(1_531);
    let letter = |to: &str, subject: &str| json!({ "to": to, "subject": subject, "text": "hei" });
    for (path, body, wrong) in [
        ("sms/send", json!({ "to": "90100001", "text": "hei" }), "`to`"),
        ("sms/send", json!({ "to": "+123456", "text": "hei" }), "`to`"),
        ("sms/send", json!({ "to": "+0790100001", "text": "hei" }), "`to`"),
        ("sms/send", sms(""), "`text`"),
        ("sms/send", sms(&long), "`text`"),
        ("email/send", letter("a@b", "a\r\nBcc: x@y"), "a subject"),
        ("email/send", letter("a@b\n", "a"), "an address"),
    ] {
        let said = ask(&rig, path, Some("k"), &body);
        assert_eq!(code(&said), (400, "invalid_request".to_owned()), "{body}");
        let message = json(&said)["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(wrong), "{message}");
    }
    // None of it was a message: the key is free.
    assert_eq!(rig.post.lock().unwrap().len(), 0);
    id(&ask(&rig, "sms/send", Some("k"), &sms(&long[1..])));
}

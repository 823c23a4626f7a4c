//! Billers and messengers behind the integration API: what they are asked, and what becomes of what
//! they say.

use crate::rig::{Rig, Said, json};
use serde_json::{Value, json};
use std::sync::Arc;
use veksel_adapters::providers::{
    Bill, BillNumber, Biller, Email, Issuer, Package, Provided, Providers, Provides, Sent, Sms,
    Within,
};
use veksel_core::enquiry::{Failed, Failure, Money};

/// Says what it was asked, and fails as it is told to.
#[derive(Debug)]
struct Echo;

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
        Box::pin(async move { Ok(Sent { id: format!("{} {} {}", sms.to, sms.text, sms.key) }) })
    }

    fn email(&self, _: Within, email: Email) -> Provided<'_, Sent> {
        Box::pin(async move { Ok(Sent { id: format!("{} {}", email.subject, email.key) }) })
    }
}

pub(crate) fn providers() -> Arc<dyn Provides> {
    let mut providers = Providers::default();
    for issuer in [Issuer::Bill, Issuer::Sms, Issuer::Email] {
        providers = providers.with(issuer, Arc::new(Echo));
    }
    Arc::new(providers)
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

#[test]
fn messages_are_handed_over_once_for_each_key() {
    let rig = Rig::new();
    let sms = json!({ "to": "+4790100001", "text": "Hei på deg" });
    let first = ask(&rig, "sms/send", Some("k1"), &sms);
    let id = |said: &Said| json(said)["id"].as_str().unwrap().to_owned();
    assert_eq!(first.status, 202, "{first:?}");
    assert!(id(&first).starts_with("+4790100001 Hei på deg "), "{first:?}");
    assert_eq!(id(&ask(&rig, "sms/send", Some("k1"), &sms)), id(&first));
    assert_ne!(id(&ask(&rig, "sms/send", Some("k2"), &sms)), id(&first));
    // Without a key each is another one.
    let twice = [ask(&rig, "sms/send", None, &sms), ask(&rig, "sms/send", None, &sms)];
    assert_ne!(id(&twice[0]), id(&twice[1]));
    let email = json!({ "to": "a@b.example", "subject": "Ditt uttrekk", "text": "Hei\n" });
    let said = ask(&rig, "email/send", Some("k1"), &email);
    assert!(said.status == 202 && id(&said).starts_with("Ditt uttrekk "), "{said:?}");
    for (path, body) in [
        ("sms/send", json!({ "to": "90100001", "text": "hei" })),
        ("sms/send", json!({ "to": "+4790100001", "text": "" })),
        ("email/send", json!({ "to": "a@b", "subject": "a\r\nBcc: x@y", "text": "hei" })),
        ("email/send", json!({ "to": "a@b\n", "subject": "a", "text": "hei" })),
    ] {
        assert_eq!(ask(&rig, path, None, &body).status, 400, "{body}");
    }
}

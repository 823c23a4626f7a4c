//! Consents.

use super::{Rig, account, body, failed, header};
use crate::executor::tests::server::json;
use serde_json::json as value;
use veksel_config::bridge::{PsuHeaders, Quirks};
use veksel_core::Utc;
use veksel_core::enquiry::{BankAccount, ConsentState, Enquiry, Failed, Verdict};

fn consent() -> Enquiry {
    let account = BankAccount { resource: String::new(), consent: String::new(), ..account() };
    // 2027-05-18T00:00:00Z.
    Enquiry::Consent { account, state: [0x1a; 16], until: Utc(1_810_598_400_000) }
}

#[tokio::test]
async fn a_consent_as_it_stands_on_the_wire() {
    let answer = r#"{"consentStatus":"received","consentId":"c-1",
        "_links":{"scaRedirect":{"href":"https://bank.example/sca/c-1"}}}"#;
    let rig = Rig::new(vec![json(201, answer)]).await;
    let expected = Verdict::ConsentAsked {
        consent: "c-1".to_owned(),
        approve: Some("https://bank.example/sca/c-1".to_owned()),
    };
    assert_eq!(rig.ask(&consent()).await, expected);
    assert_eq!(rig.lines(), ["POST /v1/consents"]);
    let request = &rig.server.requests()[0];
    let iban = value!([{"iban": "NO9386011117947"}]);
    let expected = value!({"access": {"balances": iban, "transactions": iban},
        "recurringIndicator": true, "validUntil": "2027-05-18", "frequencyPerDay": 4,
        "combinedServiceIndicator": false});
    assert_eq!(body(request), expected);
    assert_eq!(header(request, "psu-ip-address"), Some("203.0.113.7"));
    let back = format!("https://tpp.example/api/payments/callback?s={}", "1a".repeat(16));
    assert_eq!(header(request, "tpp-redirect-uri"), Some(&*back));
}

#[tokio::test]
async fn a_consent_may_need_more_or_nothing() {
    let start = r#"{"consentStatus":"received","consentId":"c-1",
        "_links":{"startAuthorisation":{"href":"/v1/consents/c-1/authorisations"}}}"#;
    let begun = r#"{"scaStatus":"received","_links":{"scaRedirect":{"href":"/sca/c-1"}}}"#;
    let rig = Rig::new(vec![json(201, start), json(201, begun)]).await;
    let Verdict::ConsentAsked { approve, .. } = rig.ask(&consent()).await else { panic!() };
    assert_eq!(approve, Some(format!("{}/sca/c-1", rig.server.url())));
    assert_eq!(rig.lines()[1], "POST /v1/consents/c-1/authorisations");
    let valid = r#"{"consentStatus":"valid","consentId":"c-1","_links":{}}"#;
    let rig = Rig::new(vec![json(201, valid)]).await;
    let expected = Verdict::ConsentAsked { consent: "c-1".to_owned(), approve: None };
    assert_eq!(rig.ask(&consent()).await, expected);
    for (answer, why, code) in [
        (r#"{"consentStatus":"rejected","consentId":"c-1"}"#, Failed::NotPermitted, "consent"),
        (r#"{"consentStatus":"news","consentId":"c-1"}"#, Failed::Malfunction, "schema"),
        (r#"{"consentStatus":"received","consentId":""}"#, Failed::Malfunction, "schema"),
        (
            r#"{"consentStatus":"received","consentId":"c","_links":{"scaOAuth":{"href":"x"}}}"#,
            Failed::NotSupported,
            "sca_oauth",
        ),
    ] {
        let rig = Rig::new(vec![json(201, answer)]).await;
        failed(&rig.ask(&consent()).await, why, false, code);
    }
}

#[tokio::test]
async fn a_consent_that_is_good_names_the_account() {
    let list = value!({"accounts": [{"resourceId": "acc-9", "iban": "NO9386011117947"}]});
    let acts = vec![
        json(200, r#"{"consentStatus":"valid"}"#),
        json(200, &list.to_string()),
        json(200, r#"{"consentStatus":"valid","validUntil":"2027-05-18"}"#),
    ];
    let rig = Rig::new(acts).await;
    let expected = Verdict::Consent {
        state: ConsentState::Valid,
        resource: "acc-9".to_owned(),
        until: Some(Utc(1_810_598_400_000)),
    };
    assert_eq!(rig.ask(&Enquiry::ConsentStatus(account())).await, expected);
    let expected =
        ["GET /v1/consents/consent-1/status", "GET /v1/accounts", "GET /v1/consents/consent-1"];
    assert_eq!(rig.lines(), expected);
}

/// Whether the customer is there is not known when a consent turns out to be good.
#[tokio::test]
async fn a_bank_that_is_read_with_its_customer_only_is_not_asked_for_the_account_then() {
    let acts = vec![
        json(200, r#"{"consentStatus":"valid"}"#),
        json(200, r#"{"consentStatus":"valid","validUntil":"2027-05-18"}"#),
    ];
    let quirks = Quirks { psu_headers: PsuHeaders::Required, ..Quirks::default() };
    let rig = Rig::with(quirks, acts).await;
    let (state, until) = (ConsentState::Valid, Some(Utc(1_810_598_400_000)));
    let expected = Verdict::Consent { state, resource: String::new(), until };
    assert_eq!(rig.ask(&Enquiry::ConsentStatus(account())).await, expected);
    assert_eq!(rig.lines(), ["GET /v1/consents/consent-1/status", "GET /v1/consents/consent-1"]);
    assert!(rig.server.requests().iter().all(|it| header(it, "psu-ip-address").is_none()));
}

#[tokio::test]
async fn every_word_for_how_a_consent_stands() {
    for (word, state) in [
        ("received", ConsentState::Waiting),
        ("partiallyAuthorised", ConsentState::Waiting),
        ("expired", ConsentState::Expired),
        ("rejected", ConsentState::Gone),
        ("revokedByPsu", ConsentState::Gone),
        ("terminatedByTpp", ConsentState::Gone),
    ] {
        let answer = format!(r#"{{"consentStatus":"{word}"}}"#);
        let rig = Rig::new(vec![json(200, &answer)]).await;
        let expected = Verdict::Consent { state, resource: String::new(), until: None };
        assert_eq!(rig.ask(&Enquiry::ConsentStatus(account())).await, expected);
        assert_eq!(rig.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_consent_is_given_up_once() {
    let gone = Verdict::Consent { state: ConsentState::Gone, resource: String::new(), until: None };
    let unknown = r#"{"tppMessages":[{"category":"ERROR","code":"CONSENT_UNKNOWN"}]}"#;
    for act in [json(204, ""), json(403, unknown)] {
        let rig = Rig::new(vec![act]).await;
        assert_eq!(rig.ask(&Enquiry::Revoke(account())).await, gone);
        assert_eq!(rig.lines(), ["DELETE /v1/consents/consent-1"]);
    }
    let rig = Rig::new(vec![json(500, "")]).await;
    failed(&rig.ask(&Enquiry::Revoke(account())).await, Failed::Malfunction, false, "");
}

//! One negative test for each claim, and what passes beside it.

use super::*;
use crate::oidc::national_id::tests::near;
use serde_json::json;

const PID: &str = "17829000024";

/// 2026-02-23 10:00 UTC.
const NOW: u64 = 1_771_840_800;

fn good() -> Value {
    json!({
        "iss": "https://idp.example", "aud": "us", "exp": NOW + 300, "iat": NOW, "nonce": "n",
        "acr": "urn:bankid:bid;LOA=4", "amr": ["BID"], "auth_time": NOW - 5,
        "nnin_altsub": PID, "name": "Kari Nordmann", "birthdate": "1990-02-17",
    })
}

fn checked_with(change: impl Fn(&mut Expected<'_>), claims: &Value) -> Result<Said, Wrong> {
    let (acr, pid) =
        (vec!["urn:bankid:bid;LOA=4".to_owned()], vec!["nnin_altsub".to_owned(), "pid".to_owned()]);
    let mut expected = Expected {
        issuer: "https://idp.example",
        client: "us",
        nonce: "n",
        acr: &acr,
        max_age_s: 0,
        skew_s: 60,
        pid: &pid,
        years_min: 18,
    };
    change(&mut expected);
    check(claims.as_object().unwrap(), &expected, NOW * 1_000)
}

fn checked(claims: &Value) -> Result<Said, Wrong> {
    checked_with(|_| {}, claims)
}

/// The good token with some claims changed; null takes one out.
fn with(changes: &Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[test]
fn a_good_token_says_who_it_is() {
    let said = checked(&good()).unwrap();
    assert_eq!(said.name, "Kari Nordmann");
    assert_eq!(said.acr, "urn:bankid:bid;LOA=4");
    assert_eq!(said.amr, ["BID"]);
    assert_eq!(said.id.born(), (1990, 2, 17));
    assert!(!format!("{said:?}").contains(PID));
}

#[test]
fn one_wrong_claim_is_enough() {
    for (changes, expected) in [
        (json!({ "iss": "https://other.example" }), Claim::Issuer),
        (json!({ "iss": "https://idp.example/" }), Claim::Issuer),
        (json!({ "iss": null }), Claim::Issuer),
        (json!({ "iss": ["https://idp.example"] }), Claim::Issuer),
        (json!({ "aud": "them" }), Claim::Audience),
        (json!({ "aud": null }), Claim::Audience),
        (json!({ "aud": [] }), Claim::Audience),
        (json!({ "aud": ["them"] }), Claim::Audience),
        (json!({ "aud": ["us", "them"] }), Claim::Party),
        (json!({ "aud": ["us", "them"], "azp": "them" }), Claim::Party),
        (json!({ "azp": "them" }), Claim::Party),
        (json!({ "exp": NOW - 60 }), Claim::Expiry),
        (json!({ "exp": null }), Claim::Expiry),
        (json!({ "exp": "soon" }), Claim::Expiry),
        (json!({ "exp": -1 }), Claim::Expiry),
        (json!({ "iat": NOW + 61 }), Claim::Issued),
        (json!({ "iat": null }), Claim::Issued),
        (json!({ "nonce": "m" }), Claim::Nonce),
        (json!({ "nonce": null }), Claim::Nonce),
        (json!({ "acr": "urn:bankid:bid;LOA=3" }), Claim::Level),
        (json!({ "acr": null }), Claim::Level),
        (json!({ "nnin_altsub": null }), Claim::NationalId),
        (json!({ "nnin_altsub": "17829000025" }), Claim::NationalId),
        (json!({ "nnin_altsub": "1782900002" }), Claim::NationalId),
        (json!({ "birthdate": "1990-02-31" }), Claim::Birthdate),
        (json!({ "birthdate": "yesterday" }), Claim::Birthdate),
        (json!({ "birthdate": 1990 }), Claim::Birthdate),
        (json!({ "birthdate": "2090-01-01" }), Claim::Birthdate),
    ] {
        assert_eq!(checked(&with(&changes)).unwrap_err(), Wrong::Claim(expected), "{changes}");
    }
}

#[test]
fn what_is_right_in_another_form_passes() {
    for changes in [
        json!({ "aud": ["us"] }),
        json!({ "aud": ["them", "us"], "azp": "us" }),
        json!({ "azp": "us" }),
        json!({ "exp": NOW - 59 }),
        json!({ "exp": 1_771_841_100.5 }),
        json!({ "iat": NOW + 60 }),
        json!({ "nnin_altsub": null, "pid": PID }),
        // The first of the list that is there counts, and the other is not looked at.
        json!({ "pid": "00000000000" }),
        json!({ "birthdate": null }),
        json!({ "birthdate": "1990" }),
        json!({ "birthdate": "0000-02-17" }),
        json!({ "auth_time": null }),
        json!({ "amr": "BIM" }),
        json!({ "amr": null }),
    ] {
        assert!(checked(&with(&changes)).is_ok(), "{changes}");
    }
}

#[test]
fn a_sign_in_may_be_too_long_ago() {
    let aged = |changes: &Value| checked_with(|it| it.max_age_s = 100, &with(changes));
    for (changes, is_good) in [
        (json!({}), true),
        (json!({ "auth_time": NOW - 160 }), true),
        (json!({ "auth_time": NOW - 161 }), false),
        (json!({ "auth_time": NOW + 61 }), false),
        (json!({ "auth_time": null }), false),
    ] {
        let wrong = aged(&changes).err();
        assert_eq!(wrong, (!is_good).then_some(Wrong::Claim(Claim::AuthTime)), "{changes}");
    }
}

#[test]
fn eighteen_by_the_birthdate_first_and_by_the_number_without_one() {
    let young = near((2008, 2, 24), 600);
    let grown = near((2008, 2, 23), 600);
    for (changes, is_good) in [
        (json!({ "birthdate": "2008-02-23" }), true),
        (json!({ "birthdate": "2008-02-24" }), false),
        (json!({ "birthdate": null, "nnin_altsub": grown }), true),
        (json!({ "birthdate": null, "nnin_altsub": young }), false),
        // What the provider says of the day counts before what the number says.
        (json!({ "birthdate": "1990-02-17", "nnin_altsub": young }), true),
        (json!({ "birthdate": "2010-02-17" }), false),
    ] {
        let wrong = checked(&with(&changes)).err();
        assert_eq!(wrong, (!is_good).then_some(Wrong::Underage), "{changes}");
    }
    assert!(
        checked_with(|it| it.years_min = 0, &with(&json!({ "birthdate": "2020-01-01" }))).is_ok()
    );
}

#[test]
fn names_are_whole_or_put_together_and_bounded() {
    let named = |changes: &Value| checked(&with(changes)).unwrap().name;
    let parts = json!({ "name": null, "given_name": "Kari", "family_name": "Nordmann" });
    assert_eq!(named(&parts), "Kari Nordmann");
    assert_eq!(named(&json!({ "name": null })), "");
    assert_eq!(named(&json!({ "name": "a\u{0}b" })), "ab");
    assert_eq!(named(&json!({ "name": "x".repeat(1_000) })).len(), NAME_MAX);
    let many = json!({ "amr": vec!["x".repeat(500); 50] });
    let said = checked(&with(&many)).unwrap();
    assert_eq!((said.amr.len(), said.amr[0].len()), (WORDS_MAX, WORD_MAX));
}

#[test]
fn no_level_is_asked_for_where_none_is_configured() {
    let claims = with(&json!({ "acr": null }));
    assert!(checked_with(|it| it.acr = &[], &claims).is_ok());
}

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
        falls_back: false,
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
    assert_eq!(said.name.whole, "Kari Nordmann");
    assert_eq!(said.acr, "urn:bankid:bid;LOA=4");
    assert_eq!(said.amr, ["BID"]);
    let Subject::NationalId(id) = &said.id else { panic!("{said:?}") };
    assert_eq!(id.born(), (1990, 2, 17));
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
fn names_are_whole_and_in_parts_and_bounded() {
    let named = |changes: &Value| checked(&with(changes)).unwrap().name;
    for (changes, whole, given, family) in [
        (json!({}), "Kari Nordmann", "Kari", "Nordmann"),
        (json!({ "name": "Kari Anne  Nordmann" }), "Kari Anne  Nordmann", "Kari Anne", "Nordmann"),
        (json!({ "name": "Kari" }), "Kari", "Kari", ""),
        (json!({ "name": null }), "", "", ""),
        (json!({ "name": "a\u{0}b" }), "ab", "ab", ""),
        (
            json!({ "name": null, "given_name": "Kari", "family_name": "van Dyke" }),
            "Kari van Dyke",
            "Kari",
            "van Dyke",
        ),
        // What is said of the parts counts before what the whole looks like.
        (json!({ "given_name": "Kari Anne" }), "Kari Nordmann", "Kari Anne", ""),
        (json!({ "name": null, "family_name": "Nordmann" }), "Nordmann", "", "Nordmann"),
    ] {
        let Name { whole: w, given: g, family: f } = named(&changes);
        assert_eq!((w.as_str(), g.as_str(), f.as_str()), (whole, given, family), "{changes}");
    }
    let long = named(&json!({ "name": "x".repeat(1_000), "given_name": "y".repeat(1_000) }));
    assert_eq!((long.whole.len(), long.given.len()), (NAME_MAX, NAME_MAX));
    assert!(!format!("{:?}", checked(&good()).unwrap()).contains("Kari"));
    let many = json!({ "amr": vec!["x".repeat(500); 50] });
    let said = checked(&with(&many)).unwrap();
    assert_eq!((said.amr.len(), said.amr[0].len()), (WORDS_MAX, WORD_MAX));
}

#[test]
fn no_level_is_asked_for_where_none_is_configured() {
    let claims = with(&json!({ "acr": null }));
    assert!(checked_with(|it| it.acr = &[], &claims).is_ok());
}

#[test]
fn somebody_without_a_national_id_is_known_by_what_the_provider_calls_him() {
    let known = |changes: &Value| checked_with(|it| it.falls_back = true, &with(changes));
    let hash = |changes: &Value| known(changes).unwrap().id.hash(None);
    let nobody = json!({ "nnin_altsub": null, "sub": "a-1" });
    assert!(matches!(known(&nobody).unwrap().id, Subject::Pairwise(_)));
    assert_eq!(hash(&nobody), hash(&json!({ "nnin_altsub": null, "sub": "a-1", "pid": null })));
    assert_ne!(hash(&nobody), hash(&json!({ "nnin_altsub": null, "sub": "a-2" })));
    // The same name at another provider is somebody else.
    let elsewhere = checked_with(
        |it| {
            it.falls_back = true;
            it.issuer = "https://other.example";
        },
        &with(&json!({ "nnin_altsub": null, "sub": "a-1", "iss": "https://other.example" })),
    );
    assert_ne!(hash(&nobody), elsewhere.unwrap().id.hash(None));
    // A name that looks like a national id is not taken for one.
    let alike = hash(&json!({ "nnin_altsub": null, "sub": PID }));
    assert_ne!(alike, checked(&good()).unwrap().id.hash(None));
    // Who has a national id is known by it, whatever else he is called.
    assert_eq!(hash(&json!({ "sub": "a-1" })), checked(&good()).unwrap().id.hash(None));
    for (changes, expected) in [
        (json!({ "nnin_altsub": "17829000025", "sub": "a-1" }), Claim::NationalId),
        (json!({ "nnin_altsub": 17_829_000_024_u64, "sub": "a-1" }), Claim::NationalId),
        (json!({ "nnin_altsub": null }), Claim::Subject),
        (json!({ "nnin_altsub": null, "sub": 1 }), Claim::Subject),
        (json!({ "nnin_altsub": null, "sub": "" }), Claim::Subject),
        (json!({ "nnin_altsub": null, "sub": "a 1" }), Claim::Subject),
        (json!({ "nnin_altsub": null, "sub": "x".repeat(256) }), Claim::Subject),
        // Nothing else says how old he is.
        (json!({ "nnin_altsub": null, "sub": "a-1", "birthdate": null }), Claim::Birthdate),
        (json!({ "nnin_altsub": null, "sub": "a-1", "birthdate": "1990" }), Claim::Birthdate),
    ] {
        assert_eq!(known(&changes).unwrap_err(), Wrong::Claim(expected), "{changes}");
    }
    let young = json!({ "nnin_altsub": null, "sub": "a-1", "birthdate": "2010-02-17" });
    assert_eq!(known(&young).unwrap_err(), Wrong::Underage);
    let id = known(&nobody).unwrap();
    assert!(!format!("{id:?}").contains("a-1"));
    assert_eq!(checked(&with(&nobody)).unwrap_err(), Wrong::Claim(Claim::NationalId));
}

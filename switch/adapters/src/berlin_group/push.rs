//! What a bank pushes when something moved ("lean push"). Nobody signs it, so it is a hint: what
//! it names is looked up, and what it says is not believed.

use serde::Deserialize;

/// What may have moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// What the bank calls a payment.
    Payment(String),
    /// What the bank calls a consent.
    Consent(String),
}

/// Longest name of a resource that is taken in.
const NAME_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    payment_id: Option<String>,
    #[serde(default)]
    consent_id: Option<String>,
}

/// Reads a push. `None` if it names neither a payment nor a consent; an authorisation alone is one
/// of a resource we do not know.
#[must_use]
pub fn pushed(body: &[u8]) -> Option<Pushed> {
    let body: Body = serde_json::from_slice(body).ok()?;
    let is_name = |name: &String| {
        !name.is_empty()
            && name.len() <= NAME_MAX
            && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match (body.payment_id.filter(is_name), body.consent_id.filter(is_name)) {
        (Some(payment), None) => Some(Pushed::Payment(payment)),
        (None, Some(consent)) => Some(Pushed::Consent(consent)),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_names_one_thing() {
        let payment = br#"{"paymentId":"1234","transactionStatus":"ACSC","_links":{}}"#;
        assert_eq!(pushed(payment), Some(Pushed::Payment("1234".into())));
        let consent = br#"{"consentId":"c-1","consentStatus":"valid"}"#;
        assert_eq!(pushed(consent), Some(Pushed::Consent("c-1".into())));
        let sca = br#"{"paymentId":"1234","authorisationId":"a","scaStatus":"finalised"}"#;
        assert_eq!(pushed(sca), Some(Pushed::Payment("1234".into())));
        for nothing in [
            &br#"{"authorisationId":"a","scaStatus":"finalised"}"#[..],
            br#"{"paymentId":"1","consentId":"2"}"#,
            br#"{"paymentId":""}"#,
            br#"{"paymentId":"a b"}"#,
            br#"{"paymentId":7}"#,
            br#"[]"#,
            b"",
            b"\xff",
        ] {
            assert_eq!(pushed(nothing), None);
        }
        let long = format!(r#"{{"paymentId":"{}"}}"#, "x".repeat(129));
        assert_eq!(pushed(long.as_bytes()), None);
    }
}

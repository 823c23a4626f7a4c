//! What Sumsub says of an applicant, read leniently: a field that is missing or of another kind is
//! one that was not said.

use crate::dates::{DAY_MS, day, instant};
use serde_json::Value;
use veksel_core::enquiry::Review;
use veksel_core::fact::KycStatus;
use veksel_core::time::Utc;

/// The status that follows from a review (http-contracts 2.1). `None` for what nobody knows, which
/// changes nothing. Only a review that is completed decides.
pub(crate) fn status_of(review: &str, result: &Value, risk_labels: &[String]) -> Option<KycStatus> {
    match review {
        "init" | "pending" | "prechecked" | "queued" | "awaitingUser" | "awaitingService" => {
            Some(KycStatus::Pending)
        }
        "onHold" => Some(KycStatus::OnHold),
        "completed" => decision(result, risk_labels),
        _ => None,
    }
}

fn decision(result: &Value, risk_labels: &[String]) -> Option<KycStatus> {
    match text(result, "reviewAnswer") {
        "GREEN" => Some(KycStatus::Approved),
        // Not an answer of the provider, but of those who describe it.
        "RETRY" => Some(KycStatus::Resubmit),
        "RED" if text(result, "reviewRejectType") == "RETRY" => Some(KycStatus::Resubmit),
        // Whatever else a RED is: nobody who got one passes.
        "RED" if labels(result).any(|label| risk_labels.iter().any(|risk| risk == label)) => {
            Some(KycStatus::Risk)
        }
        "RED" => Some(KycStatus::Rejected),
        _ => None,
    }
}

/// The labels of a refusal.
pub(crate) fn labels(result: &Value) -> impl Iterator<Item = &str> {
    let labels = result.get("rejectLabels").and_then(Value::as_array);
    labels.into_iter().flatten().filter_map(Value::as_str)
}

/// A review from the answer of the status endpoint and the applicant as a whole.
pub(crate) fn review(status: &Value, applicant: &Value, risk_labels: &[String]) -> Review {
    let info = &applicant["info"];
    let documents = info["idDocs"].as_array().into_iter().flatten();
    let until = documents.filter_map(|document| day(text(document, "validUntil")));
    Review {
        applicant: text(applicant, "id").to_owned(),
        customer: text(applicant, "externalUserId").to_owned(),
        status: status_of(text(status, "reviewStatus"), &status["reviewResult"], risk_labels),
        level: text(status, "levelName").to_owned(),
        reviewed: instant(text(status, "reviewDate")),
        // Good to the end of that day.
        document_until: until.max().map(|day| Utc(u64::try_from(day + DAY_MS).unwrap_or(0))),
        born: day(text(info, "dob")),
    }
}

/// A text; empty if it was not said.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn risks() -> Vec<String> {
        vec!["BLOCKLIST".to_owned(), "FORGERY".to_owned()]
    }

    #[test]
    fn reviews_become_statuses() {
        let green = json!({ "reviewAnswer": "GREEN" });
        let red = |kind: &str, labels: &[&str]| json!({ "reviewAnswer": "RED", "reviewRejectType": kind, "rejectLabels": labels });
        let none = Value::Null;
        let cases = [
            ("init", none.clone(), Some(KycStatus::Pending)),
            ("pending", none.clone(), Some(KycStatus::Pending)),
            ("prechecked", none.clone(), Some(KycStatus::Pending)),
            ("queued", none.clone(), Some(KycStatus::Pending)),
            ("awaitingUser", none.clone(), Some(KycStatus::Pending)),
            ("awaitingService", none.clone(), Some(KycStatus::Pending)),
            ("onHold", none.clone(), Some(KycStatus::OnHold)),
            // A result that is left of an earlier review does not decide.
            ("pending", green.clone(), Some(KycStatus::Pending)),
            ("onHold", green.clone(), Some(KycStatus::OnHold)),
            ("completed", green.clone(), Some(KycStatus::Approved)),
            ("completed", red("RETRY", &["DOCUMENT_UNREADABLE"]), Some(KycStatus::Resubmit)),
            ("completed", red("RETRY", &["BLOCKLIST"]), Some(KycStatus::Resubmit)),
            ("completed", red("FINAL", &["AGE"]), Some(KycStatus::Rejected)),
            ("completed", red("FINAL", &["AGE", "FORGERY"]), Some(KycStatus::Risk)),
            ("completed", red("FINAL", &["BLOCKLIST"]), Some(KycStatus::Risk)),
            ("completed", red("FINAL", &["blocklist"]), Some(KycStatus::Rejected)),
            ("completed", red("SOMETHING", &[]), Some(KycStatus::Rejected)),
            ("completed", json!({ "reviewAnswer": "RED" }), Some(KycStatus::Rejected)),
            ("completed", json!({ "reviewAnswer": "RETRY" }), Some(KycStatus::Resubmit)),
            ("completed", json!({ "reviewAnswer": "YELLOW" }), None),
            ("completed", json!({ "reviewAnswer": true }), None),
            ("completed", none.clone(), None),
            ("COMPLETED", green.clone(), None),
            ("somethingNew", green, None),
            ("", none, None),
        ];
        for (status, result, wanted) in cases {
            assert_eq!(status_of(status, &result, &risks()), wanted, "{status} {result}");
        }
    }

    #[test]
    fn a_review_is_read_from_both_answers() {
        let status = json!({
            "levelName": "basic-kyc-level", "reviewDate": "2026-02-23 10:00:00+0000",
            "reviewStatus": "completed", "reviewResult": { "reviewAnswer": "GREEN" },
            "attemptCnt": 1, "somethingNew": [1, 2],
        });
        let applicant = json!({
            "id": "5f9e1b2c3d4e5f6a7b8c9d0e", "externalUserId": "usr_1",
            "info": { "dob": "1990-05-17", "idDocs": [
                { "idDocType": "PASSPORT", "validUntil": "2031-02-23" },
                { "idDocType": "DRIVERS", "validUntil": "2026-01-01" },
                { "idDocType": "UTILITY_BILL" },
            ] },
        });
        let wanted = Review {
            applicant: "5f9e1b2c3d4e5f6a7b8c9d0e".to_owned(),
            customer: "usr_1".to_owned(),
            status: Some(KycStatus::Approved),
            level: "basic-kyc-level".to_owned(),
            reviewed: Some(Utc(1_771_840_800_000)),
            document_until: Some(Utc(1_929_657_600_000)),
            born: Some(642_902_400_000),
        };
        assert_eq!(review(&status, &applicant, &risks()), wanted);
        let nothing = review(&Value::Null, &json!([]), &risks());
        assert_eq!((nothing.status, nothing.born, nothing.document_until), (None, None, None));
    }
}

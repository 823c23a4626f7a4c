//! What Didit says of a session, read leniently: a field that is missing or of another kind is one
//! that was not said.

use crate::dates::{DAY_MS, day, instant};
use crate::sumsub::text;
use serde_json::Value;
use veksel_core::enquiry::Review;
use veksel_core::fact::KycStatus;
use veksel_core::time::Utc;

/// The status that follows from a session's. `None` for a word nobody knows, which changes nothing.
pub(super) fn status_of(status: &str, decision: &Value, risks: &[String]) -> Option<KycStatus> {
    Some(match status {
        "Not Started" | "In Progress" | "Awaiting User" => KycStatus::Pending,
        "In Review" => KycStatus::OnHold,
        "Resubmitted" => KycStatus::Resubmit,
        "Approved" => KycStatus::Approved,
        "Declined" if is_risk(decision, risks) => KycStatus::Risk,
        "Declined" => KycStatus::Rejected,
        // Nobody finished it, or what was found is too old.
        "Abandoned" | "Expired" | "Kyc Expired" => KycStatus::None,
        _ => return None,
    })
}

/// Whether a session was declined for a person rather than for a picture: a hit on a watch list,
/// or a warning that is configured as a risk.
fn is_risk(decision: &Value, risks: &[String]) -> bool {
    let lists = each(decision, "aml_screenings");
    if lists.iter().any(|list| text(list, "status") == "Declined") {
        return true;
    }
    let parts = ["id_verifications", "liveness_checks", "face_matches", "aml_screenings"];
    let parts = parts.into_iter().flat_map(|part| each(decision, part));
    let mut warnings = parts.flat_map(|part| each(part, "warnings"));
    warnings.any(|warning| risks.iter().any(|risk| risk == text(warning, "risk")))
}

fn each<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A review from the decision of a session.
pub(super) fn review(found: &Value, risks: &[String]) -> Review {
    let status = status_of(text(found, "status"), found, risks);
    let documents = each(found, "id_verifications");
    let until = documents.iter().filter_map(|document| day(text(document, "expiration_date")));
    let born = documents.iter().find_map(|document| day(text(document, "date_of_birth")));
    let decided = [text(found, "reviewed_at"), text(found, "created_at")];
    Review {
        applicant: text(found, "session_id").to_owned(),
        customer: text(found, "vendor_data").to_owned(),
        status,
        level: text(found, "workflow_id").to_owned(),
        reviewed: decided.into_iter().find_map(instant).filter(|_| is_decided(status)),
        // Good to the end of that day.
        document_until: until.max().map(|day| Utc(u64::try_from(day + DAY_MS).unwrap_or(0))),
        born,
    }
}

/// Whether somebody, or something, came to a decision.
pub(super) const fn is_decided(status: Option<KycStatus>) -> bool {
    matches!(status, Some(KycStatus::Approved | KycStatus::Rejected | KycStatus::Risk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sessions_become_statuses() {
        let risks = vec!["POSSIBLE_FRAUD".to_owned()];
        let none = json!({});
        let fraud = json!({"id_verifications": [{"warnings": [{"risk": "POSSIBLE_FRAUD"}]}]});
        let blurred = json!({"id_verifications": [{"warnings": [{"risk": "BLURRED"}]}]});
        let listed = json!({"aml_screenings": [{"status": "Declined"}]});
        let clean = json!({"aml_screenings": [{"status": "Approved"}], "face_matches": 3});
        for (status, decision, wanted) in [
            ("Not Started", &none, Some(KycStatus::Pending)),
            ("In Progress", &fraud, Some(KycStatus::Pending)),
            ("In Review", &none, Some(KycStatus::OnHold)),
            ("Resubmitted", &none, Some(KycStatus::Resubmit)),
            ("Approved", &none, Some(KycStatus::Approved)),
            ("Declined", &none, Some(KycStatus::Rejected)),
            ("Declined", &blurred, Some(KycStatus::Rejected)),
            ("Declined", &clean, Some(KycStatus::Rejected)),
            ("Declined", &fraud, Some(KycStatus::Risk)),
            ("Declined", &listed, Some(KycStatus::Risk)),
            ("Abandoned", &none, Some(KycStatus::None)),
            ("Expired", &none, Some(KycStatus::None)),
            ("Kyc Expired", &none, Some(KycStatus::None)),
            ("approved", &none, None),
            ("Something New", &none, None),
            ("", &none, None),
        ] {
            assert_eq!(status_of(status, decision, &risks), wanted, "{status} {decision}");
        }
    }

    #[test]
    fn a_decision_is_read() {
        let found = json!({
            "session_id": "s-1", "vendor_data": "usr_1", "workflow_id": "w-1",
            "status": "Approved", "created_at": "2026-02-23T10:00:00.000000Z",
            "id_verifications": [{"date_of_birth": "1990-05-17",
                "expiration_date": "2031-02-23"}],
        });
        let wanted = Review {
            applicant: "s-1".to_owned(),
            customer: "usr_1".to_owned(),
            status: Some(KycStatus::Approved),
            level: "w-1".to_owned(),
            reviewed: Some(Utc(1_771_840_800_000)),
            document_until: Some(Utc(1_929_657_600_000)),
            born: Some(642_902_400_000),
        };
        assert_eq!(review(&found, &[]), wanted);
        let nothing = review(&json!([]), &[]);
        assert_eq!((nothing.status, nothing.born, nothing.reviewed), (None, None, None));
    }
}

//! The checks behind a verification, each by itself: document, liveness, face match, sanctions and
//! political exposure.

use super::reading::{labels, text};
use serde_json::Value;
use veksel_core::enquiry::{Check, Checks};

/// Labels that say something of a check beyond the step they stand at.
const FACE: &[&str] = &["SELFIE_MISMATCH"];
const SANCTIONS: &[&str] = &["SANCTIONS"];
const PEP: &[&str] = &["PEP"];

/// Reads the checks from the review and from the steps of an applicant.
///
/// The provider has no answer of its own for lists: a label names the list somebody is on, and
/// GREEN says that nothing was found by whatever the level looks at.
pub(crate) fn checks(review: &Value, steps: &Value) -> Checks {
    let result = &review["reviewResult"];
    let is_completed = text(review, "reviewStatus") == "completed";
    let is_green = is_completed && text(result, "reviewAnswer") == "GREEN";
    let has = |result: &Value, wanted: &[&str]| labels(result).any(|it| wanted.contains(&it));
    let step = |name: &str| match text(&steps[name]["reviewResult"], "reviewAnswer") {
        "GREEN" => Check::Pass,
        "RED" => Check::Fail,
        _ => Check::Unknown,
    };
    let listed = |wanted: &[&str]| match (is_completed && has(result, wanted), is_green) {
        (true, _) => Check::Fail,
        (false, true) => Check::Pass,
        (false, false) => Check::Unknown,
    };
    let selfie = step("SELFIE");
    let is_stranger = has(&steps["SELFIE"]["reviewResult"], FACE) || has(result, FACE);
    let (liveness, face_match) = match (selfie, is_stranger) {
        // A stranger is alive; of somebody who is not, there is no face to compare.
        (Check::Fail | Check::Unknown, true) => (Check::Unknown, Check::Fail),
        (Check::Pass, true) => (Check::Pass, Check::Fail),
        (Check::Fail, false) => (Check::Fail, Check::Unknown),
        (other, false) => (other, other),
    };
    Checks {
        document: step("IDENTITY"),
        liveness,
        face_match,
        sanctions: listed(SANCTIONS),
        pep: listed(PEP),
    }
}

#[cfg(test)]
mod tests {
    use super::Check::{Fail, Pass, Unknown};
    use super::*;
    use serde_json::json;

    #[test]
    fn every_check_has_its_own_answer() {
        let green = json!({ "reviewAnswer": "GREEN" });
        let red = |label: &str| json!({ "reviewAnswer": "RED", "rejectLabels": [label] });
        let steps = |identity: &Value, selfie: &Value| {
            json!({
                "IDENTITY": { "reviewResult": identity }, "SELFIE": { "reviewResult": selfie },
            })
        };
        let none = Value::Null;
        let cases = [
            ("completed", green.clone(), steps(&green, &green), [Pass; 5]),
            ("pending", none.clone(), json!({ "IDENTITY": null, "SELFIE": null }), [Unknown; 5]),
            ("pending", green.clone(), json!({}), [Unknown; 5]),
            (
                "completed",
                red("FORGERY"),
                steps(&red("FORGERY"), &green),
                [Fail, Pass, Pass, Unknown, Unknown],
            ),
            (
                "completed",
                red("SELFIE_MISMATCH"),
                steps(&green, &red("SELFIE_MISMATCH")),
                [Pass, Unknown, Fail, Unknown, Unknown],
            ),
            (
                "completed",
                red("BAD_SELFIE"),
                steps(&green, &red("BAD_SELFIE")),
                [Pass, Fail, Unknown, Unknown, Unknown],
            ),
            (
                "completed",
                red("SANCTIONS"),
                steps(&green, &green),
                [Pass, Pass, Pass, Fail, Unknown],
            ),
            ("completed", red("PEP"), steps(&green, &green), [Pass, Pass, Pass, Unknown, Fail]),
            ("completed", none, json!("nonsense"), [Unknown; 5]),
        ];
        for (status, result, steps, wanted) in cases {
            let review = json!({ "reviewStatus": status, "reviewResult": result });
            let Checks { document, liveness, face_match, sanctions, pep } = checks(&review, &steps);
            let found = [document, liveness, face_match, sanctions, pep];
            assert_eq!(found, wanted, "{status} {result}");
        }
    }
}

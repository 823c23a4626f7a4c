//! What Sumsub says of an applicant, read leniently: a field that is missing or of another kind is
//! one that was not said.

use serde_json::Value;
use veksel_core::enquiry::Review;
use veksel_core::fact::KycStatus;
use veksel_core::time::{Civil, Utc};

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

/// The beginning of a day `2031-05-17` in milliseconds since 1970, which people may be born before.
/// `None` for no day.
pub(crate) fn day(text: &str) -> Option<i64> {
    let (year, month, day) = date(text.get(..10)?)?;
    // The calendar repeats itself after 400 years.
    let later = year.checked_add(400).filter(|_| year >= 1_800)?;
    let civil = Civil { year: later, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
    i64::try_from(civil.utc()?.0).ok()?.checked_sub(146_097 * DAY_MS)
}

/// An instant `2026-02-23 10:00:00.000`, with or without fraction, with `T` or a space, with an
/// offset or in UTC. `None` for anything else.
pub(crate) fn instant(text: &str) -> Option<Utc> {
    let (year, month, day) = date(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix([' ', 'T'])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let (millisecond, offset) = fraction(rest)?;
    let at = Civil { year, month, day, hour, minute, second, millisecond }.utc()?;
    let minutes = match offset.trim_start() {
        "" | "Z" => return Some(at),
        zone => {
            let (sign, zone) = zone.split_at_checked(1)?;
            let digits = zone.replace(':', "");
            let number: u64 = (digits.len() == 4).then(|| digits.parse().ok())??;
            let ms = (number / 100 * 60 + number % 100) * 60_000;
            match sign {
                "+" => return Some(Utc(at.0.checked_sub(ms)?)),
                "-" => ms,
                _ => return None,
            }
        }
    };
    Some(Utc(at.0.checked_add(minutes)?))
}

fn date(text: &str) -> Option<(u32, u32, u32)> {
    let (year, rest) = text.split_once('-')?;
    let [month, day] = numbers(rest, '-')?;
    (year.len() == 4).then_some((number(year)?, month, day))
}

/// Numbers of two digits each.
fn numbers<const N: usize>(text: &str, between: char) -> Option<[u32; N]> {
    let parts = text.split(between).map(|part| number(part).filter(|_| part.len() == 2));
    parts.collect::<Option<Vec<_>>>()?.try_into().ok()
}

fn number(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Milliseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    let kept: String = digits.chars().chain("000".chars()).take(3).collect();
    (!digits.is_empty()).then_some((kept.parse().ok()?, after))
}

const DAY_MS: i64 = 86_400_000;

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
    fn instants_are_read_in_every_form_they_come_in() {
        let ten = Some(Utc(1_771_840_800_000));
        let cases = [
            ("2026-02-23 10:00:00.000", ten),
            ("2026-02-23 10:00:00", ten),
            ("2026-02-23T10:00:00Z", ten),
            ("2026-02-23T10:00:00.000Z", ten),
            ("2026-02-23 10:00:00+0000", ten),
            ("2026-02-23 11:00:00+0100", ten),
            ("2026-02-23T04:30:00-05:30", ten),
            ("2026-02-23 10:00:00.0009", ten),
            ("2026-02-23 10:00:00.5", Some(Utc(1_771_840_800_500))),
            ("2026-02-23", None),
            ("2026-02-30 10:00:00", None),
            ("2026-02-23 25:00:00", None),
            ("2026-02-23 10:00", None),
            ("2026-02-23 10:00:00 CET", None),
            ("2026-02-23 10:00:00.", None),
            ("1771840800000", None),
            ("", None),
            ("æøåæøåæøåæøå", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(instant(text), wanted, "{text}");
        }
    }

    #[test]
    fn days_may_be_before_1970() {
        let cases = [
            ("1990-05-17", Some(642_902_400_000)),
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-86_400_000)),
            ("1952-02-29", Some(-563_068_800_000)),
            ("1949-13-31", None),
            ("1951-02-29", None),
            ("0000-01-01", None),
            ("17.05.1990", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(day(text), wanted, "{text}");
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

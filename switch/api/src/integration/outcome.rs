//! What an answer of the switch is over HTTP: one table from DE39 to a status and a word.
//!
//! 400 is for what the caller wrote, 403 and 404 for what it may not or cannot have, 409 for a
//! key that means something else, 422 for a bank that says no, 502 to 504 for hosts that cannot be
//! asked. A code that is not in the table is a refusal of the bank.

use crate::answer::Refusal;
use axum::http::StatusCode;
use veksel_codecs::ResponseCode;

/// Code, status, word. Tests and the document of the API go through it.
pub(crate) const TABLE: &[(ResponseCode, u16, &str)] = &[
    (ResponseCode::INVALID_TRANSACTION, 400, "invalid_transaction"),
    (ResponseCode::INVALID_AMOUNT, 400, "invalid_amount"),
    (ResponseCode::FORMAT_ERROR, 400, "format_error"),
    (ResponseCode::SUSPECTED_FRAUD_PICK_UP, 403, "not_permitted"),
    (ResponseCode::RESTRICTED_CARD, 403, "restricted"),
    (ResponseCode::NOT_PERMITTED_TO_CUSTOMER, 403, "not_permitted"),
    (ResponseCode::NOT_PERMITTED_TO_TERMINAL, 403, "not_permitted_here"),
    (ResponseCode::SUSPECTED_FRAUD, 403, "not_permitted"),
    (ResponseCode::RESTRICTED, 403, "restricted"),
    (ResponseCode::SECURITY_VIOLATION, 403, "security_violation"),
    (ResponseCode::VIOLATION_OF_LAW, 403, "not_permitted"),
    (ResponseCode::INVALID_MERCHANT, 404, "payee_not_found"),
    (ResponseCode::INVALID_ACCOUNT, 404, "account_not_found"),
    (ResponseCode::NO_SUCH_ISSUER, 404, "bank_not_found"),
    (ResponseCode::NOT_FOUND, 404, "not_found"),
    (ResponseCode::IN_PROGRESS, 409, "in_progress"),
    (ResponseCode::DUPLICATE, 409, "duplicate"),
    (ResponseCode::REFER_TO_ISSUER, 422, "refer_to_bank"),
    (ResponseCode::DO_NOT_HONOUR, 422, "declined"),
    (ResponseCode::SOFT_DECLINE, 422, "approval_needed"),
    (ResponseCode::NOT_SUPPORTED, 422, "not_supported"),
    (ResponseCode::ACCOUNT_CLOSED, 422, "account_closed"),
    (ResponseCode::INSUFFICIENT_FUNDS, 422, "insufficient_funds"),
    (ResponseCode::EXPIRED_CARD, 422, "expired"),
    (ResponseCode::INCORRECT_PIN, 422, "incorrect_pin"),
    (ResponseCode::EXCEEDS_AMOUNT_LIMIT, 422, "over_limit"),
    (ResponseCode::EXCEEDS_FREQUENCY, 422, "over_frequency"),
    (ResponseCode::PIN_TRIES_EXCEEDED, 422, "pin_blocked"),
    (ResponseCode::CLOSED_ACCOUNT, 422, "account_closed"),
    (ResponseCode::ERROR, 502, "malfunction"),
    (ResponseCode::INVALID_RESPONSE, 502, "malfunction"),
    (ResponseCode::SUSPECTED_MALFUNCTION, 502, "malfunction"),
    (ResponseCode::SYSTEM_MALFUNCTION, 502, "malfunction"),
    (ResponseCode::CUT_OFF, 503, "unavailable"),
    (ResponseCode::HOST_UNAVAILABLE, 503, "unavailable"),
    (ResponseCode::NO_ROUTE, 503, "no_route"),
    (ResponseCode::OUTCOME_UNKNOWN, 504, "outcome_unknown"),
];

/// The status and the word of a code that is no approval.
pub(crate) fn row(code: ResponseCode) -> (StatusCode, &'static str) {
    let known = TABLE.iter().find(|(known, _, _)| *known == code);
    let (status, word) = known.map_or((422, "declined"), |(_, status, word)| (*status, *word));
    (StatusCode::from_u16(status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), word)
}

/// What a code means, for people.
pub(crate) fn meaning(code: ResponseCode) -> &'static str {
    let known = ResponseCode::ALL.iter().find(|(known, _)| *known == code);
    known.map_or("declined", |(_, meaning)| meaning)
}

/// The refusal that a code is.
pub(crate) fn refusal(code: ResponseCode) -> Refusal {
    let (status, word) = row(code);
    let refusal = Refusal::new(status, word, format!("{} ({code})", meaning(code)));
    let again = [ResponseCode::IN_PROGRESS, ResponseCode::CUT_OFF, ResponseCode::HOST_UNAVAILABLE];
    if again.contains(&code) { refusal.again() } else { refusal }
}

/// No answer came in time. A host takes back what had an effect; a bank that is reached over HTTP
/// may still pay, so whoever asks must not take it for refused.
pub(crate) fn late() -> Refusal {
    let message = "no answer came in time; ask again under the same key, or for the transaction";
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_is_no_approval_has_one_row_or_is_a_refusal_of_the_bank() {
        for (place, (code, status, word)) in TABLE.iter().enumerate() {
            assert!(!code.is_approval(), "{code}");
            assert!(
                TABLE.iter().skip(place + 1).all(|(other, _, _)| other != code),
                "{code} twice"
            );
            assert!((400..=504).contains(status) && *status != 500, "{code} {status}");
            assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{word}");
        }
        for (code, _) in ResponseCode::ALL.iter().filter(|(code, _)| !code.is_approval()) {
            let (status, _) = row(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code} {status}");
        }
        assert_eq!(
            row(ResponseCode::NO_SAVINGS_ACCOUNT),
            (StatusCode::UNPROCESSABLE_ENTITY, "declined")
        );
        assert_eq!(row(ResponseCode::parse("ZZ").unwrap()).0.as_u16(), 422);
    }
}

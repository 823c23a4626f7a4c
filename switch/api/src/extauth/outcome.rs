//! What the platform hears of what the bank said (http-contracts 4.4, last lines).

use crate::answer::{Refusal, Trace, json_response};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use veksel_codecs::ResponseCode;

/// The status of a refusal, which is in nobody's registry but the platform's.
const REFUSED: u16 = 470;

/// There is too little money.
const NOT_ENOUGH: &str = "REFUSED_NOT_ENOUGH_FUNDS";

/// There would be too much of it.
const TOO_MUCH: &str = "REFUSED_MAX_BALANCE_EXCEEDED";

/// What was decided of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    /// It is done.
    Approved,
    /// It is not, and why.
    Refused {
        /// One of the platform's two codes, or what is configured for everything else.
        code: String,
        /// The truth, whatever the code says.
        reason: &'static str,
    },
    /// There is no such hold, or no more.
    NoHold,
    /// The idempotency key, or the numbers made of it, came before with something else.
    Conflict,
    /// It could not be decided, and nothing of it stays.
    Failed(&'static str),
}

/// Which way money would go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    /// Out of the account.
    Debit,
    /// Into it.
    Credit,
}

/// What a response code says of a request. `None` says that nothing was done and it may be asked
/// again as if it were new. Of an approved part it is what holds once that is taken back.
pub(super) fn decision(
    code: ResponseCode,
    direction: Direction,
    is_change: bool,
    other: &str,
) -> Option<Decision> {
    let refused = |code: &str, reason| Some(Decision::Refused { code: code.to_owned(), reason });
    let failed = |why| Some(Decision::Failed(why));
    match (code.as_str(), direction) {
        ("00" | "08" | "11" | "16", _) => Some(Decision::Approved),
        // What the bank would have given is not what was asked for, and nobody asked for less.
        ("10" | "32" | "87", _) => Some(Decision::part_taken_back()),
        ("91", _) => None,
        ("51", _) => refused(NOT_ENOUGH, "the available balance does not cover the amount"),
        ("61" | "13", Direction::Credit) => refused(TOO_MUCH, "the account may not hold so much"),
        ("61", Direction::Debit) => refused(other, "the amount exceeds a limit of the account"),
        ("65", _) => refused(other, "the account was used too often"),
        ("21" | "25", _) if is_change => Some(Decision::NoHold),
        ("94", _) => Some(Decision::Conflict),
        ("68", _) => failed("the outcome was not known in time; what was done is taken back"),
        ("09", _) => failed("it is under way"),
        ("06" | "20" | "22" | "30" | "63" | "90" | "92" | "95" | "96", _) => {
            failed("it cannot be decided now")
        }
        ("12", _) => refused(other, "the account is not kept in this currency"),
        ("14" | "39" | "42" | "44" | "52" | "53", _) => refused(other, "the account is not known"),
        ("45" | "78", _) => refused(other, "the account is closed"),
        ("62", _) => refused(other, "the account is blocked"),
        ("57" | "58", _) => refused(other, "the account may not be used for this"),
        ("34" | "59" | "93", _) => refused(other, "the bank does not allow it"),
        ("36" | "41" | "43" | "54", _) => refused(other, "the card may not be used"),
        _ => refused(other, "the bank declined"),
    }
}

impl Decision {
    /// The bank would have given less than was asked for, and that was taken back.
    pub(super) fn part_taken_back() -> Self {
        let reason = "the bank would give only a part, and that is taken back";
        Self::Refused { code: NOT_ENOUGH.to_owned(), reason }
    }

    /// Whether it is final: the same request gets it again.
    pub(super) const fn is_final(&self) -> bool {
        match self {
            Self::Approved | Self::Refused { .. } | Self::NoHold => true,
            Self::Conflict | Self::Failed(_) => false,
        }
    }

    pub(super) fn respond(&self, trace: &Trace) -> Response {
        match self {
            Self::Approved => json_response(StatusCode::OK, &json!({})),
            Self::Refused { code, reason } => {
                let status = StatusCode::from_u16(REFUSED);
                let status = status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
                json_response(status, &json!({ "errorCode": code, "reason": reason }))
            }
            Self::NoHold => Refusal::not_found("an open hold of this id").respond(trace),
            Self::Conflict => {
                let message = "this idempotency key came before with another request";
                Refusal::new(StatusCode::CONFLICT, "conflict", message).respond(trace)
            }
            Self::Failed(why) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Refusal::new(status, "undecided", *why).respond(trace)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: &str = "OTHER_CODE";

    fn status(code: &str, direction: Direction) -> (u16, Option<String>) {
        let code = ResponseCode::parse(code).unwrap();
        match decision(code, direction, false, OTHER) {
            None => (0, None),
            Some(decided) => {
                let status = decided.respond(&Trace("t".into())).status().as_u16();
                let code = match decided {
                    Decision::Refused { code, .. } => Some(code),
                    _ => None,
                };
                (status, code)
            }
        }
    }

    #[test]
    fn every_code_of_the_link_has_an_answer() {
        let all = "00 01 03 05 06 08 09 10 11 12 13 14 15 16 17 20 21 22 25 30 32 34 36 39 40 41 \
                   42 43 44 45 51 52 53 54 55 57 58 59 61 62 63 65 68 75 78 87 90 91 92 93 94 95 \
                   96";
        for code in all.split_whitespace() {
            let expected = match code {
                "00" | "08" | "11" | "16" => (200, None),
                "91" => (0, None),
                "94" => (409, None),
                "06" | "09" | "20" | "22" | "30" | "63" | "68" | "90" | "92" | "95" | "96" => {
                    (500, None)
                }
                "10" | "32" | "51" | "87" => (470, Some(NOT_ENOUGH.to_owned())),
                _ => (470, Some(OTHER.to_owned())),
            };
            assert_eq!(status(code, Direction::Debit), expected, "{code}");
            let is_approval = ResponseCode::parse(code).unwrap().is_approval();
            let is_partial = ResponseCode::parse(code).unwrap().is_partial();
            assert_eq!(expected.0 == 200, is_approval && !is_partial, "{code}");
        }
        for code in ["61", "13"] {
            let expected = (470, Some(TOO_MUCH.to_owned()));
            assert_eq!(status(code, Direction::Credit), expected, "{code}");
        }
        for code in ["21", "25"] {
            let code = ResponseCode::parse(code).unwrap();
            assert_eq!(decision(code, Direction::Debit, true, OTHER), Some(Decision::NoHold));
        }
    }

    #[tokio::test]
    async fn a_refusal_has_the_platforms_form() {
        let refused = Decision::Refused { code: TOO_MUCH.to_owned(), reason: "so" };
        let response = refused.respond(&Trace("t".into()));
        assert_eq!(response.status().as_u16(), 470);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, json!({ "errorCode": "REFUSED_MAX_BALANCE_EXCEEDED", "reason": "so" }));
    }
}

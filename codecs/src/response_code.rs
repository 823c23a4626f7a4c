//! Response codes (DE39): one table from which names, classes and documentation come.
//!
//! The values are those of ISO 8583:1987 as the CBS link uses them
//! (`ARCHITECTURE.md`, "Messages"); other links map to and from them.

use core::fmt;

/// Whose codes DE39 holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edition {
    /// ISO 8583:1987: two characters.
    Of1987,
    /// ISO 8583:1993: three digits.
    Of1993,
    /// ISO 8583:2003: four digits.
    Of2003,
}

/// A response code: two characters of DE39.
///
/// Any two printable characters are a response code, because hosts invent their own; the
/// associated constants are the ones the switch itself answers or understands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseCode([u8; 2]);

macro_rules! table {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl ResponseCode {
            $(#[doc = concat!("`", $code, "`: ", $text, ".")]
            pub const $name: Self = Self::known($code);)*

            /// Every code of the table with its meaning, in order.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text),)*];
        }
    };
}

table! {
    APPROVED = "00", "approved";
    REFER_TO_ISSUER = "01", "refer to card issuer";
    INVALID_MERCHANT = "03", "invalid merchant";
    DO_NOT_HONOUR = "05", "do not honour";
    ERROR = "06", "error";
    IN_PROGRESS = "09", "request in progress";
    PARTIALLY_APPROVED = "10", "approved for a partial amount";
    INVALID_TRANSACTION = "12", "invalid transaction";
    INVALID_AMOUNT = "13", "invalid amount";
    INVALID_ACCOUNT = "14", "invalid card or account number";
    NO_SUCH_ISSUER = "15", "no such issuer";
    CUSTOMER_CANCELLATION = "17", "customer cancellation";
    INVALID_RESPONSE = "20", "invalid response";
    NO_ACTION_TAKEN = "21", "no action taken";
    SUSPECTED_MALFUNCTION = "22", "suspected malfunction";
    NOT_FOUND = "25", "original or record not found";
    FORMAT_ERROR = "30", "format error";
    SUSPECTED_FRAUD_PICK_UP = "34", "suspected fraud, pick up";
    RESTRICTED_CARD = "36", "restricted card";
    NO_CREDIT_ACCOUNT = "39", "no credit account";
    NOT_SUPPORTED = "40", "requested function not supported";
    LOST_CARD = "41", "lost card";
    NO_UNIVERSAL_ACCOUNT = "42", "no universal account";
    STOLEN_CARD = "43", "stolen card";
    NO_INVESTMENT_ACCOUNT = "44", "no investment account";
    ACCOUNT_CLOSED = "45", "account closed";
    INSUFFICIENT_FUNDS = "51", "insufficient funds";
    NO_CURRENT_ACCOUNT = "52", "no current account";
    NO_SAVINGS_ACCOUNT = "53", "no savings account";
    EXPIRED_CARD = "54", "expired card";
    INCORRECT_PIN = "55", "incorrect PIN";
    NOT_PERMITTED_TO_CUSTOMER = "57", "transaction not permitted to customer";
    NOT_PERMITTED_TO_TERMINAL = "58", "transaction not permitted to terminal";
    SUSPECTED_FRAUD = "59", "suspected fraud";
    EXCEEDS_AMOUNT_LIMIT = "61", "exceeds amount limit";
    RESTRICTED = "62", "restricted or blocked";
    SECURITY_VIOLATION = "63", "security violation";
    EXCEEDS_FREQUENCY = "65", "exceeds frequency limit";
    OUTCOME_UNKNOWN = "68", "response received too late, outcome unknown";
    PIN_TRIES_EXCEEDED = "75", "PIN tries exceeded";
    CLOSED_ACCOUNT = "78", "closed account";
    CUT_OFF = "90", "cut-off in process";
    HOST_UNAVAILABLE = "91", "issuer or switch inoperative";
    NO_ROUTE = "92", "no route to destination";
    VIOLATION_OF_LAW = "93", "violation of law";
    DUPLICATE = "94", "duplicate transmission";
    RECONCILE_ERROR = "95", "reconcile error";
    SYSTEM_MALFUNCTION = "96", "system malfunction";
}

impl ResponseCode {
    #[expect(clippy::panic, reason = "called in constants only, where it stops the compiler")]
    const fn known(text: &str) -> Self {
        match text.as_bytes() {
            [a, b] => Self([*a, *b]),
            _ => panic!("a response code has two characters"),
        }
    }

    /// Makes a code from two printable ASCII characters; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_graphic() && b.is_ascii_graphic() => Some(Self([*a, *b])),
            _ => None,
        }
    }

    /// The two characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("96")
    }

    /// Whether money may have moved because of this answer: 00 or 10.
    #[must_use]
    pub fn is_approval(self) -> bool {
        self == Self::APPROVED || self == Self::PARTIALLY_APPROVED
    }

    /// Whether the code says that the host, not the customer, failed. These count against the
    /// breaker; business declines never do.
    #[must_use]
    pub fn is_host_fault(self) -> bool {
        matches!(self, Self::ERROR | Self::HOST_UNAVAILABLE | Self::SYSTEM_MALFUNCTION)
    }

    /// What the code means, or `None` for a code outside the table.
    #[must_use]
    pub fn meaning(self) -> Option<&'static str> {
        Self::ALL.iter().find(|(code, _)| *code == self).map(|(_, text)| *text)
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_without_repeats() {
        let codes: Vec<_> = ResponseCode::ALL.iter().map(|(code, _)| *code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn only_00_and_10_approve() {
        let approvals: Vec<_> =
            ResponseCode::ALL.iter().filter(|(code, _)| code.is_approval()).collect();
        assert_eq!(approvals.len(), 2);
    }
}

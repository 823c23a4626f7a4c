//! Response codes (DE39): one table from which names, classes, documentation and the action codes
//! of the later editions come.
//!
//! The values are those of ISO 8583:1987 as the CBS link uses them
//! (`ARCHITECTURE.md`, "Messages"); everything but a codec works with these. A link of 1993 has
//! three digits in DE39 and one of 2003 four: as a rule the same three with a zero behind the
//! first, but what 1993 has as 9xx (the request was not processed) is 91xx, because 90xx
//! acknowledges an advice, and a format error is the message error 9100. These are the codes of
//! jPOS CMF too. The number of characters tells which they are, so that a typed key reads any of
//! them; a codec writes those of its dialect.
//!
//! Neither way is one to one. What has no exact counterpart becomes the general code of its kind:
//! a decline stays a decline, and what the standard calls approved (`0xx`) stays approved.

use crate::mti::Class;
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
    ($($name:ident = $code:literal $action:literal $newest:literal, $text:literal;)*) => {
        impl ResponseCode {
            $(#[doc = concat!(
                "`", $code, "`, of 1993 `", $action, "`, of 2003 `", $newest, "`: ", $text, "."
            )]
            pub const $name: Self = Self::known($code);)*

            /// The action codes of 1993 and of 2003 that say the same as a code of the table, in
            /// order.
            const ACTIONS: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$name, $action, $newest),)*];

            /// Every code of the table with its meaning, in order.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text),)*];
        }
    };
}

table! {
    APPROVED = "00" "000" "0000", "approved";
    REFER_TO_ISSUER = "01" "107" "1007", "refer to card issuer";
    INVALID_MERCHANT = "03" "109" "1009", "invalid merchant";
    DO_NOT_HONOUR = "05" "100" "1000", "do not honour";
    ERROR = "06" "909" "9109", "error";
    IN_PROGRESS = "09" "923" "9123", "request in progress";
    PARTIALLY_APPROVED = "10" "002" "0002", "approved for a partial amount";
    INVALID_TRANSACTION = "12" "902" "9102", "invalid transaction";
    INVALID_AMOUNT = "13" "110" "1010", "invalid amount";
    INVALID_ACCOUNT = "14" "111" "1011", "invalid card or account number";
    NO_SUCH_ISSUER = "15" "908" "9108", "no such issuer";
    CUSTOMER_CANCELLATION = "17" "100" "1000", "customer cancellation";
    SOFT_DECLINE = "1A" "100" "1067", "additional customer authentication required";
    INVALID_RESPONSE = "20" "909" "9109", "invalid response";
    NO_ACTION_TAKEN = "21" "914" "9114", "no action taken";
    SUSPECTED_MALFUNCTION = "22" "909" "9109", "suspected malfunction";
    NOT_FOUND = "25" "914" "9114", "original or record not found";
    FORMAT_ERROR = "30" "904" "9100", "format error";
    SUSPECTED_FRAUD_PICK_UP = "34" "202" "2002", "suspected fraud, pick up";
    RESTRICTED_CARD = "36" "204" "2004", "restricted card";
    NO_CREDIT_ACCOUNT = "39" "114" "1014", "no credit account";
    NOT_SUPPORTED = "40" "115" "1015", "requested function not supported";
    LOST_CARD = "41" "208" "2008", "lost card";
    NO_UNIVERSAL_ACCOUNT = "42" "114" "1014", "no universal account";
    STOLEN_CARD = "43" "209" "2009", "stolen card";
    NO_INVESTMENT_ACCOUNT = "44" "114" "1014", "no investment account";
    ACCOUNT_CLOSED = "45" "114" "1035", "account closed";
    INSUFFICIENT_FUNDS = "51" "116" "1016", "insufficient funds";
    NO_CURRENT_ACCOUNT = "52" "114" "1014", "no current account";
    NO_SAVINGS_ACCOUNT = "53" "114" "1014", "no savings account";
    EXPIRED_CARD = "54" "101" "1001", "expired card";
    INCORRECT_PIN = "55" "117" "1017", "incorrect PIN";
    NOT_PERMITTED_TO_CUSTOMER = "57" "119" "1019", "transaction not permitted to customer";
    NOT_PERMITTED_TO_TERMINAL = "58" "120" "1020", "transaction not permitted to terminal";
    SUSPECTED_FRAUD = "59" "102" "1002", "suspected fraud";
    EXCEEDS_AMOUNT_LIMIT = "61" "121" "1021", "exceeds amount limit";
    RESTRICTED = "62" "104" "1004", "restricted or blocked";
    SECURITY_VIOLATION = "63" "122" "1022", "security violation";
    EXCEEDS_FREQUENCY = "65" "123" "1023", "exceeds frequency limit";
    OUTCOME_UNKNOWN = "68" "911" "9111", "response received too late, outcome unknown";
    PIN_TRIES_EXCEEDED = "75" "106" "1006", "PIN tries exceeded";
    CLOSED_ACCOUNT = "78" "114" "1035", "closed account";
    CUT_OFF = "90" "906" "9106", "cut-off in process";
    HOST_UNAVAILABLE = "91" "907" "9107", "issuer or switch inoperative";
    NO_ROUTE = "92" "908" "9108", "no route to destination";
    VIOLATION_OF_LAW = "93" "124" "1024", "violation of law";
    DUPLICATE = "94" "913" "9113", "duplicate transmission";
    RECONCILE_ERROR = "95" "915" "9115", "reconcile error";
    SYSTEM_MALFUNCTION = "96" "909" "9109", "system malfunction";
}

/// Codes of 1987 without a name here and their action codes of 1993 and 2003.
const MORE_OF_1987: &[(&str, &str, &str)] = &[
    ("02", "108", "1008"),
    ("04", "200", "2000"),
    ("07", "207", "2007"),
    ("08", "001", "0001"),
    ("11", "003", "0003"),
    ("16", "004", "0004"),
    ("19", "903", "9103"),
    ("23", "113", "1013"),
    ("24", "301", "3001"),
    ("26", "303", "3003"),
    ("27", "304", "3004"),
    ("28", "305", "3005"),
    ("29", "306", "3006"),
    ("31", "905", "9105"),
    ("32", "002", "0002"),
    ("33", "201", "2001"),
    ("35", "203", "2003"),
    ("37", "205", "2005"),
    ("38", "206", "2006"),
    ("56", "118", "1018"),
    ("60", "103", "1003"),
    ("66", "105", "1005"),
    ("67", "200", "2000"),
    // For private use by the standard; networks say by it that the cash-back was left out.
    ("87", "002", "0002"),
];

/// What action codes become that are not found the other way round, or not uniquely.
const ACTIONS_OF_1993: &[(&str, &str)] = &[
    // Approved without further ado as far as money is concerned.
    ("003", "00"),
    ("004", "00"),
    ("005", "00"),
    ("006", "10"),
    ("007", "00"),
    ("100", "05"),
    ("112", "55"),
    ("114", "42"),
    ("126", "63"),
    ("127", "55"),
    ("128", "63"),
    ("129", "59"),
    ("200", "04"),
    ("210", "34"),
    ("302", "25"),
    ("307", "30"),
    ("308", "26"),
    ("501", "95"),
    // Acknowledged, with and without liability.
    ("900", "00"),
    ("901", "00"),
    ("908", "92"),
    ("909", "96"),
    ("910", "91"),
    ("912", "91"),
    ("914", "25"),
    ("916", "63"),
];

/// What action codes of 2003 become that 1993 does not have (http-contracts 4.4).
const ACTIONS_OF_2003: &[(&str, &str)] = &[
    ("1030", "40"),
    ("1035", "78"),
    ("1057", "12"),
    ("1067", "1A"),
    ("1078", "59"),
    // For private use by the standard, and used by CMF: a field is missing, a part of the
    // configuration, what follows prevents a reversal, a field is wrong.
    ("1802", "30"),
    ("1818", "40"),
    ("1825", "40"),
    ("1830", "30"),
    ("9100", "30"),
];

impl Edition {
    /// How many characters DE39 has.
    #[must_use]
    pub const fn width(self) -> u8 {
        match self {
            Self::Of1987 => 2,
            Self::Of1993 => 3,
            Self::Of2003 => 4,
        }
    }
}

/// A response code in the characters of an edition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeText {
    characters: [u8; 4],
    width: u8,
}

impl CodeText {
    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let characters = self.characters.get(..usize::from(self.width)).unwrap_or_default();
        core::str::from_utf8(characters).unwrap_or_default()
    }
}

impl fmt::Debug for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ResponseCode {
    /// Reads the code of any edition: two characters of 1987, three digits of 1993, four of 2003.
    /// `None` for anything else.
    #[must_use]
    pub fn parse_any(text: &str) -> Option<Self> {
        match *text.as_bytes() {
            [_, _] => Self::parse(text),
            [a, b, c] => Self::of_action([a, b, c]),
            [a, b, c, d] => Self::of_newest(text, [a, b, c, d]),
            _ => None,
        }
    }

    /// The code of 1987 for an action code of 2003.
    fn of_newest(text: &str, digits: [u8; 4]) -> Option<Self> {
        let listed = ACTIONS_OF_2003.iter().find(|(known, _)| *known == text);
        if let Some((_, code)) = listed {
            return Self::parse(code);
        }
        match digits {
            // 90xx for what was not processed is in no edition; some hosts make it of 1993's.
            [a, b'0', c, d] => Self::of_action([a, c, d]),
            // Not 9101, which would acknowledge an advice.
            [b'9', b'1', c, d] if (c, d) > (b'0', b'1') => Self::of_action([b'9', c, d]),
            // In no edition: an approval, or a decline of 1993 with a zero before it?
            [b'0', b'1'..=b'9', _, _] => None,
            // Otherwise the second digit is for codes that 1993 does not have.
            [a, b'1'..=b'9', c, d] => Self::of_action([a, c, d]).map(|_| Self::general(a)),
            _ => None,
        }
    }

    /// The code of 1987 for an action code of 1993.
    fn of_action(action: [u8; 3]) -> Option<Self> {
        let text =
            core::str::from_utf8(&action).ok().filter(|_| action.iter().all(u8::is_ascii_digit))?;
        let [kind, ..] = action;
        let listed = ACTIONS_OF_1993.iter().find(|(known, _)| *known == text);
        let listed = listed.and_then(|(_, code)| Self::parse(code));
        let named =
            || Self::ACTIONS.iter().find(|(_, known, _)| *known == text).map(|(code, ..)| *code);
        let unnamed = || {
            let found = MORE_OF_1987.iter().find(|(_, known, _)| *known == text);
            found.and_then(|(code, ..)| Self::parse(code))
        };
        Some(listed.or_else(named).or_else(unnamed).unwrap_or_else(|| match (kind, text) {
            (b'3'..=b'8', "300" | "400" | "500" | "600" | "700" | "800") => Self::APPROVED,
            _ => Self::general(kind),
        }))
    }

    /// The code for an action code that says no more than its first digit.
    const fn general(kind: u8) -> Self {
        match kind {
            b'0' => Self::APPROVED,
            b'1' | b'7' => Self::DO_NOT_HONOUR,
            b'2' => Self::known("04"),
            b'3' => Self::known("29"),
            // Not "no action taken", which would be an end of a reversal.
            b'4' | b'6' => Self::INVALID_TRANSACTION,
            b'5' => Self::RECONCILE_ERROR,
            _ => Self::SYSTEM_MALFUNCTION,
        }
    }

    /// The code in the characters of an edition. What the later ones call an approval depends on
    /// what is answered: `000`, or `400` for a reversal, `800` for network management and so on.
    #[must_use]
    pub fn of_edition(self, edition: Edition, class: Class) -> CodeText {
        let Self([a, b]) = self;
        let approved = match class {
            Class::Authorisation | Class::Financial | Class::Reserved => ("000", "0000"),
            Class::FileAction => ("300", "3000"),
            Class::Reversal => ("400", "4000"),
            Class::Reconciliation => ("500", "5000"),
            Class::Administrative => ("600", "6000"),
            Class::Fee => ("700", "7000"),
            Class::Network => ("800", "8000"),
        };
        let named = || {
            let found = Self::ACTIONS.iter().find(|(code, ..)| *code == self);
            found.map(|(_, action, newest)| (*action, *newest))
        };
        let unnamed = || {
            let found = MORE_OF_1987.iter().find(|(code, ..)| *code == self.as_str());
            found.map(|(_, action, newest)| (*action, *newest))
        };
        let (action, newest) = match self {
            Self::APPROVED => approved,
            _ => named().or_else(unnamed).unwrap_or(("100", "1000")),
        };
        let characters = match edition {
            Edition::Of1987 => [a, b, 0, 0],
            Edition::Of1993 => {
                let [c, d, e] = action.as_bytes().first_chunk().copied().unwrap_or(*b"100");
                [c, d, e, 0]
            }
            Edition::Of2003 => newest.as_bytes().first_chunk().copied().unwrap_or(*b"1000"),
        };
        CodeText { characters, width: edition.width() }
    }

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

    /// Whether money may have moved because of this answer: 00 and 10, and what hosts say in their
    /// place: 08 (with identification), 11 (VIP), 16 (update track 3), 32 (completed partially) and
    /// 87 (without the cash-back).
    #[must_use]
    pub fn is_approval(self) -> bool {
        matches!(&self.0, b"00" | b"08" | b"10" | b"11" | b"16" | b"32" | b"87")
    }

    /// Whether less than what was asked may have been approved, so that the answer must say how
    /// much: 10, 32 and 87.
    #[must_use]
    pub fn is_partial(self) -> bool {
        matches!(&self.0, b"10" | b"32" | b"87")
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
    fn every_code_keeps_its_kind_through_every_edition() {
        for (code, meaning) in ResponseCode::ALL {
            for edition in [Edition::Of1987, Edition::Of1993, Edition::Of2003] {
                let text = code.of_edition(edition, Class::Financial);
                assert_eq!(text.as_str().len(), usize::from(edition.width()), "{meaning}");
                let back = ResponseCode::parse_any(text.as_str()).unwrap();
                assert_eq!(back.is_approval(), code.is_approval(), "{code} {text:?} {back}");
                let again = back.of_edition(edition, Class::Financial);
                assert_eq!(again, text, "{code} {back} {meaning}");
            }
        }
    }

    #[test]
    fn known_action_codes() {
        for (of_1987, of_1993, of_2003) in [
            ("00", "000", "0000"),
            ("10", "002", "0002"),
            ("05", "100", "1000"),
            ("51", "116", "1016"),
            ("55", "117", "1017"),
            ("43", "209", "2009"),
            ("30", "904", "9100"),
            ("68", "911", "9111"),
            ("94", "913", "9113"),
            ("96", "909", "9109"),
            ("04", "200", "2000"),
        ] {
            let code = ResponseCode::parse(of_1987).unwrap();
            assert_eq!(ResponseCode::parse_any(of_1993), Some(code));
            assert_eq!(ResponseCode::parse_any(of_2003), Some(code));
            let of = |edition| code.of_edition(edition, Class::Financial);
            assert_eq!(of(Edition::Of1993).as_str(), of_1993);
            assert_eq!(of(Edition::Of2003).as_str(), of_2003);
        }
    }

    /// What an outcome at a bank is called in each edition (http-contracts 4.4).
    #[test]
    fn outcomes_at_banks_have_the_codes_of_the_contract() {
        for (of_1987, of_2003) in [
            ("00", "0000"),
            ("05", "1000"),
            ("09", "9123"),
            ("12", "9102"),
            ("14", "1011"),
            ("1A", "1067"),
            ("25", "9114"),
            ("30", "9100"),
            ("40", "1015"),
            ("51", "1016"),
            ("55", "1017"),
            ("57", "1019"),
            ("59", "1002"),
            ("61", "1021"),
            ("62", "1004"),
            ("65", "1023"),
            ("68", "9111"),
            ("91", "9107"),
            ("94", "9113"),
            ("96", "9109"),
        ] {
            let code = ResponseCode::parse(of_1987).unwrap();
            let text = code.of_edition(Edition::Of2003, Class::Financial);
            assert_eq!(text.as_str(), of_2003, "{of_1987}");
            assert_eq!(ResponseCode::parse_any(of_2003), Some(code), "{of_2003}");
        }
        // What others of the same edition say more exactly, and what some make of 1993.
        for (of_2003, of_1987) in [
            ("1030", "40"),
            ("1057", "12"),
            ("1078", "59"),
            ("1802", "30"),
            ("1818", "40"),
            ("1825", "40"),
            ("1830", "30"),
            ("9112", "91"),
            ("9125", "96"),
            ("9009", "96"),
            ("9001", "00"),
        ] {
            assert_eq!(ResponseCode::parse_any(of_2003), ResponseCode::parse(of_1987), "{of_2003}");
        }
    }

    /// All ten thousand: what is approved begins with 00, accepts something, or acknowledges.
    #[test]
    fn no_code_of_2003_is_mistaken_for_an_approval() {
        let accepted = ["3000", "4000", "5000", "6000", "7000", "8000", "9000", "9001"];
        for number in 0..10_000 {
            let text = format!("{number:04}");
            let Some(code) = ResponseCode::parse_any(&text) else {
                assert!((100..1_000).contains(&number), "{text} is no code");
                continue;
            };
            let approves = number < 100 || accepted.contains(&text.as_str());
            assert_eq!(code.is_approval(), approves, "{text} became {code}");
        }
    }

    #[test]
    fn an_approval_is_named_after_what_it_answers() {
        for (class, action) in
            [(Class::Reversal, "400"), (Class::Network, "800"), (Class::FileAction, "300")]
        {
            let text = ResponseCode::APPROVED.of_edition(Edition::Of1993, class);
            assert_eq!(text.as_str(), action);
            assert_eq!(ResponseCode::parse_any(action), Some(ResponseCode::APPROVED));
        }
    }

    /// All thousand of them: approved is what begins with 0 or accepts something, nothing else.
    #[test]
    fn no_action_code_is_mistaken_for_an_approval() {
        let accepted = ["300", "400", "500", "600", "700", "800", "900", "901"];
        for number in 0..1_000 {
            let text = format!("{number:03}");
            let code = ResponseCode::parse_any(&text).unwrap();
            let approves = number < 100 || accepted.contains(&text.as_str());
            assert_eq!(code.is_approval(), approves, "{text} became {code}");
        }
        assert_eq!(ResponseCode::parse_any("001"), ResponseCode::parse("08"));
        assert_eq!(ResponseCode::parse_any("1116"), Some(ResponseCode::DO_NOT_HONOUR));
        for text in ["", "0", "0a0", "10000", "1a16", "00a0"] {
            assert_eq!(ResponseCode::parse_any(text), None, "{text}");
        }
    }

    /// Of all codes of two digits; and each stays what it is in the editions that follow.
    #[test]
    fn only_these_codes_of_1987_approve() {
        for number in 0..100 {
            let text = format!("{number:02}");
            let code = ResponseCode::parse(&text).unwrap();
            assert_eq!(code.is_approval(), [0, 8, 10, 11, 16, 32, 87].contains(&number), "{text}");
            for edition in [Edition::Of1987, Edition::Of1993, Edition::Of2003] {
                let other = code.of_edition(edition, Class::Financial);
                let back = ResponseCode::parse_any(other.as_str()).unwrap();
                assert_eq!(back.is_approval(), code.is_approval(), "{text} {other:?} {back}");
            }
        }
        let named: Vec<_> =
            ResponseCode::ALL.iter().filter(|(code, _)| code.is_approval()).collect();
        assert_eq!(named.len(), 2);
    }
}

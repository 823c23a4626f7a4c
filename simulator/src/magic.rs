//! Magic amounts: amounts whose last two digits tell the bank how to answer.
//!
//! They let a tester see a decline or a late answer without preparing an account for it. The two
//! digits are those of the minor units, in any currency. They work on requests that move or hold
//! money; inquiries, advices and reversals are never touched by them. What a magic amount
//! declines is not posted. The table is all there is: bank, tools and documents read it.

use veksel_codecs::ResponseCode;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Magic {
    /// Last two digits of DE4.
    pub ending: u8,
    /// What the bank does.
    pub act: Act,
    /// For people.
    pub what: &'static str,
}

/// What a magic amount does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing is executed, and DE39 is this.
    Decline(ResponseCode),
    /// The request is executed as any other; the answer leaves as late as the bank is set up for.
    Late,
}

impl Magic {
    /// DE39 of the answer; `None` leaves it to the bank's rules.
    #[must_use]
    pub const fn code(&self) -> Option<ResponseCode> {
        match self.act {
            Act::Decline(code) => Some(code),
            Act::Late => None,
        }
    }

    /// Whether the answer is held back.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        matches!(self.act, Act::Late)
    }
}

/// The row for an amount in minor units; `None` for nearly all of them, and for 0.
#[must_use]
pub fn find(minor: u64) -> Option<&'static Magic> {
    let ending = minor % 100;
    TABLE.iter().find(|magic| minor > 0 && u64::from(magic.ending) == ending)
}

/// In the order of the endings.
pub const TABLE: &[Magic] = &[
    decline(5, ResponseCode::DO_NOT_HONOUR, "declined without a reason"),
    decline(51, ResponseCode::INSUFFICIENT_FUNDS, "declined as if there were too little money"),
    decline(54, ResponseCode::EXPIRED_CARD, "declined as if the card had expired"),
    decline(61, ResponseCode::EXCEEDS_AMOUNT_LIMIT, "declined as if a limit were exceeded"),
    Magic { ending: 68, act: Act::Late, what: "executed, and answered too late" },
    decline(91, ResponseCode::HOST_UNAVAILABLE, "not executed: the bank says it is down"),
    decline(96, ResponseCode::SYSTEM_MALFUNCTION, "not executed: the bank says it is broken"),
];

const fn decline(ending: u8, code: ResponseCode, what: &'static str) -> Magic {
    Magic { ending, act: Act::Decline(code), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endings_are_sorted_and_say_their_code() {
        assert!(TABLE.is_sorted_by(|a, b| a.ending < b.ending));
        for magic in TABLE {
            let text = format!("{:02}", magic.ending);
            assert!(magic.code().is_none_or(|code| code.as_str() == text), "{text}");
        }
    }

    #[test]
    fn only_the_last_two_digits_count_and_zero_is_no_amount() {
        for (minor, ending) in [(51, 51), (1_251, 51), (999_999_999_968, 68), (105, 5)] {
            assert_eq!(find(minor).map(|magic| magic.ending), Some(ending), "{minor}");
        }
        for minor in [0, 1_250, 5_100, 6_800, 510] {
            assert_eq!(find(minor), None, "{minor}");
        }
    }
}

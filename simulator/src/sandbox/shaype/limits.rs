//! The limits that the platform applies before it asks anybody: six of amounts, each with a number
//! of times if one is wanted.
//!
//! What was refused, or of which nobody knows, does not count; what was given back no longer does.

use std::collections::{BTreeMap, VecDeque};

/// What a request is, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A card at a merchant.
    Purchase,
    /// A card at a cash machine.
    Withdrawal,
    /// Money that comes in.
    TopUp,
    /// To an account number.
    Transfer,
}

impl Kind {
    /// The word for it in the sandbox's own requests.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "purchase" => Self::Purchase,
            "atm" => Self::Withdrawal,
            "top_up" => Self::TopUp,
            "transfer" => Self::Transfer,
            _ => return None,
        })
    }
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitName {
    /// Cash, in a day.
    AtmWithdrawalPerDay,
    /// Money that comes in, in a day.
    TopUpPerDay,
    /// Everything by card, in a day.
    CardPaymentsDaily,
    /// To account numbers, in a day.
    PaymentToAccountNumber,
    /// One payment by card.
    SingleCardTransaction,
    /// Everything that goes out, in a year.
    TotalSpendPerYear,
}

/// Of a limit, what it is of and over how long.
impl LimitName {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::AtmWithdrawalPerDay,
        Self::TopUpPerDay,
        Self::CardPaymentsDaily,
        Self::PaymentToAccountNumber,
        Self::SingleCardTransaction,
        Self::TotalSpendPerYear,
    ];

    /// As the platform writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtmWithdrawalPerDay => "ATM_WITHDRAWAL_PER_DAY",
            Self::TopUpPerDay => "TOP_UP_PER_DAY",
            Self::CardPaymentsDaily => "CARD_PAYMENTS_DAILY",
            Self::PaymentToAccountNumber => "PAYMENT_TO_ACCOUNT_NUMBER",
            Self::SingleCardTransaction => "SINGLE_CARD_TRANSACTION",
            Self::TotalSpendPerYear => "TOTAL_SPEND_PER_YEAR",
        }
    }

    /// `None` for a word that is no limit.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    const fn is_of(self, kind: Kind) -> bool {
        match self {
            Self::AtmWithdrawalPerDay => matches!(kind, Kind::Withdrawal),
            Self::TopUpPerDay => matches!(kind, Kind::TopUp),
            Self::CardPaymentsDaily | Self::SingleCardTransaction => {
                matches!(kind, Kind::Purchase | Kind::Withdrawal)
            }
            Self::PaymentToAccountNumber => matches!(kind, Kind::Transfer),
            Self::TotalSpendPerYear => !matches!(kind, Kind::TopUp),
        }
    }

    /// `None` for one that looks at a single payment.
    const fn window_ms(self) -> Option<u64> {
        match self {
            Self::AtmWithdrawalPerDay
            | Self::TopUpPerDay
            | Self::CardPaymentsDaily
            | Self::PaymentToAccountNumber => Some(DAY_MS),
            Self::SingleCardTransaction => None,
            Self::TotalSpendPerYear => Some(365 * DAY_MS),
        }
    }
}

/// How much, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Which.
    pub name: LimitName,
    /// Minor units of the account's currency.
    pub amount: i64,
    /// Times within its window; `None` is any number.
    pub count: Option<u32>,
}

/// A limit that would be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub limit: LimitName,
    /// DE39 that says the same: 61 for the amount, 65 for the number of times.
    pub response_code: &'static str,
}

/// What every account has used up.
#[derive(Debug, Default)]
pub(super) struct Limits {
    used: BTreeMap<String, VecDeque<Used>>,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    at_ms: u64,
    kind: Kind,
    /// Below zero for what was given back.
    minor: i64,
    /// What is added to an earlier payment is no payment of its own.
    is_payment: bool,
}

impl Limits {
    /// Whether so much more may be; `before` is what the payment is of already.
    pub(super) fn check(
        &self,
        limits: &[Limit],
        now_ms: u64,
        account: &str,
        kind: Kind,
        (before, more): (i64, i64),
    ) -> Result<(), Breach> {
        for limit in limits.iter().filter(|limit| limit.name.is_of(kind)) {
            let breach = |response_code| Err(Breach { limit: limit.name, response_code });
            let Some(window_ms) = limit.name.window_ms() else {
                if before.saturating_add(more) > limit.amount {
                    return breach("61");
                }
                continue;
            };
            let since = now_ms.saturating_sub(window_ms);
            let used = self.used.get(account).into_iter().flatten();
            let used = used.filter(|used| used.at_ms > since && limit.name.is_of(used.kind));
            let (mut sum, mut times) = (0_i64, 0_u32);
            for used in used {
                sum = sum.saturating_add(used.minor);
                times = times.saturating_add(u32::from(used.is_payment));
            }
            if sum.saturating_add(more) > limit.amount {
                return breach("61");
            }
            if before == 0 && limit.count.is_some_and(|most| times >= most) {
                return breach("65");
            }
        }
        Ok(())
    }

    /// It was approved, or with less than nothing given back.
    pub(super) fn count(
        &mut self,
        now_ms: u64,
        account: &str,
        kind: Kind,
        (before, more): (i64, i64),
    ) {
        if !self.used.contains_key(account) && self.used.len() >= ACCOUNTS_MAX {
            return;
        }
        let used = self.used.entry(account.to_owned()).or_default();
        if used.len() >= USED_MAX {
            used.pop_front();
        }
        used.push_back(Used { at_ms: now_ms, kind, minor: more, is_payment: before == 0 });
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Accounts, and payments of one, that are remembered.
const ACCOUNTS_MAX: usize = 10_000;
const USED_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(name: LimitName, amount: i64, count: Option<u32>) -> Limit {
        Limit { name, amount, count }
    }

    /// One account under one limit.
    struct Case {
        limits: Vec<Limit>,
        used: Limits,
        now_ms: u64,
    }

    impl Case {
        fn new(limit: Limit) -> Self {
            Self { limits: vec![limit], used: Limits::default(), now_ms: 400 * DAY_MS }
        }

        fn pay(&mut self, kind: Kind, minor: i64) -> &'static str {
            match self.used.check(&self.limits, self.now_ms, "a", kind, (0, minor)) {
                Ok(()) => {
                    self.used.count(self.now_ms, "a", kind, (0, minor));
                    "00"
                }
                Err(breach) => breach.response_code,
            }
        }
    }

    #[test]
    fn each_limit_is_of_its_own_payments() {
        for (name, of) in [
            (LimitName::AtmWithdrawalPerDay, &[Kind::Withdrawal][..]),
            (LimitName::TopUpPerDay, &[Kind::TopUp]),
            (LimitName::CardPaymentsDaily, &[Kind::Purchase, Kind::Withdrawal]),
            (LimitName::PaymentToAccountNumber, &[Kind::Transfer]),
            (LimitName::SingleCardTransaction, &[Kind::Purchase, Kind::Withdrawal]),
            (LimitName::TotalSpendPerYear, &[Kind::Purchase, Kind::Withdrawal, Kind::Transfer]),
        ] {
            for kind in [Kind::Purchase, Kind::Withdrawal, Kind::TopUp, Kind::Transfer] {
                let mut case = Case::new(limit(name, 1_000, None));
                let expected = if of.contains(&kind) { "61" } else { "00" };
                assert_eq!(case.pay(kind, 1_001), expected, "{name:?} {kind:?}");
                assert_eq!(case.pay(kind, 1_000), "00", "{name:?} {kind:?}");
            }
            assert_eq!(LimitName::parse(name.name()), Some(name));
        }
        assert_eq!(LimitName::parse("ANYTHING"), None);
    }

    #[test]
    fn a_day_and_a_year_end() {
        for (name, window_ms) in
            [(LimitName::CardPaymentsDaily, DAY_MS), (LimitName::TotalSpendPerYear, 365 * DAY_MS)]
        {
            let mut case = Case::new(limit(name, 1_000, None));
            assert_eq!(case.pay(Kind::Purchase, 600), "00");
            assert_eq!(case.pay(Kind::Purchase, 401), "61");
            case.now_ms += window_ms - 1;
            assert_eq!(case.pay(Kind::Purchase, 401), "61");
            case.now_ms += 1;
            assert_eq!(case.pay(Kind::Purchase, 401), "00");
        }
        let mut single = Case::new(limit(LimitName::SingleCardTransaction, 1_000, None));
        assert!((0..100).all(|_| single.pay(Kind::Purchase, 1_000) == "00"));
    }

    #[test]
    fn a_number_of_times_is_another_limit_than_an_amount() {
        let mut case = Case::new(limit(LimitName::CardPaymentsDaily, 1_000, Some(2)));
        assert_eq!(case.pay(Kind::Purchase, 1), "00");
        assert_eq!(case.pay(Kind::Withdrawal, 1), "00");
        assert_eq!(case.pay(Kind::Purchase, 1), "65");
        // What is added to a payment is no payment of its own, and what is given back is free.
        let now_ms = case.now_ms;
        let grown = case.used.check(&case.limits, now_ms, "a", Kind::Purchase, (1, 997));
        assert_eq!(grown, Ok(()));
        case.used.count(now_ms, "a", Kind::Purchase, (1, 997));
        let more = case.used.check(&case.limits, now_ms, "a", Kind::Purchase, (998, 2));
        assert_eq!(more.map_err(|breach| breach.response_code), Err("61"));
        case.used.count(now_ms, "a", Kind::Purchase, (998, -500));
        assert_eq!(case.used.check(&case.limits, now_ms, "a", Kind::Purchase, (498, 2)), Ok(()));
        // Nobody else's payments count.
        assert_eq!(case.used.check(&case.limits, now_ms, "b", Kind::Purchase, (0, 1_000)), Ok(()));
    }
}

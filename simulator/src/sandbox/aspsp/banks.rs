//! The seven banks that the sandbox plays, each with the peculiarities of some real one: what is
//! right at the first is refused by the second, so that a client that ignores its profile fails.

/// One bank. Everything about it is in this table.
#[derive(Debug, PartialEq, Eq)]
pub struct Bank {
    /// First part of its paths, and its name in a configuration.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// Bank code; the acquirer in the ledger's keys.
    pub code: &'static str,
    /// Products it has for single payments.
    pub products: &'static [&'static str],
    /// What it thinks of PSU headers on requests for accounts.
    pub psu_headers: PsuHeaders,
    /// How far a payment gets at the interface.
    pub last: Last,
    /// What becomes of a payment with an `X-Request-ID` that it has seen.
    pub repeat: Repeat,
    /// How the customer is asked.
    pub approach: Approach,
    /// Whether an approval on its page counts only once it is confirmed with the code that the
    /// redirect brings back.
    pub confirms: bool,
    /// Whether its links are relative.
    pub relative_links: bool,
    /// Whether errors are RFC 7807 bodies instead of `tppMessages`.
    pub problem_bodies: bool,
    /// Whether every request is signed with a QSEAL.
    pub needs_seal: bool,
    /// Whether callers show a QWAC.
    pub needs_qwac: bool,
    /// Whether a cancellation is approved by the customer, too, once the payment was.
    pub cancel_needs_sca: bool,
    /// Most reads a day without the customer that it grants in a consent.
    pub frequency_max: u64,
    /// Longest remittance text.
    pub remittance_max: usize,
    /// Whether it tells one `expected` balance only.
    pub only_expected: bool,
}

/// What a bank thinks of PSU headers on requests for accounts. Consents and payments need
/// `PSU-IP-Address` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PsuHeaders {
    /// Without `PSU-IP-Address` and `PSU-User-Agent` it is 400.
    Required,
    /// They say that the customer asks this moment.
    IfPresent,
    /// With any of them it is 400.
    Forbidden,
}

/// The last status that the interface shows of a payment that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// ACTC, then ACCP for ever: the batch that books it is not seen.
    Accepted,
    /// ACTC, ACSP, ACSC.
    Settled,
    /// ACTC, ACSP, ACSC, ACCC.
    Credited,
}

/// What becomes of a payment with an `X-Request-ID` that the bank has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// 200 with the first one.
    Same,
    /// 409.
    Refused,
    /// It is another payment, and moves money again.
    Another,
}

/// How the customer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approach {
    /// `scaRedirect` in the first answer.
    Redirect,
    /// `startAuthorisation` in the first answer, `scaRedirect` in the second.
    Explicit,
    /// In the bank's app; `psuMessage` and no redirect.
    Decoupled,
    /// At the bank's authorisation server; consents by redirect.
    Oauth,
}

impl Bank {
    /// `None` for a name that none has.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        BANKS.iter().find(|bank| bank.id == id)
    }
}

const DOMESTIC: &str = "norwegian-domestic-credit-transfers";
const INSTANT: &str = "instant-norwegian-domestic-credit-transfers";
const SEPA: &str = "sepa-credit-transfers";
const CROSS_BORDER: &str = "cross-border-credit-transfers";

/// Products that some bank has; any other name is unknown and not only refused.
pub(super) const PRODUCTS: &[&str] = &[
    DOMESTIC,
    INSTANT,
    "instant-norwegian-domestic-credit-transfers-straks",
    "norwegian-domestic-payment-to-self",
    SEPA,
    "instant-sepa-credit-transfers",
    CROSS_BORDER,
    "target-2-payments",
];

/// In the order they are shown, which is that of [`veksel_config::ASPSP_BANKS`].
pub const BANKS: &[Bank] = &[
    Bank {
        id: "dnb",
        name: "DNB",
        code: "1500",
        products: &[DOMESTIC, SEPA, CROSS_BORDER],
        psu_headers: PsuHeaders::IfPresent,
        last: Last::Settled,
        repeat: Repeat::Same,
        approach: Approach::Redirect,
        confirms: false,
        relative_links: false,
        problem_bodies: false,
        needs_seal: false,
        needs_qwac: false,
        cancel_needs_sca: false,
        frequency_max: 4,
        remittance_max: 140,
        only_expected: false,
    },
    Bank {
        id: "nordea",
        name: "Nordea",
        code: "6000",
        products: &[DOMESTIC, SEPA, CROSS_BORDER],
        // It cannot tell who asks, so it grants more.
        psu_headers: PsuHeaders::Forbidden,
        last: Last::Settled,
        repeat: Repeat::Refused,
        approach: Approach::Explicit,
        confirms: false,
        relative_links: false,
        problem_bodies: false,
        needs_seal: true,
        needs_qwac: false,
        cancel_needs_sca: false,
        frequency_max: 100,
        remittance_max: 140,
        only_expected: false,
    },
    Bank {
        id: "handelsbanken",
        name: "Handelsbanken",
        code: "9000",
        products: &[DOMESTIC, SEPA],
        psu_headers: PsuHeaders::IfPresent,
        last: Last::Accepted,
        repeat: Repeat::Another,
        approach: Approach::Decoupled,
        confirms: false,
        relative_links: false,
        problem_bodies: true,
        needs_seal: false,
        needs_qwac: false,
        cancel_needs_sca: false,
        frequency_max: 4,
        remittance_max: 66,
        only_expected: false,
    },
    Bank {
        id: "sparebank1",
        name: "SpareBank 1",
        code: "4200",
        products: &[DOMESTIC, INSTANT, SEPA],
        psu_headers: PsuHeaders::IfPresent,
        last: Last::Credited,
        repeat: Repeat::Same,
        approach: Approach::Redirect,
        confirms: false,
        relative_links: true,
        problem_bodies: false,
        needs_seal: false,
        needs_qwac: true,
        cancel_needs_sca: true,
        frequency_max: 4,
        remittance_max: 140,
        only_expected: false,
    },
    Bank {
        id: "bulder",
        name: "Bulder Bank",
        code: "3626",
        products: &[DOMESTIC],
        psu_headers: PsuHeaders::Required,
        last: Last::Settled,
        repeat: Repeat::Another,
        approach: Approach::Redirect,
        confirms: false,
        relative_links: false,
        problem_bodies: false,
        needs_seal: false,
        needs_qwac: false,
        cancel_needs_sca: false,
        frequency_max: 4,
        remittance_max: 140,
        only_expected: true,
    },
    Bank {
        id: "sbanken",
        name: "Sbanken",
        code: "9710",
        products: &[DOMESTIC, SEPA],
        psu_headers: PsuHeaders::IfPresent,
        last: Last::Settled,
        repeat: Repeat::Another,
        approach: Approach::Redirect,
        confirms: true,
        relative_links: false,
        problem_bodies: false,
        needs_seal: false,
        needs_qwac: false,
        cancel_needs_sca: false,
        frequency_max: 4,
        remittance_max: 140,
        only_expected: false,
    },
    Bank {
        id: "eika",
        name: "Eika",
        code: "8601",
        products: &[DOMESTIC],
        psu_headers: PsuHeaders::IfPresent,
        last: Last::Settled,
        repeat: Repeat::Another,
        approach: Approach::Oauth,
        confirms: false,
        relative_links: false,
        problem_bodies: false,
        needs_seal: false,
        needs_qwac: false,
        cancel_needs_sca: false,
        frequency_max: 4,
        remittance_max: 140,
        only_expected: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_can_name_every_bank_and_no_other() {
        let ids: Vec<&str> = BANKS.iter().map(|bank| bank.id).collect();
        assert_eq!(ids, veksel_config::ASPSP_BANKS);
    }

    #[test]
    fn every_peculiarity_has_its_opposite() {
        let some = |has: fn(&Bank) -> bool| {
            let count = BANKS.iter().filter(|bank| has(bank)).count();
            (1..BANKS.len()).contains(&count)
        };
        assert!(some(|bank| bank.psu_headers == PsuHeaders::Required));
        assert!(some(|bank| bank.psu_headers == PsuHeaders::Forbidden));
        assert!(some(|bank| bank.last == Last::Accepted));
        assert!(some(|bank| bank.last == Last::Credited));
        assert!(some(|bank| bank.repeat == Repeat::Same));
        assert!(some(|bank| bank.repeat == Repeat::Another));
        assert!(some(|bank| bank.approach == Approach::Explicit));
        assert!(some(|bank| bank.approach == Approach::Decoupled));
        assert!(some(|bank| bank.approach == Approach::Oauth) && some(|bank| bank.confirms));
        assert!(some(|bank| bank.relative_links) && some(|bank| bank.problem_bodies));
        assert!(some(|bank| bank.needs_seal) && some(|bank| bank.needs_qwac));
        assert!(some(|bank| bank.cancel_needs_sca) && some(|bank| bank.only_expected));
        assert!(BANKS.iter().all(|bank| bank.products.contains(&DOMESTIC)));
    }
}

//! Sessions, consents, payments and money of the sandbox. No clock: times are arguments.

use super::{KEPT_MAX, NeonomicsAccount, NeonomicsConfig, keep};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Everything until the next reset.
#[derive(Debug, Default)]
pub(super) struct World {
    pub accounts: Vec<NeonomicsAccount>,
    /// Tokens and until when they are good, in milliseconds.
    pub tokens: BTreeMap<String, u64>,
    pub sessions: BTreeMap<String, Session>,
    pub payments: BTreeMap<String, Payment>,
    pub entries: Vec<Entry>,
    issued: u64,
}

/// A customer's device at a bank.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub device: String,
    /// Until when there is a consent, in milliseconds; 0 for never given.
    pub consent_until: u64,
    /// Where the customer goes after having decided.
    pub redirect: String,
}

/// One payment.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub session: String,
    pub product: String,
    /// Place of the debtor among the accounts.
    pub debtor: usize,
    pub creditor: String,
    pub amount: i64,
    pub text: String,
    pub created: u64,
    /// When the customer approved it.
    pub approved: Option<u64>,
    pub status: &'static str,
    /// How often it was completed after its approval.
    pub completed: u32,
    pub redirect: String,
}

/// A booked line of an account.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub account: usize,
    pub amount: i64,
    pub text: String,
    pub at: u64,
}

impl World {
    pub(super) fn new(config: &NeonomicsConfig) -> Self {
        Self { accounts: config.accounts.clone(), ..Self::default() }
    }

    /// A name that was not given before.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{kind}-{:08}", self.issued)
    }

    pub(super) fn pay(&mut self, payment: Payment) -> String {
        let id = self.name("payment");
        keep(&mut self.payments, id.clone(), payment);
        id
    }

    /// Moves the money of a payment that was approved and says how it stands; each time it is
    /// called, because nobody promises that a second time is harmless. `None` if it was not
    /// approved.
    pub(super) fn complete(&mut self, id: &str, now: u64, limit_ms: u64) -> Option<&'static str> {
        let payment = self.payments.get_mut(id)?;
        let approved = match (payment.status, payment.approved) {
            ("RCVD" | "ACSC", Some(approved)) => approved,
            ("RCVD", None) => return None,
            (done, _) => return Some(done),
        };
        payment.completed += 1;
        let account = self.accounts.get_mut(payment.debtor)?;
        let is_late = now.saturating_sub(approved) > limit_ms;
        let is_poor = account.balance < payment.amount || payment.amount % 100 == 51;
        if payment.completed == 1 && (is_late || is_poor) {
            payment.status = "RJCT";
            return Some(payment.status);
        }
        account.balance -= payment.amount;
        payment.status = "ACSC";
        let (debtor, amount, text) = (payment.debtor, payment.amount, payment.text.clone());
        let creditor = payment.creditor.clone();
        self.book(Entry { account: debtor, amount: -amount, text: text.clone(), at: now });
        let is_his = |it: &&mut NeonomicsAccount| it.iban == creditor || it.bban == creditor;
        let place = self.accounts.iter().position(|it| it.iban == creditor || it.bban == creditor);
        if let (Some(place), Some(account)) = (place, self.accounts.iter_mut().find(is_his)) {
            account.balance += amount;
            self.book(Entry { account: place, amount, text, at: now });
        }
        Some("ACSC")
    }

    fn book(&mut self, entry: Entry) {
        if self.entries.len() >= KEPT_MAX {
            self.entries.remove(0);
        }
        self.entries.push(entry);
    }
}

/// Name of an account in paths.
pub(super) fn account_id(place: usize) -> String {
    format!("account-{place}")
}

pub(super) fn account_json(place: usize, account: &NeonomicsAccount) -> Value {
    json!({
        "id": account_id(place),
        "iban": account.iban,
        "bban": account.bban,
        "accountName": "Brukskonto",
        "ownerName": "Kari Nordmann",
        "accountType": "CACC",
        "balances": balances_json(account),
    })
}

pub(super) fn balances_json(account: &NeonomicsAccount) -> Value {
    let balance = |kind: &str| {
        json!({
            "amount": decimal(account.balance), "currency": account.currency, "type": kind,
        })
    };
    json!([balance("CLBD"), balance("ITAV")])
}

pub(super) fn entry_json(number: usize, entry: &Entry, currency: &str) -> Value {
    let ms = i64::try_from(entry.at).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    json!({
        "id": format!("transaction-{number}"),
        "transactionReference": entry.text,
        "transactionAmount": {
            "currency": currency, "value": decimal(entry.amount.saturating_abs()),
        },
        "creditDebitIndicator": if entry.amount < 0 { "DBIT" } else { "CRDT" },
        "bookingDate": at.to_string(),
        "valueDate": at.to_string(),
    })
}

/// `-12.05`.
fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// Minor units of a text with exactly two decimals, above zero.
pub(super) fn minor(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    let minor = format!("{whole}{part}");
    let fits = part.len() == 2 && whole.len() <= 12 && is_number(whole) && is_number(part);
    fits.then(|| minor.parse().ok())?.filter(|minor| *minor > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (World, String) {
        let mut world = World::new(&NeonomicsConfig::default());
        let id = world.pay(Payment {
            session: String::new(),
            product: String::new(),
            debtor: 0,
            creditor: "30001234567".to_owned(),
            amount: 15_000,
            text: "x".to_owned(),
            created: 0,
            approved: None,
            status: "RCVD",
            completed: 0,
            redirect: String::new(),
        });
        (world, id)
    }

    #[test]
    fn money_moves_after_approval_and_each_time_it_is_completed() {
        let (mut world, id) = world();
        assert_eq!(world.complete(&id, 0, 1_000), None);
        world.payments.get_mut(&id).expect("there").approved = Some(10);
        assert_eq!(world.complete(&id, 20, 1_000), Some("ACSC"));
        let balances =
            |world: &World| world.accounts.iter().map(|it| it.balance).collect::<Vec<i64>>();
        assert_eq!(balances(&world), [9_985_000, 20_000, 1_000_000]);
        assert_eq!((world.entries.len(), world.payments[&id].completed), (2, 1));
        // Who does it twice pays twice.
        assert_eq!(world.complete(&id, 30, 1_000), Some("ACSC"));
        assert_eq!(balances(&world), [9_970_000, 35_000, 1_000_000]);
        assert_eq!((world.entries.len(), world.payments[&id].completed), (4, 2));
    }

    #[test]
    fn who_completes_too_late_gets_nothing() {
        let (mut world, id) = world();
        world.payments.get_mut(&id).expect("there").approved = Some(10);
        assert_eq!(world.complete(&id, 1_011, 1_000), Some("RJCT"));
        assert_eq!(world.accounts[0].balance, 10_000_000);
    }

    #[test]
    fn amounts_have_two_decimals() {
        let cases = [
            ("150.00", Some(15_000)),
            ("0.01", Some(1)),
            ("0.00", None),
            ("150", None),
            ("150.0", None),
            ("-1.00", None),
            ("1e3.00", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(minor(text), wanted, "{text}");
        }
        assert_eq!(decimal(-1_205), "-12.05");
        assert_eq!(decimal(-5), "-0.05");
    }
}

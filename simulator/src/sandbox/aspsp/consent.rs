//! Consents to read accounts, and how often they were used without the customer.

use std::collections::{HashMap, VecDeque};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::asked::Redirects;
use super::banks::Bank;
use super::refusal::Refusal;

/// `consentStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConsentStatus {
    Received,
    Valid,
    Rejected,
    Expired,
    TerminatedByTpp,
}

impl ConsentStatus {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Valid => "valid",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::TerminatedByTpp => "terminatedByTpp",
        }
    }
}

/// What may be read of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// That it exists, and its number.
    Account,
    Balances,
    Transactions,
}

/// A consent.
#[derive(Debug, Clone)]
pub(super) struct Consent {
    pub(super) id: String,
    pub(super) bank: &'static Bank,
    pub(super) tpp: Option<String>,
    pub(super) redirects: Redirects,
    pub(super) wanted: Wanted,
    pub(super) status: ConsentStatus,
    /// ISO 8601 day.
    pub(super) last_action: String,
    /// Reads without the customer, by what was read.
    reads: HashMap<String, VecDeque<u64>>,
}

/// What a consent is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// IBANs by part: accounts alone, balances, transactions.
    pub(super) accounts: Vec<String>,
    pub(super) balances: Vec<String>,
    pub(super) transactions: Vec<String>,
    pub(super) is_recurring: bool,
    /// ISO 8601 day.
    pub(super) valid_until: String,
    pub(super) frequency: u64,
}

impl Wanted {
    /// Reads the body of a request; what the schema demands is demanded.
    pub(super) fn read(
        body: &Map<String, Value>,
        today: &str,
        bank: &Bank,
    ) -> Result<Self, Refusal> {
        let access = body.get("access").and_then(Value::as_object);
        let access = access.ok_or_else(|| Refusal::format("access", "must be an object"))?;
        if let Some(name) = access.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let text = format!("access.{name} is not supported by this bank");
            let status = StatusCode::BAD_REQUEST;
            return Err(Refusal::new(status, "PARAMETER_NOT_SUPPORTED", text).at("access"));
        }
        let accounts = ibans(access, "accounts")?;
        let balances = ibans(access, "balances")?;
        let transactions = ibans(access, "transactions")?;
        if accounts.is_empty() && balances.is_empty() && transactions.is_empty() {
            return Err(Refusal::format("access", "names no account"));
        }
        let flag = |name: &'static str| {
            let flag = body.get(name).and_then(Value::as_bool);
            flag.ok_or_else(|| Refusal::format(name, "must be true or false"))
        };
        let is_recurring = flag("recurringIndicator")?;
        if flag("combinedServiceIndicator")? {
            let status = StatusCode::BAD_REQUEST;
            let text = "sessions that combine accounts and payments are not offered";
            let refusal = Refusal::new(status, "SESSIONS_NOT_SUPPORTED", text);
            return Err(refusal.at("combinedServiceIndicator"));
        }
        let until = body.get("validUntil").and_then(Value::as_str).unwrap_or_default();
        if until.len() != 10 || until.parse::<jiff::civil::Date>().is_err() {
            return Err(Refusal::format("validUntil", "must be a day as YYYY-MM-DD"));
        }
        if until < today {
            return Err(Refusal::format("validUntil", "is over"));
        }
        let frequency = body.get("frequencyPerDay").and_then(Value::as_u64).filter(|n| *n > 0);
        let frequency = frequency
            .ok_or_else(|| Refusal::format("frequencyPerDay", "must be a number from 1"))?;
        if !is_recurring && frequency != 1 {
            return Err(Refusal::format("frequencyPerDay", "must be 1 for a consent of one time"));
        }
        Ok(Self {
            accounts,
            balances,
            transactions,
            is_recurring,
            valid_until: until.to_owned(),
            frequency: frequency.min(bank.frequency_max),
        })
    }

    /// Every account that is named, once.
    pub(super) fn ibans(&self) -> Vec<String> {
        let mut all: Vec<String> = [&self.accounts, &self.balances, &self.transactions]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        all.sort();
        all.dedup();
        all
    }

    fn covers(&self, iban: &str, part: Part) -> bool {
        let names = |list: &[String]| list.iter().any(|known| known == iban);
        match part {
            Part::Account => [&self.accounts, &self.balances, &self.transactions]
                .into_iter()
                .any(|list| names(list)),
            Part::Balances => names(&self.balances),
            Part::Transactions => names(&self.transactions),
        }
    }
}

impl Consent {
    pub(super) fn new(
        id: String,
        bank: &'static Bank,
        tpp: Option<String>,
        redirects: Redirects,
        wanted: Wanted,
        today: &str,
    ) -> Self {
        Self {
            id,
            bank,
            tpp,
            redirects,
            wanted,
            status: ConsentStatus::Received,
            last_action: today.to_owned(),
            reads: HashMap::new(),
        }
    }

    /// Notices that its last day is over.
    pub(super) fn age(&mut self, today: &str) {
        let is_alive = matches!(self.status, ConsentStatus::Received | ConsentStatus::Valid);
        if is_alive && self.wanted.valid_until.as_str() < today {
            self.set(ConsentStatus::Expired, today);
        }
    }

    pub(super) fn set(&mut self, status: ConsentStatus, today: &str) {
        self.status = status;
        today.clone_into(&mut self.last_action);
    }

    /// Whether it may be used for an account (`None`: for the list of them), and if the customer
    /// is not there, whether it was not used too often. Counts the use.
    pub(super) fn admit(
        &mut self,
        part: Part,
        iban: Option<&str>,
        endpoint: &str,
        is_attended: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        match self.status {
            ConsentStatus::Valid => {}
            ConsentStatus::Expired => {
                let text = "the consent has expired";
                return Err(Refusal::unauthorized("CONSENT_EXPIRED", text).at("Consent-ID"));
            }
            ConsentStatus::Received | ConsentStatus::Rejected | ConsentStatus::TerminatedByTpp => {
                let text = format!("the consent is {}", self.status.code());
                return Err(Refusal::unauthorized("CONSENT_INVALID", text).at("Consent-ID"));
            }
        }
        if iban.is_some_and(|iban| !self.wanted.covers(iban, part)) {
            let text = "the consent does not cover this account or service";
            return Err(Refusal::unauthorized("CONSENT_INVALID", text).at("Consent-ID"));
        }
        if is_attended {
            return Ok(());
        }
        let reads = self.reads.entry(endpoint.to_owned()).or_default();
        while reads.front().is_some_and(|read| read.saturating_add(DAY_MS) <= now_ms) {
            reads.pop_front();
        }
        if reads.len() as u64 >= self.wanted.frequency {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let text = "read too often in 24 hours without the customer";
            return Err(Refusal::new(status, "ACCESS_EXCEEDED", text));
        }
        reads.push_back(now_ms);
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let refs = |ibans: &[String]| -> Vec<Value> {
            ibans.iter().map(|iban| json!({"iban": iban})).collect()
        };
        let mut access = Map::new();
        let Wanted { accounts, balances, transactions, .. } = &self.wanted;
        let parts =
            [("accounts", accounts), ("balances", balances), ("transactions", transactions)];
        for (name, ibans) in parts.into_iter().filter(|(_, ibans)| !ibans.is_empty()) {
            access.insert(name.to_owned(), json!(refs(ibans)));
        }
        json!({
            "access": access,
            "recurringIndicator": self.wanted.is_recurring,
            "validUntil": self.wanted.valid_until,
            "frequencyPerDay": self.wanted.frequency,
            "lastActionDate": self.last_action,
            "consentStatus": self.status.code(),
        })
    }
}

const KNOWN: &[&str] = &["accounts", "balances", "transactions"];

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Accounts that one consent may name in one list.
const ACCOUNTS_MAX: usize = 50;

fn ibans(access: &Map<String, Value>, name: &'static str) -> Result<Vec<String>, Refusal> {
    let Some(list) = access.get(name) else { return Ok(Vec::new()) };
    let wrong = || Refusal::format(name, "must be a list of up to 50 accounts by IBAN");
    let list = list.as_array().filter(|list| list.len() <= ACCOUNTS_MAX).ok_or_else(wrong)?;
    let iban = |account: &Value| account.get("iban")?.as_str().map(str::to_owned);
    list.iter().map(|account| iban(account).ok_or_else(wrong)).collect()
}

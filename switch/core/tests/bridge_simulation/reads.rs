//! Balances that nobody asks for: what the bank counts of them, and what the journal knows.

use std::collections::{BTreeMap, BTreeSet};
use veksel_core::enquiry::{Ask, AskId, Enquiry};
use veksel_core::fact::{ConsentStatus, Endpoint, Fact, Linked};
use veksel_core::plan::BankPlan;
use veksel_core::{Record, RecordId, Utc};

const DAY: u64 = 24 * 3_600_000;

/// How many reads a bank is asked for at one time.
const AT_A_TIME: usize = 4;

/// How much later than planned a read may be: it waits for its turn, for the journal, and until
/// the oldest of a day no longer counts.
const LATE: u64 = 120_000;

/// Accounts that are linked and that nobody asks about.
const OTHERS: u8 = 7;

#[derive(Debug, Default)]
pub struct Reads {
    /// Reads of a day, and those of them that are left to others.
    most: usize,
    spare: usize,
    every: u64,
    /// When reads were recorded durably, by consent.
    recorded: BTreeMap<String, BTreeSet<u64>>,
    /// When they came to the bank.
    came: BTreeMap<String, Vec<u64>>,
    /// Those of this life that are not answered.
    open: BTreeSet<AskId>,
    /// How much of the journal was looked at.
    seen: usize,
    pub wrong: Vec<String>,
}

/// Linked accounts beside the one that is paid from.
pub fn others(until: Utc) -> Vec<Linked> {
    let other = |number: u8| Linked {
        account: format!("NO93860111180{number:02}"),
        bank: "dnb".into(),
        iban: format!("NO93860111180{number:02}"),
        currency: 578,
        customer: format!("c-{number}"),
        resource: format!("r-{number}"),
        consent: format!("consent-{number}"),
        status: ConsentStatus::Valid,
        until,
        state: [number; 16],
        ..Linked::default()
    };
    (2..2 + OTHERS).map(other).collect()
}

impl Reads {
    pub fn of(bank: &BankPlan) -> Self {
        let most = bank.unattended_max as usize;
        let spare = if bank.attended.is_empty() { 0 } else { most / 2 };
        Self { most, spare, every: bank.refresh_ms, ..Self::default() }
    }

    /// The engine asks for a read.
    pub fn asked(&mut self, ask: &Ask) {
        let Enquiry::Balances { is_attended, .. } = &ask.enquiry else { return };
        if *is_attended {
            self.wrong.push("a read that nobody asked for says that its customer is there".into());
        }
        self.open.insert(ask.id);
        if self.open.len() > AT_A_TIME {
            self.wrong.push(format!("{} reads at one time", self.open.len()));
        }
    }

    pub fn answered(&mut self, id: AskId) {
        self.open.remove(&id);
    }

    pub fn crashed(&mut self) {
        self.open.clear();
    }

    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// So much of the journal is durable.
    pub fn look(&mut self, journal: &[(RecordId, Record)], durable: RecordId) {
        let new = journal.get(self.seen..).unwrap_or_default();
        for (_, record) in new.iter().take_while(|(id, _)| *id <= durable) {
            self.seen += 1;
            let Record::Fact(known) = record else { continue };
            let Fact::Reads(reads) = &known.fact else { continue };
            if reads.endpoint == Endpoint::Balances {
                let at = reads.at.iter().map(|at| at.0);
                self.recorded.entry(reads.consent.clone()).or_default().extend(at);
            }
        }
    }

    /// A read comes to the bank, which counts it.
    pub fn came(&mut self, ask: &Ask, now: u64) {
        let Enquiry::Balances { account, .. } = &ask.enquiry else { return };
        let came = self.came.entry(account.consent.clone()).or_default();
        came.push(now);
        let in_a_day = came.iter().filter(|at| **at + DAY > now).count();
        if in_a_day > self.most {
            self.wrong.push(format!("{in_a_day} reads of {} in a day", account.consent));
        }
        let recorded = self.recorded.get(&account.consent).map_or(0, BTreeSet::len);
        if recorded < came.len() {
            self.wrong.push(format!("a read of {} left before it was counted", account.consent));
        }
    }

    /// How many came.
    pub fn count(&self) -> u64 {
        self.came.values().map(|came| came.len() as u64).sum()
    }

    /// At the end of a history whose last day had no faults: every account was read as often as it
    /// should and might.
    pub fn judge(&self, end: u64) -> Vec<String> {
        let may = self.most - self.spare;
        let by_time = usize::try_from((DAY - LATE) / (self.every + LATE)).unwrap_or(usize::MAX);
        let due = by_time.min(may);
        let accounts = 1 + usize::from(OTHERS);
        let mut wrong = Vec::new();
        if self.came.len() != accounts {
            wrong.push(format!("{} of {accounts} accounts were read", self.came.len()));
        }
        for (consent, came) in &self.came {
            let last = came.iter().filter(|at| **at + DAY + LATE > end).count();
            if last < due {
                wrong.push(format!("{consent} was read {last} times on the last day, not {due}"));
            }
        }
        wrong
    }
}

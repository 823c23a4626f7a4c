//! The bank of a history: small, durable, and made to misbehave. Its ledger is the judge's.
//!
//! `ideal` remembers every message and every reversal, also one whose original has not come.
//! `legacy` executes every copy it gets and answers 25 to a reversal it knows nothing of, and
//! then executes the original when it comes.

use std::collections::BTreeMap;
use veksel_codecs::structured::{OriginalData, replacement_amount};
use veksel_codecs::{Class, Message, ResponseCode, field};

/// Money that moved, per payment. A payment is known by its RRN, which is the same for its whole
/// life.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// How often it was executed.
    pub applied: u32,
    /// How often it was undone.
    pub undone: u32,
    /// Minor units that are moved now.
    pub moved: i64,
}

/// The bank's books.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    legacy: bool,
    /// By account; what customers have lost the bank's own account has won.
    pub balances: BTreeMap<String, i64>,
    pub effects: BTreeMap<String, Effect>,
    /// Executed requests by type class, trace number and RRN: amount, account, and whether
    /// undone.
    done: BTreeMap<Name, Done>,
    /// Reversals that came before what they name. Only `ideal` has any.
    tombstones: BTreeMap<Name, ()>,
}

type Name = (u8, u32, String);

#[derive(Clone, Debug)]
struct Done {
    amount: i64,
    account: String,
    response: &'static str,
    undone: bool,
}

const OWN: &str = "bank";

/// No account can spend more; a payment beyond it is a decline.
const RICH: u64 = 9_000_000;

impl Bank {
    pub fn new(legacy: bool) -> Self {
        Self { legacy, ..Self::default() }
    }

    /// Executes a request and says the code of its answer.
    pub fn execute(&mut self, request: &Message) -> &'static str {
        match request.mti().class() {
            Class::Network => "00",
            Class::Reversal => self.reverse(request),
            _ => self.pay(request),
        }
    }

    fn name(request: &Message) -> Name {
        let rrn = request.get(field::RRN).map(|rrn| rrn.to_string()).unwrap_or_default();
        let stan = request.get(field::STAN).unwrap_or_default();
        (request.mti().digits()[1], u32::try_from(stan).unwrap(), rrn)
    }

    fn pay(&mut self, request: &Message) -> &'static str {
        let name = Self::name(request);
        if self.tombstones.contains_key(&name) {
            return "21";
        }
        if let Some(done) = self.done.get(&name).filter(|_| !self.legacy) {
            return done.response;
        }
        let amount = i64::try_from(request.get(field::AMOUNT).unwrap_or_default()).unwrap();
        let account = request.get(field::ACCOUNT).unwrap().expose().to_owned();
        let response = if amount.unsigned_abs() > RICH { "51" } else { "00" };
        if response == "00" {
            self.move_money(&account, &name.2, amount);
            self.effects.entry(name.2.clone()).or_default().applied += 1;
        }
        self.done.insert(name, Done { amount, account, response, undone: false });
        response
    }

    fn move_money(&mut self, account: &str, rrn: &str, amount: i64) {
        *self.balances.entry(account.to_owned()).or_default() -= amount;
        *self.balances.entry(OWN.to_owned()).or_default() += amount;
        self.effects.entry(rrn.to_owned()).or_default().moved += amount;
    }

    fn reverse(&mut self, request: &Message) -> &'static str {
        let original = request.get(field::ORIGINAL_DATA);
        let Some(original) = original.and_then(|text| OriginalData::parse(&text)) else {
            return "30";
        };
        let rrn = request.get(field::RRN).map(|rrn| rrn.to_string()).unwrap_or_default();
        let name = (original.mti.digits()[1], original.stan, rrn);
        let Some(done) = self.done.get_mut(&name) else {
            if !self.legacy {
                self.tombstones.insert(name, ());
            }
            return "25";
        };
        if done.response != "00" {
            return if self.legacy { "25" } else { "00" };
        }
        if done.undone {
            return "00";
        }
        done.undone = true;
        let (account, amount) = (done.account.clone(), done.amount);
        let actual = request.get(field::REPLACEMENT_AMOUNTS);
        let actual = actual.and_then(|text| replacement_amount(&text)).unwrap_or(0);
        let back = amount - i64::try_from(actual).unwrap();
        self.move_money(&account, &name.2, -back);
        self.effects.entry(name.2).or_default().undone += 1;
        "00"
    }

    pub fn answer(&self, request: &Message, code: &str) -> Message {
        let mut answer = request.clone();
        answer.set_mti(request.mti().response().unwrap());
        answer.set(field::RESPONSE_CODE, ResponseCode::parse(code).unwrap());
        answer
    }
}

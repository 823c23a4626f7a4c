//! The channels of a history: what each payment is, what its terminal does about it, and what it
//! has heard.

use super::chance::{Chance, Faults};
use std::collections::BTreeSet;
use veksel_codecs::structured::{OriginalData, format_replacement};
use veksel_codecs::{Message, Mti, field};

/// A terminal gives up waiting after this many milliseconds.
pub const PATIENCE_MS: u64 = 20_000;

/// What a terminal wants to know now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// Whether it is paid.
    Asking,
    /// That it is taken back.
    TakingBack,
    /// Nothing any more.
    Done,
}

/// One payment and its terminal.
#[derive(Clone, Debug)]
pub struct Payment {
    pub number: u32,
    pub amount: u64,
    account: String,
    transmission: String,
    /// An advice (0220) rather than a request.
    pub advice: bool,
    /// It has the numbers of another payment and another amount.
    pub clash_of: Option<u32>,
    pub mood: Mood,
    /// What shall have moved after all, when only a part is taken back.
    pub actual: u64,
    /// Codes heard for the request.
    pub heard: BTreeSet<String>,
    /// Whether the taking back was confirmed.
    pub taken_back: bool,
    pub sends: u32,
    pub reversal_sends: u32,
    /// Which sending the running wait belongs to.
    pub wait: u32,
}

impl Payment {
    pub fn new(number: u32, chance: &mut Chance, faults: &Faults) -> Self {
        // A bank that forgets would post a repeated advice again; nobody can promise otherwise.
        let advice = !faults.legacy && chance.often(80_000);
        let poor = !advice && chance.often(60_000);
        let amount = if poor { 9_500_000 } else { chance.between(1, 90_000) };
        Self {
            number,
            amount,
            account: format!("1000000000{}", chance.below(4)),
            transmission: format!("11201428{:02}", chance.below(60)),
            advice,
            clash_of: None,
            mood: Mood::Asking,
            actual: if chance.often(200_000) { amount / 3 } else { 0 },
            heard: BTreeSet::new(),
            taken_back: false,
            sends: 0,
            reversal_sends: 0,
            wait: 0,
        }
    }

    /// Another payment under the same numbers.
    pub fn clash(&self, number: u32) -> Self {
        let clash_of = Some(self.number);
        let mut clash = self.clone();
        clash.heard.clear();
        Self { number, amount: self.amount % 90_000 + 1, clash_of, sends: 0, wait: 0, ..clash }
    }

    /// The number that all its messages share.
    pub fn rrn(&self) -> String {
        format!("{:012}", self.clash_of.unwrap_or(self.number))
    }

    fn message(&self, mti: &str, stan: u64) -> Message {
        let mut message = Message::of(Mti::parse(mti).unwrap());
        message.set(field::PAN, "4111111111111111");
        message.set(field::PROCESSING_CODE, "000000");
        message.set(field::AMOUNT, self.amount);
        message.set(field::TRANSMISSION, &self.transmission);
        message.set(field::STAN, stan);
        message.set(field::ACQUIRER, "500001");
        message.set(field::RRN, &self.rrn());
        message.set(field::TERMINAL, "T0000001");
        message.set(field::ACCEPTOR, "A00000000000001");
        message.set(field::CURRENCY, 578);
        message.set(field::PIN_BLOCK, b"13579135");
        message.set(field::ACCOUNT, &self.account);
        message
    }

    fn stan(&self) -> u64 {
        u64::from(self.clash_of.unwrap_or(self.number) % 9_999) + 1
    }

    /// The request, or its repeat.
    pub fn request(&mut self, repeat: bool) -> Message {
        self.sends += 1;
        let mti = match (self.advice, repeat) {
            (false, false) => "0200",
            (false, true) => "0201",
            (true, false) => "0220",
            (true, true) => "0221",
        };
        self.message(mti, self.stan())
    }

    /// The reversal, or its repeat.
    pub fn reversal(&mut self) -> Message {
        self.reversal_sends += 1;
        let mti = if self.reversal_sends == 1 { "0420" } else { "0421" };
        let mut message = self.message(mti, self.stan() + 100_000);
        message.remove(field::PIN_BLOCK);
        let original = OriginalData {
            mti: Mti::parse(if self.advice { "0220" } else { "0200" }).unwrap(),
            stan: u32::try_from(self.stan()).unwrap(),
            transmission: self.transmission.clone(),
            acquirer: "500001".into(),
            forwarder: String::new(),
        };
        message.set(field::ORIGINAL_DATA, &original.format());
        if self.actual > 0 {
            message.set(field::REPLACEMENT_AMOUNTS, &format_replacement(self.actual));
        }
        message
    }
}

//! Random histories against a model of a few lines, through the public interface only.
//!
//! The model knows nothing of keys' time windows, retention or files; it knows what each message
//! may do to two numbers per account, and that it may do it once. After every step the ledger
//! must agree with it, pass its own audit, and be what its effects alone rebuild.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, wherever in it")]

use std::collections::HashMap;

use proptest::prelude::*;
use veksel_simulator::ledger::{
    Capture, Class, Digest, Effect, Funds, Gl, HoldRef, Holder, Key, KeyParts, Ledger, Limits,
    NewAccount, Operation, Outcome, Owner, PlaceHold, Post, Product, Profile, Request, Reverse,
    Sending, Side, Status, Void,
};
use veksel_simulator::money::{Currency, Money};

const ACCOUNTS: [&str; 4] = ["1", "2", "3", "4"];
const OVERDRAFT: i64 = 300;
const START_MS: u64 = 1_800_000_000_000;

/// Small numbers, so that keys meet, money runs out and originals are found.
#[derive(Debug, Clone)]
enum Step {
    Transfer {
        stan: u32,
        from: usize,
        to: usize,
        minor: i64,
    },
    Withdraw {
        stan: u32,
        from: usize,
        minor: i64,
    },
    Deposit {
        stan: u32,
        to: usize,
        minor: i64,
    },
    Hold {
        stan: u32,
        from: usize,
        minor: i64,
    },
    Capture {
        stan: u32,
        hold: u32,
        minor: i64,
    },
    Void {
        stan: u32,
        hold: u32,
    },
    Reverse {
        stan: u32,
        class: Class,
        original: u32,
        actual: i64,
    },
    /// The n-th message from the end once more.
    Resend {
        back: usize,
        is_repeat: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let stan = 1..40_u32;
    let account = 0..ACCOUNTS.len();
    let minor = -5..400_i64;
    let class = prop_oneof![Just(Class::Authorization), Just(Class::Financial)];
    prop_oneof![
        3 => (stan.clone(), account.clone(), account.clone(), minor.clone())
            .prop_map(|(stan, from, to, minor)| Step::Transfer { stan, from, to, minor }),
        3 => (stan.clone(), account.clone(), minor.clone())
            .prop_map(|(stan, from, minor)| Step::Withdraw { stan, from, minor }),
        2 => (stan.clone(), account.clone(), minor.clone())
            .prop_map(|(stan, to, minor)| Step::Deposit { stan, to, minor }),
        3 => (stan.clone(), account, minor.clone())
            .prop_map(|(stan, from, minor)| Step::Hold { stan, from, minor }),
        3 => (stan.clone(), stan.clone(), minor)
            .prop_map(|(stan, hold, minor)| Step::Capture { stan, hold, minor }),
        1 => (stan.clone(), stan.clone()).prop_map(|(stan, hold)| Step::Void { stan, hold }),
        4 => (stan.clone(), class, stan, 0..200_i64).prop_map(|(stan, class, original, actual)| {
            // Half of them in full, the others down to a few minor units.
            let actual = (actual - 99).max(0);
            Step::Reverse { stan, class, original, actual }
        }),
        3 => (0..12_usize, any::<bool>())
            .prop_map(|(back, is_repeat)| Step::Resend { back, is_repeat }),
    ]
}

fn key(class: Class, stan: u32) -> Key {
    let (stan, rrn) = (format!("{stan:06}"), format!("{stan:012}"));
    let parts = KeyParts {
        transmitted: b"1120083000",
        stan: stan.as_bytes(),
        acquirer: b"123456",
        rrn: rrn.as_bytes(),
        terminal: b"TERM0001",
        acceptor: b"MERCHANT",
    };
    Key::new(class, parts).unwrap()
}

fn nok(minor: i64) -> Money {
    Money::new(minor, Currency::Nok)
}

fn side(place: usize) -> Side {
    Side::Account(ACCOUNTS[place].to_owned())
}

fn post(debit: Side, credit: Side, minor: i64) -> Operation {
    let (amount, narration) = (nok(minor), String::new());
    Operation::Post(Post { debit, credit, amount, tran_type: 40, narration, funds: Funds::Checked })
}

fn place_hold(from: usize, minor: i64) -> Operation {
    let (account, narration) = (ACCOUNTS[from].to_owned(), String::new());
    Operation::Hold(PlaceHold {
        account,
        amount: nok(minor),
        tran_type: 0,
        narration,
        funds: Funds::Checked,
    })
}

fn capture(hold: u32, minor: i64) -> Operation {
    Operation::Capture(Capture {
        hold: HoldRef::Key(key(Class::Authorization, hold)),
        amount: nok(minor),
        credit: Side::Bank(Gl::Merchant),
        narration: String::new(),
    })
}

fn request(step: &Step, sent: &[Request]) -> Option<Request> {
    let (class, stan, operation) = match *step {
        Step::Transfer { stan, from, to, minor } => {
            (Class::Financial, stan, post(side(from), side(to), minor))
        }
        Step::Withdraw { stan, from, minor } => {
            (Class::Financial, stan, post(side(from), Side::Bank(Gl::Cash), minor))
        }
        Step::Deposit { stan, to, minor } => {
            (Class::Financial, stan, post(Side::Bank(Gl::Cash), side(to), minor))
        }
        Step::Hold { stan, from, minor } => (Class::Authorization, stan, place_hold(from, minor)),
        Step::Capture { stan, hold, minor } => (Class::Financial, stan, capture(hold, minor)),
        Step::Void { stan, hold } => {
            let hold = HoldRef::Key(key(Class::Authorization, hold));
            (Class::Reversal, stan, Operation::Void(Void { hold }))
        }
        Step::Reverse { stan, class, original, actual } => {
            let (original, actual) = (key(class, original), Some(actual));
            (Class::Reversal, stan, Operation::Reverse(Reverse { original, actual }))
        }
        Step::Resend { back, is_repeat } => {
            let copy = sent.iter().rev().nth(back)?.clone();
            let sending = if is_repeat { Sending::Repeat } else { Sending::First };
            return Some(Request { sending, ..copy });
        }
    };
    let digest = Digest::of(&[format!("{operation:?}").as_bytes()]);
    Some(Request { key: key(class, stan), digest, sending: Sending::First, operation })
}

/// What one approved message did, and whether it was undone.
#[derive(Debug, Clone, Copy)]
enum Did {
    Nothing,
    Moved { from: Option<usize>, to: Option<usize>, minor: i64, is_undone: bool },
    Reserved { from: usize, asked: i64, left: i64, captured: Option<i64>, is_void: bool },
}

#[derive(Default)]
struct Model {
    ledger: [i64; ACCOUNTS.len()],
    held: [i64; ACCOUNTS.len()],
    did: HashMap<Key, Did>,
    digests: HashMap<Key, Digest>,
    buried: Vec<Key>,
}

impl Model {
    fn available(&self, place: usize) -> i64 {
        self.ledger[place] - self.held[place] + OVERDRAFT
    }

    fn shift(&mut self, from: Option<usize>, to: Option<usize>, minor: i64) {
        if let Some(from) = from {
            self.ledger[from] -= minor;
        }
        if let Some(to) = to {
            self.ledger[to] += minor;
        }
    }

    /// `None`: a copy, the earlier answer must come. Otherwise DE39.
    fn execute(&mut self, request: &Request) -> Option<&'static str> {
        if let Some(digest) = self.digests.get(&request.key) {
            return if *digest == request.digest { None } else { Some("94") };
        }
        let (code, did) = self.decide(request);
        if !matches!(code, "94" | "12" | "13") {
            self.digests.insert(request.key, request.digest);
            self.did.insert(request.key, did);
        }
        Some(code)
    }

    fn decide(&mut self, request: &Request) -> (&'static str, Did) {
        if self.buried.contains(&request.key) {
            return ("21", Did::Nothing);
        }
        match &request.operation {
            Operation::Post(post) => self.post(post),
            Operation::Hold(hold) => {
                let from = place(&hold.account);
                let minor = hold.amount.minor;
                if minor <= 0 {
                    return ("13", Did::Nothing);
                }
                if self.available(from) < minor {
                    return ("51", Did::Nothing);
                }
                self.held[from] += minor;
                let (captured, is_void) = (None, false);
                ("00", Did::Reserved { from, asked: minor, left: minor, captured, is_void })
            }
            Operation::Capture(capture) => self.capture(capture),
            Operation::Adjust(_) => unreachable!(),
            Operation::Void(void) => {
                let HoldRef::Key(original) = void.hold else { unreachable!() };
                match self.did.get(&original).copied() {
                    None => ("25", Did::Nothing),
                    Some(Did::Reserved { .. }) => (self.release(original, 0), Did::Nothing),
                    Some(Did::Nothing | Did::Moved { .. }) => ("21", Did::Nothing),
                }
            }
            Operation::Reverse(reverse) => {
                let actual = reverse.actual.unwrap_or(0);
                (self.reverse(reverse.original, actual), Did::Nothing)
            }
        }
    }

    fn post(&mut self, post: &Post) -> (&'static str, Did) {
        let of = |side: &Side| match side {
            Side::Account(number) => Some(place(number)),
            Side::Bank(_) => None,
        };
        let (from, to, minor) = (of(&post.debit), of(&post.credit), post.amount.minor);
        if minor <= 0 {
            return ("13", Did::Nothing);
        }
        if from == to {
            return ("12", Did::Nothing);
        }
        if from.is_some_and(|from| self.available(from) < minor) {
            return ("51", Did::Nothing);
        }
        self.shift(from, to, minor);
        ("00", Did::Moved { from, to, minor, is_undone: false })
    }

    fn capture(&mut self, capture: &Capture) -> (&'static str, Did) {
        let HoldRef::Key(original) = capture.hold else { unreachable!() };
        let minor = capture.amount.minor;
        if minor <= 0 {
            return ("13", Did::Nothing);
        }
        let Some(did) = self.did.get_mut(&original) else {
            return ("25", Did::Nothing);
        };
        let Did::Reserved { from, left, captured, is_void, .. } = did else {
            return ("21", Did::Nothing);
        };
        match *captured {
            Some(posted) if posted == minor => return ("00", Did::Nothing),
            Some(_) => return ("94", Did::Nothing),
            None => {}
        }
        if *is_void {
            return ("21", Did::Nothing);
        }
        if minor * 100 > *left * 115 {
            return ("61", Did::Nothing);
        }
        let (from, released) = (*from, *left);
        (*captured, *left) = (Some(minor), 0);
        self.held[from] -= released;
        self.shift(Some(from), None, minor);
        ("00", Did::Moved { from: Some(from), to: None, minor, is_undone: false })
    }

    fn reverse(&mut self, original: Key, actual: i64) -> &'static str {
        match self.did.get_mut(&original) {
            None => {
                self.buried.push(original);
                "25"
            }
            Some(Did::Nothing) => "21",
            Some(Did::Moved { is_undone: true, .. }) => "00",
            Some(Did::Moved { minor, .. }) if actual > *minor => "13",
            Some(Did::Moved { minor, .. }) if actual == *minor => "21",
            Some(Did::Moved { from, to, minor, is_undone }) => {
                *is_undone = true;
                let (from, to, back) = (*from, *to, *minor - actual);
                self.shift(to, from, back);
                "00"
            }
            Some(Did::Reserved { .. }) => self.release(original, actual),
        }
    }

    fn release(&mut self, original: Key, actual: i64) -> &'static str {
        let Some(Did::Reserved { from, asked, left, captured, is_void }) =
            self.did.get_mut(&original)
        else {
            unreachable!()
        };
        if captured.is_some() {
            return "21";
        }
        if *is_void {
            return "00";
        }
        if actual > *asked {
            return "13";
        }
        if actual > 0 && *left < *asked {
            return "00";
        }
        if actual == *left {
            return "21";
        }
        self.held[*from] -= *left - actual;
        (*left, *is_void) = (actual, actual == 0);
        "00"
    }
}

fn place(number: &str) -> usize {
    ACCOUNTS.iter().position(|known| *known == number).unwrap()
}

fn bank() -> Ledger {
    let mut ledger = Ledger::new(Limits::STANDARD, Profile::Ideal);
    for number in ACCOUNTS {
        let holder = Holder {
            customer: "C1".to_owned(),
            product: Product::Current,
            status: Status::Active,
            overdraft: OVERDRAFT,
            opened: "20200101".to_owned(),
            branch: "0001".to_owned(),
            iban: number.to_owned(),
        };
        let (number, currency) = (number.to_owned(), Currency::Nok);
        let owner = Owner::Customer(holder);
        ledger.open_account(NewAccount { number, currency, owner }).unwrap();
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_history_conserves_money_and_executes_each_message_once(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut ledger = bank();
        let mut model = Model::default();
        let mut sent: Vec<Request> = Vec::new();
        let mut answers = HashMap::new();
        let mut effects: Vec<Effect> = Vec::new();
        for (now, step) in (START_MS..).zip(&steps) {
            let Some(request) = request(step, &sent) else { continue };
            let verdict = ledger.execute(now, &request);
            let reply = verdict.reply;
            match model.execute(&request) {
                None => {
                    prop_assert!(verdict.is_replay && verdict.effect.is_none(), "{:?}", request);
                    prop_assert_eq!(Some(&reply), answers.get(&request.key));
                }
                Some(code) => {
                    prop_assert!(!verdict.is_replay, "{:?}", request);
                    prop_assert_eq!(reply.outcome.response_code(), code, "{:?}", request);
                    prop_assert_eq!(verdict.effect.is_some(), reply.outcome.is_remembered());
                    if reply.outcome.is_remembered() {
                        answers.insert(request.key, reply);
                    }
                }
            }
            effects.extend(verdict.effect);
            sent.push(request);
            if let Err(problems) = ledger.audit() {
                prop_assert!(false, "{:?}", problems);
            }
            for (place, number) in ACCOUNTS.iter().enumerate() {
                let (_, account, _) = ledger.customer_account(number).unwrap();
                let balances = account.balances();
                let expected = (model.ledger[place], model.held[place]);
                prop_assert_eq!((balances.ledger, balances.held), expected, "{}", number);
            }
        }
        let mut rebuilt = bank();
        for effect in &effects {
            prop_assert_eq!(rebuilt.apply(effect), Ok(()));
        }
        prop_assert!(rebuilt == ledger, "effects do not lead to the same ledger");
    }

    #[test]
    fn an_original_and_its_reversal_leave_nothing_in_either_order(
        is_reversal_first in any::<bool>(),
        copies in prop::collection::vec(any::<bool>(), 0..8),
        minor in 1..OVERDRAFT
    ) {
        let mut ledger = bank();
        let original = request(&Step::Withdraw { stan: 1, from: 0, minor }, &[]);
        let class = Class::Financial;
        let undo = request(&Step::Reverse { stan: 1, class, original: 1, actual: 0 }, &[]);
        let (original, undo) = (original.unwrap(), undo.unwrap());
        let mut order = vec![is_reversal_first, !is_reversal_first];
        order.extend(copies);
        for (now, is_reversal) in (START_MS..).zip(order) {
            let request = if is_reversal { &undo } else { &original };
            let outcome = ledger.execute(now, request).reply.outcome;
            prop_assert_ne!(outcome, Outcome::Conflict);
        }
        let (_, account, _) = ledger.customer_account("1").unwrap();
        prop_assert_eq!(account.ledger(), 0);
        prop_assert!(ledger.audit().is_ok());
    }
}

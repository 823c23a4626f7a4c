//! Records to store: one of every variant, and as many payments as a test wants.

use std::sync::Arc;
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::enquiry::BankAccount;
use veksel_core::fact::*;
use veksel_core::record::*;
use veksel_core::time::Utc;
use veksel_store::keys::{NonceSource, SealError, Sealer};
use veksel_store::{Entry, Keys};

/// 2026-11-20T14:28:07.123Z.
pub(crate) const NOON: u64 = 1_795_184_887_123;

pub(crate) fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&[7; 32]).unwrap())
}

/// Nonces that count, so that sealed bytes can be golden.
struct Counting(u8);

impl NonceSource for Counting {
    fn nonce(&mut self) -> Result<[u8; 12], SealError> {
        self.0 += 1;
        Ok([self.0; 12])
    }
}

pub(crate) fn golden_sealer() -> Sealer {
    Sealer::with_nonces(keys(), Box::new(Counting(0)))
}

pub(crate) fn key(n: u64) -> DuplicateKey {
    let stan = u32::try_from(n % 1_000_000).unwrap();
    DuplicateKey {
        participant: "atm".into(),
        class: b'2',
        transmission: String::from_utf8(Utc(NOON + n).transmission().to_vec()).unwrap(),
        stan,
        acquirer: "12345678901".into(),
        rrn: format!("632414{stan:06}"),
        terminal: format!("ATM{:05}", n % 64),
        acceptor: "BANK00000000001".into(),
    }
}

/// The n-th payment; every third has a card.
pub(crate) fn intent(n: u64) -> Intent {
    // Seventeen over and over would be the packed digits of a card.
    let mark = Some(n % 251).filter(|mark| *mark != 17).unwrap_or(251);
    Intent {
        txn: TxnId(n),
        utc: Utc(NOON + n),
        key: key(n),
        digest: [u8::try_from(mark).unwrap(); 32],
        link: "atm-north".into(),
        route: "transfers".into(),
        group: "cbs".into(),
        mti: Mti::known(b"0200"),
        code: "400000".into(),
        amount: 12_345,
        currency: 578,
        host_stan: u32::try_from(n % 999_999).unwrap() + 1,
        local_time: "152807".into(),
        local_date: "1120".into(),
        forwarder: "98765432101".into(),
        pan: n.is_multiple_of(3).then(|| CardNumber::new("4111111111111111")),
        account: "10000000001".into(),
        counter_account: "10000000002".into(),
        original: String::new(),
        carried: Vec::new(),
        caller_key: None,
    }
}

/// The n-th payment, of a request that its caller knows by this.
pub(crate) fn keyed(n: u64, key: u8, content: u8) -> Record {
    let caller_key = Some(CallerKey { key: [key; 16], content: [content; 16] });
    Record::Intent(Arc::new(Intent { caller_key, ..intent(n) }))
}

pub(crate) fn outcome(n: u64, verdict: Verdict, response: ResponseCode, reason: Reason) -> Record {
    Record::Outcome(Box::new(Outcome {
        txn: TxnId(n),
        utc: Utc(NOON + n + 40),
        verdict,
        response,
        reason,
        answer: vec![(38, "123456".into()), (54, "1001578C000000125000".into())],
    }))
}

pub(crate) fn approved(n: u64) -> Record {
    outcome(n, Verdict::Answered, ResponseCode::APPROVED, Reason::Host)
}

pub(crate) fn indefinite(n: u64) -> Record {
    outcome(n, Verdict::Indefinite, ResponseCode::OUTCOME_UNKNOWN, Reason::Timeout)
}

pub(crate) fn reversal(n: u64, step: ReversalStep) -> Record {
    Record::Reversal(Reversal { txn: TxnId(n), utc: Utc(NOON + n + 50), step })
}

pub(crate) fn queued(n: u64) -> Record {
    reversal(n, ReversalStep::Queued { reason: Reason::Timeout, actual: None })
}

pub(crate) fn settled(n: u64) -> Record {
    reversal(n, ReversalStep::Settled { response: ResponseCode::APPROVED })
}

pub(crate) fn payment(n: u64) -> Record {
    Record::Intent(Arc::new(intent(n)))
}

pub(crate) fn inquiry(n: u64) -> Record {
    Record::Inquiry(Box::new(Inquiry {
        txn: TxnId(n),
        utc: Utc(NOON + n),
        participant: "mobile".into(),
        link: "mobile".into(),
        route: "balances".into(),
        mti: Mti::known(b"0200"),
        code: "310000".into(),
        stan: 77,
        rrn: "632414000077".into(),
        terminal: "MOB00001".into(),
        account: "10000000002".into(),
        verdict: Verdict::Answered,
        response: ResponseCode::APPROVED,
        reason: Reason::Host,
    }))
}

pub(crate) fn notice(n: u64) -> Record {
    Record::Notice(Notice {
        utc: Utc(NOON + n),
        actor: "switch".into(),
        action: "start".into(),
        detail: "version 0.1.0".into(),
    })
}

pub(crate) fn fact(n: u64, fact: Fact) -> Record {
    Record::Fact(Box::new(Known { utc: Utc(NOON + n), fact }))
}

pub(crate) fn linked(n: u64, account: &str, status: ConsentStatus) -> Record {
    let linked = Linked {
        account: account.into(),
        bank: "nordbank".into(),
        iban: "NO9386011117947".into(),
        currency: 578,
        customer: "customer-1".into(),
        resource: "3dc3d5b3-7023".into(),
        consent: "consent-7".into(),
        status,
        until: Utc(NOON + 7_776_000_000),
        state: [7; 16],
        approve: "https://bank.example/consent".into(),
        link: "0011aabbccdd".into(),
        is_over: false,
    };
    fact(n, Fact::Linked(linked))
}

pub(crate) fn unlinked(n: u64, account: &str) -> Record {
    let linked = Linked { account: account.into(), is_over: true, ..Linked::default() };
    fact(n, Fact::Linked(linked))
}

pub(crate) fn card(n: u64, account: &str, is_over: bool) -> Record {
    fact(n, Fact::Card(Card { digest: [9; 32], account: account.into(), is_over }))
}

pub(crate) fn customer(n: u64, customer: &str, status: KycStatus) -> Record {
    let customer = Customer {
        customer: customer.into(),
        applicant: "63e092c51b7b4030f2e01154".into(),
        status,
        level: "basic-kyc-level".into(),
        reviewed: Utc(NOON),
        document_until: Utc(NOON + 31_536_000_000),
        born: Some(-315_619_200_000),
        newest: Utc(NOON + 1),
        is_unconfirmed: true,
        events: vec![("applicantCreated".into(), Utc(NOON)), ("applicantReviewed".into(), Utc(1))],
    };
    fact(n, Fact::Customer(customer))
}

pub(crate) fn balance(n: u64, account: &str, available: i64) -> Record {
    let (account, synced) = (account.into(), Utc(NOON + n));
    let (ledger, currency, state, is_over) = (250_000, 578, [7; 16], false);
    let cached = Cached { account, ledger, available, currency, synced, state, is_over };
    fact(n, Fact::Balance(cached))
}

pub(crate) fn reads(n: u64, at: &[u64]) -> Record {
    let (consent, resource) = ("consent-7".into(), "3dc3d5b3-7023".into());
    let at = at.iter().map(|at| Utc(*at)).collect();
    fact(n, Fact::Reads(Reads { consent, resource, endpoint: Endpoint::Balances, at }))
}

/// A payment of this transaction at a bank.
pub(crate) fn paid(n: u64, state: PaymentState, is_over: bool) -> Record {
    let payment = Payment {
        txn: TxnId(n),
        utc: Utc(NOON + n),
        bank: "nordbank".into(),
        state,
        key: [0x91; 16],
        token: [0xab; 16],
        payment: "1b3ab8e8-0fd5".into(),
        product: "norwegian-domestic-credit-transfers".into(),
        approve: "https://bank.example/sca/1".into(),
        link: "ddccbbaa1100".into(),
        debtor: BankAccount {
            iban: "NO9386011117947".into(),
            resource: "3dc3d5b3-7023".into(),
            consent: "consent-7".into(),
            customer: "customer-1".into(),
        },
        creditor: "86011117947".into(),
        creditor_name: "Kiosk Oslo S".into(),
        reference: "1234567897".into(),
        told: Some(ResponseCode::APPROVED),
        advice: None,
        is_cancelled: false,
        is_revoked: false,
        case: None,
        code: String::new(),
        is_over,
    };
    fact(n, Fact::Payment(payment))
}

/// Numbers the records from `first`.
pub(crate) fn numbered(first: u64, records: impl IntoIterator<Item = Record>) -> Vec<Entry> {
    (first..).map(RecordId).zip(records).collect()
}

/// A payment and its approval, for each of these transactions.
pub(crate) fn payments(txns: std::ops::Range<u64>) -> impl Iterator<Item = Record> {
    txns.flat_map(|n| [payment(n), approved(n)])
}

/// Every variant with the name of its golden line. Additions go to the end.
pub(crate) fn every() -> Vec<(String, Record)> {
    let bare = Intent {
        key: DuplicateKey {
            acquirer: String::new(),
            rrn: String::new(),
            terminal: String::new(),
            acceptor: String::new(),
            ..key(1)
        },
        currency: 0,
        local_time: String::new(),
        local_date: String::new(),
        forwarder: String::new(),
        account: String::new(),
        counter_account: String::new(),
        ..intent(1)
    };
    let advice = Intent {
        mti: Mti::known(b"0221"),
        original: "0100000004112014280700012345678900000000000".into(),
        carried: vec![(48, "3010H000000001".into()), (18, "6011".into())],
        ..intent(2)
    };
    let parked = |response| reversal(9, ReversalStep::Parked { response });
    let resolved =
        ReversalStep::Resolved { operator: "ida".into(), note: "refunded by hand".into() };
    let in_part =
        reversal(5, ReversalStep::Queued { reason: Reason::Cancelled, actual: Some(5_000) });
    let mut all = vec![
        ("intent with card", payment(3)),
        ("intent bare", Record::Intent(Arc::new(bare))),
        ("intent advice", Record::Intent(Arc::new(advice))),
        ("reversal queued", queued(5)),
        ("reversal queued in part", in_part),
        ("reversal sent", reversal(5, ReversalStep::Sent { attempt: 300 })),
        ("reversal settled", settled(5)),
        ("reversal parked", parked(Some(ResponseCode::FORMAT_ERROR))),
        ("reversal parked unanswered", parked(None)),
        ("reversal resolved", reversal(9, resolved)),
        ("inquiry", inquiry(6)),
        ("notice", notice(7)),
    ];
    for verdict in Verdict::ALL {
        all.push((verdict.word(), outcome(4, *verdict, ResponseCode::APPROVED, Reason::Host)));
    }
    for reason in Reason::ALL {
        let response = ResponseCode::HOST_UNAVAILABLE;
        all.push((reason.word(), outcome(4, Verdict::NotSent, response, *reason)));
    }
    let mut all: Vec<_> = all.into_iter().map(|(name, record)| (name.to_owned(), record)).collect();
    all.extend(facts());
    all.push(("intent of a caller".to_owned(), keyed(10, 0xa1, 0xc1)));
    all.push(("intent of a caller with card".to_owned(), keyed(12, 0xa3, 0xc3)));
    all
}

/// Every kind of fact, and every word that one can say.
fn facts() -> Vec<(String, Record)> {
    let bare = Payment { txn: TxnId(8), ..Payment::default() };
    let late = Payment {
        txn: TxnId(9),
        state: PaymentState::Late,
        advice: ResponseCode::parse("68"),
        is_cancelled: true,
        is_revoked: true,
        case: Some(Case::LateCompletion),
        code: "SERVICE_BLOCKED".into(),
        ..bare.clone()
    };
    let gone = Customer { customer: "customer-2".into(), ..Customer::default() };
    let debt = Cached { ledger: i64::MIN, available: -1, ..Cached::default() };
    let lines = Reads {
        consent: String::new(),
        resource: "r".into(),
        endpoint: Endpoint::Transactions,
        at: vec![],
    };
    let all = [
        ("linked", linked(1, "10000000001", ConsentStatus::Valid)),
        ("unlinked", unlinked(2, "10000000001")),
        ("customer", customer(3, "customer-1", KycStatus::Approved)),
        ("customer bare", fact(3, Fact::Customer(gone))),
        ("balance", balance(4, "10000000001", 125_000)),
        ("balance below zero", fact(4, Fact::Balance(debt))),
        ("reads", reads(5, &[NOON, NOON + 1])),
        ("reads of nothing", fact(5, Fact::Reads(lines))),
        ("card", card(7, "10000000001", false)),
        ("card gone", card(7, "10000000001", true)),
        ("payment", paid(6, PaymentState::Pending, false)),
        ("payment bare", fact(8, Fact::Payment(bare.clone()))),
        ("payment late", fact(9, Fact::Payment(late))),
    ];
    let mut all: Vec<_> = all.map(|(name, record)| (name.to_owned(), record)).into();
    for status in ConsentStatus::ALL {
        all.push((format!("consent {}", status.word()), linked(1, "1", *status)));
    }
    for status in KycStatus::ALL {
        all.push((format!("check {}", status.word()), customer(1, "c", *status)));
    }
    for state in PaymentState::ALL {
        all.push((format!("payment {}", state.word()), paid(6, *state, true)));
    }
    for case in Case::ALL {
        let payment = Payment { case: Some(*case), ..bare.clone() };
        all.push((format!("case {}", case.word()), fact(8, Fact::Payment(payment))));
    }
    all
}

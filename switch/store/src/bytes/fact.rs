//! The bytes of facts (kind 6): when one was established, a byte that says which it is, and its
//! fields in the order of the struct.
//!
//! A number that may be below zero is written zigzag, so that small ones of either sign are short
//! and there is one way to write each.

use super::wire::{BytesError, Cursor, Flaw, put_length, put_number, put_text};
use super::{take_choice, take_response, take_text};
use veksel_core::enquiry::BankAccount;
use veksel_core::fact::{
    Cached, Card, Case, ConsentStatus, Customer, Endpoint, Fact, KycStatus, Linked, Payment,
    PaymentState, Reads,
};
use veksel_core::record::{Known, TxnId};
use veksel_core::time::Utc;

const LINKED: u8 = 1;
const CUSTOMER: u8 = 2;
const BALANCE: u8 = 3;
const READS: u8 = 4;
const PAYMENT: u8 = 5;
const CARD: u8 = 6;

pub(super) fn put_known(out: &mut Vec<u8>, known: &Known) {
    let Known { utc, fact } = known;
    put_number(out, utc.0);
    match fact {
        Fact::Linked(linked) => {
            out.push(LINKED);
            put_linked(out, linked);
        }
        Fact::Customer(customer) => {
            out.push(CUSTOMER);
            put_customer(out, customer);
        }
        Fact::Balance(cached) => {
            out.push(BALANCE);
            put_cached(out, cached);
        }
        Fact::Reads(reads) => {
            out.push(READS);
            put_reads(out, reads);
        }
        Fact::Payment(payment) => {
            out.push(PAYMENT);
            put_payment(out, payment);
        }
        Fact::Card(card) => {
            out.push(CARD);
            put_card(out, card);
        }
    }
}

pub(super) fn take_known(from: &mut Cursor<'_>) -> Result<Known, BytesError> {
    let utc = Utc(from.number("utc")?);
    let offset = from.offset();
    let fact = match from.byte("fact")? {
        LINKED => Fact::Linked(take_linked(from)?),
        CUSTOMER => Fact::Customer(take_customer(from)?),
        BALANCE => Fact::Balance(take_cached(from)?),
        READS => Fact::Reads(take_reads(from)?),
        PAYMENT => Fact::Payment(take_payment(from)?),
        CARD => Fact::Card(take_card(from)?),
        other => return Err(BytesError { field: "fact", offset, flaw: Flaw::Unknown(other) }),
    };
    Ok(Known { utc, fact })
}

fn put_linked(out: &mut Vec<u8>, linked: &Linked) {
    let Linked {
        account,
        bank,
        iban,
        currency,
        customer,
        resource,
        consent,
        status,
        until,
        state,
        approve,
        link,
        is_over,
    } = linked;
    put_text(out, account);
    put_text(out, bank);
    put_text(out, iban);
    put_number(out, *currency);
    put_text(out, customer);
    put_text(out, resource);
    put_text(out, consent);
    out.push(consent_code(*status));
    put_number(out, until.0);
    out.extend_from_slice(state);
    put_text(out, approve);
    put_text(out, link);
    out.push(u8::from(*is_over));
}

fn take_linked(from: &mut Cursor<'_>) -> Result<Linked, BytesError> {
    Ok(Linked {
        account: take_text(from, "account")?,
        bank: take_text(from, "bank")?,
        iban: take_text(from, "iban")?,
        currency: from.number("currency")?,
        customer: take_text(from, "customer")?,
        resource: take_text(from, "resource")?,
        consent: take_text(from, "consent")?,
        status: take_word(from, "status", ConsentStatus::ALL, consent_code)?,
        until: Utc(from.number("until")?),
        state: from.array("state")?,
        approve: take_text(from, "approve")?,
        link: take_text(from, "link")?,
        is_over: take_choice(from, "is_over")?,
    })
}

fn put_customer(out: &mut Vec<u8>, customer: &Customer) {
    let Customer {
        customer,
        applicant,
        status,
        level,
        reviewed,
        document_until,
        born,
        newest,
        is_unconfirmed,
        events,
    } = customer;
    put_text(out, customer);
    put_text(out, applicant);
    out.push(kyc_code(*status));
    put_text(out, level);
    put_number(out, reviewed.0);
    put_number(out, document_until.0);
    out.push(u8::from(born.is_some()));
    if let Some(born) = born {
        put_signed(out, *born);
    }
    put_number(out, newest.0);
    out.push(u8::from(*is_unconfirmed));
    put_length(out, events.len());
    for (kind, at) in events {
        put_text(out, kind);
        put_number(out, at.0);
    }
}

fn take_customer(from: &mut Cursor<'_>) -> Result<Customer, BytesError> {
    Ok(Customer {
        customer: take_text(from, "customer")?,
        applicant: take_text(from, "applicant")?,
        status: take_word(from, "status", KycStatus::ALL, kyc_code)?,
        level: take_text(from, "level")?,
        reviewed: Utc(from.number("reviewed")?),
        document_until: Utc(from.number("document_until")?),
        born: take_choice(from, "born")?.then(|| take_signed(from, "born")).transpose()?,
        newest: Utc(from.number("newest")?),
        is_unconfirmed: take_choice(from, "is_unconfirmed")?,
        events: take_list(from, "events", |from| {
            Ok((take_text(from, "events")?, Utc(from.number("events")?)))
        })?,
    })
}

fn put_cached(out: &mut Vec<u8>, cached: &Cached) {
    let Cached { account, ledger, available, currency, synced, state, is_over } = cached;
    put_text(out, account);
    put_signed(out, *ledger);
    put_signed(out, *available);
    put_number(out, *currency);
    put_number(out, synced.0);
    out.extend_from_slice(state);
    out.push(u8::from(*is_over));
}

fn take_cached(from: &mut Cursor<'_>) -> Result<Cached, BytesError> {
    Ok(Cached {
        account: take_text(from, "account")?,
        ledger: take_signed(from, "ledger")?,
        available: take_signed(from, "available")?,
        currency: from.number("currency")?,
        synced: Utc(from.number("synced")?),
        state: from.array("state")?,
        is_over: take_choice(from, "is_over")?,
    })
}

fn put_reads(out: &mut Vec<u8>, reads: &Reads) {
    let Reads { consent, resource, endpoint, at } = reads;
    put_text(out, consent);
    put_text(out, resource);
    out.push(endpoint_code(*endpoint));
    put_length(out, at.len());
    for at in at {
        put_number(out, at.0);
    }
}

fn take_reads(from: &mut Cursor<'_>) -> Result<Reads, BytesError> {
    Ok(Reads {
        consent: take_text(from, "consent")?,
        resource: take_text(from, "resource")?,
        endpoint: take_word(from, "endpoint", Endpoint::ALL, endpoint_code)?,
        at: take_list(from, "at", |from| Ok(Utc(from.number("at")?)))?,
    })
}

fn put_payment(out: &mut Vec<u8>, payment: &Payment) {
    let Payment {
        txn,
        utc,
        bank,
        state,
        key,
        token,
        payment,
        product,
        approve,
        link,
        debtor,
        creditor,
        creditor_name,
        reference,
        told,
        advice,
        is_cancelled,
        is_revoked,
        case,
        code,
        is_over,
    } = payment;
    let BankAccount { iban, resource, consent, customer } = debtor;
    put_number(out, txn.0);
    put_number(out, utc.0);
    put_text(out, bank);
    out.push(state_code(*state));
    out.extend_from_slice(key);
    out.extend_from_slice(token);
    put_text(out, payment);
    put_text(out, product);
    put_text(out, approve);
    let who = [iban, resource, consent, customer, creditor, creditor_name, reference];
    for text in core::iter::once(link).chain(who) {
        put_text(out, text);
    }
    for response in [told, advice] {
        out.push(u8::from(response.is_some()));
        if let Some(response) = response {
            out.extend_from_slice(response.as_str().as_bytes());
        }
    }
    out.push(u8::from(*is_cancelled));
    out.push(u8::from(*is_revoked));
    // No case is a number of its own: 0.
    out.push(case.map_or(0, case_code));
    put_text(out, code);
    out.push(u8::from(*is_over));
}

fn take_payment(from: &mut Cursor<'_>) -> Result<Payment, BytesError> {
    Ok(Payment {
        txn: TxnId(from.number("txn")?),
        utc: Utc(from.number("utc")?),
        bank: take_text(from, "bank")?,
        state: take_word(from, "state", PaymentState::ALL, state_code)?,
        key: from.array("key")?,
        token: from.array("token")?,
        payment: take_text(from, "payment")?,
        product: take_text(from, "product")?,
        approve: take_text(from, "approve")?,
        link: take_text(from, "link")?,
        debtor: BankAccount {
            iban: take_text(from, "iban")?,
            resource: take_text(from, "resource")?,
            consent: take_text(from, "consent")?,
            customer: take_text(from, "customer")?,
        },
        creditor: take_text(from, "creditor")?,
        creditor_name: take_text(from, "creditor_name")?,
        reference: take_text(from, "reference")?,
        told: take_choice(from, "told")?.then(|| take_response(from)).transpose()?,
        advice: take_choice(from, "advice")?.then(|| take_response(from)).transpose()?,
        is_cancelled: take_choice(from, "is_cancelled")?,
        is_revoked: take_choice(from, "is_revoked")?,
        case: take_case(from)?,
        code: take_text(from, "code")?,
        is_over: take_choice(from, "is_over")?,
    })
}

fn put_card(out: &mut Vec<u8>, card: &Card) {
    let Card { digest, account, is_over } = card;
    out.extend_from_slice(digest);
    put_text(out, account);
    out.push(u8::from(*is_over));
}

fn take_card(from: &mut Cursor<'_>) -> Result<Card, BytesError> {
    Ok(Card {
        digest: from.array("digest")?,
        account: take_text(from, "account")?,
        is_over: take_choice(from, "is_over")?,
    })
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_number(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

fn take_signed(from: &mut Cursor<'_>, field: &'static str) -> Result<i64, BytesError> {
    let bits: u64 = from.number(field)?;
    Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
}

fn take_list<T>(
    from: &mut Cursor<'_>,
    field: &'static str,
    take: impl Fn(&mut Cursor<'_>) -> Result<T, BytesError>,
) -> Result<Vec<T>, BytesError> {
    let count: u64 = from.number(field)?;
    // Grows with what is there: the count is only a claim.
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(take(from)?);
    }
    Ok(list)
}

fn take_word<T: Copy>(
    from: &mut Cursor<'_>,
    field: &'static str,
    all: &[T],
    code_of: impl Fn(T) -> u8,
) -> Result<T, BytesError> {
    let offset = from.offset();
    let code = from.byte(field)?;
    let known = all.iter().copied().find(|value| code_of(*value) == code);
    known.ok_or(BytesError { field, offset, flaw: Flaw::Unknown(code) })
}

fn take_case(from: &mut Cursor<'_>) -> Result<Option<Case>, BytesError> {
    let offset = from.offset();
    match from.byte("case")? {
        0 => Ok(None),
        code => match Case::ALL.iter().copied().find(|case| case_code(*case) == code) {
            Some(case) => Ok(Some(case)),
            None => Err(BytesError { field: "case", offset, flaw: Flaw::Unknown(code) }),
        },
    }
}

// Stored for years: numbers are added, never changed or given to another value.

const fn consent_code(status: ConsentStatus) -> u8 {
    match status {
        ConsentStatus::Asking => 1,
        ConsentStatus::Waiting => 2,
        ConsentStatus::Valid => 3,
        ConsentStatus::Expired => 4,
        ConsentStatus::Gone => 5,
    }
}

const fn kyc_code(status: KycStatus) -> u8 {
    match status {
        KycStatus::None => 1,
        KycStatus::Pending => 2,
        KycStatus::OnHold => 3,
        KycStatus::Resubmit => 4,
        KycStatus::Approved => 5,
        KycStatus::Rejected => 6,
        KycStatus::Risk => 7,
    }
}

const fn endpoint_code(endpoint: Endpoint) -> u8 {
    match endpoint {
        Endpoint::Balances => 1,
        Endpoint::Transactions => 2,
    }
}

const fn state_code(state: PaymentState) -> u8 {
    match state {
        PaymentState::Initiating => 1,
        PaymentState::Unknown => 2,
        PaymentState::Pending => 3,
        PaymentState::Expiring => 4,
        PaymentState::Cancelling => 5,
        PaymentState::Accepted => 6,
        PaymentState::Settled => 7,
        PaymentState::Rejected => 8,
        PaymentState::Cancelled => 9,
        PaymentState::Expired => 10,
        PaymentState::Late => 11,
    }
}

const fn case_code(case: Case) -> u8 {
    match case {
        Case::LateCompletion => 1,
        Case::Compensation => 2,
        Case::Unresolved => 3,
        Case::Revoked => 4,
        Case::Mismatch => 5,
        Case::Unpaid => 6,
    }
}

//! Records as bytes, and back. What is written here is read for years: the golden test
//! (`tests/store/golden.rs`) fails if a single bit of a version changes.
//!
//! ```text
//! version (1, 2) · kind (1 to 6) · the fields in the order of the struct, without names
//! ```
//!
//! Version 2 is an intent with what its caller knows it by, behind the other fields. One without
//! is version 1, so that equal records have equal bytes.
//!
//! Decoding is total: any bytes are a record or a [`BytesError`] that says where they stop being
//! one. A card number is sealed (see [`crate::keys`]); everything else is in clear, and there is
//! nothing else a record holds that PCI DSS forbids to keep.
//!
//! To add a field or a variant: leave the versions there are as they are, add another, decode all.
//! A kind that is new changes no bytes there are, and an older program says that it does not know
//! it.

mod fact;
mod wire;

pub use wire::{BytesError, Flaw};

use crate::keys::{SealError, Sealed, Sealer};
use std::sync::Arc;
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::record::{
    CallerKey, CardNumber, DuplicateKey, Inquiry, Intent, Notice, Outcome, Reason, Record,
    RecordId, Reversal, ReversalStep, TxnId, Verdict,
};
use veksel_core::time::Utc;
use wire::{Cursor, put_length, put_number, put_text};

const FIRST: u8 = 1;

/// Of an intent that says what its caller knows it by.
const KEYED: u8 = 2;

/// Appends the bytes of a record to `out`.
///
/// # Errors
/// A card number cannot be sealed. Nothing else fails, whatever the record holds.
pub fn encode(
    id: RecordId,
    record: &Record,
    sealer: &mut Sealer,
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    out.push(version(record));
    out.push(kind(record));
    match record {
        Record::Intent(intent) => put_intent(out, id, intent, sealer)?,
        Record::Outcome(outcome) => put_outcome(out, outcome),
        Record::Reversal(reversal) => put_reversal(out, reversal),
        Record::Inquiry(inquiry) => put_inquiry(out, inquiry),
        Record::Notice(notice) => put_notice(out, notice),
        Record::Fact(known) => fact::put_known(out, known),
    }
    Ok(())
}

/// Reads a record that was stored under this number.
///
/// # Errors
/// The bytes are not a record, or its card number was sealed for another place.
pub fn decode(id: RecordId, bytes: &[u8], sealer: &mut Sealer) -> Result<Record, BytesError> {
    let mut from = Cursor::new(bytes);
    let version = from.byte("version")?;
    if ![FIRST, KEYED].contains(&version) {
        return Err(BytesError { field: "version", offset: 0, flaw: Flaw::Unknown(version) });
    }
    let record = match (from.byte("kind")?, version) {
        (INTENT, _) => Record::Intent(Arc::new(take_intent(&mut from, id, version, sealer)?)),
        (OUTCOME, FIRST) => Record::Outcome(Box::new(take_outcome(&mut from)?)),
        (REVERSAL, FIRST) => Record::Reversal(take_reversal(&mut from)?),
        (INQUIRY, FIRST) => Record::Inquiry(Box::new(take_inquiry(&mut from)?)),
        (NOTICE, FIRST) => Record::Notice(take_notice(&mut from)?),
        (FACT, FIRST) => Record::Fact(Box::new(fact::take_known(&mut from)?)),
        (other, _) => {
            return Err(BytesError { field: "kind", offset: 1, flaw: Flaw::Unknown(other) });
        }
    };
    from.finish()?;
    Ok(record)
}

const INTENT: u8 = 1;
const OUTCOME: u8 = 2;
const REVERSAL: u8 = 3;
const INQUIRY: u8 = 4;
const NOTICE: u8 = 5;
const FACT: u8 = 6;

/// The oldest version that can say all of it.
fn version(record: &Record) -> u8 {
    match record {
        Record::Intent(intent) if intent.caller_key.is_some() => KEYED,
        Record::Intent(_)
        | Record::Outcome(_)
        | Record::Reversal(_)
        | Record::Inquiry(_)
        | Record::Notice(_)
        | Record::Fact(_) => FIRST,
    }
}

/// The number of the variant.
fn kind(record: &Record) -> u8 {
    match record {
        Record::Intent(_) => INTENT,
        Record::Outcome(_) => OUTCOME,
        Record::Reversal(_) => REVERSAL,
        Record::Inquiry(_) => INQUIRY,
        Record::Notice(_) => NOTICE,
        Record::Fact(_) => FACT,
    }
}

/// Appends the duplicate key, in the one form that [`crate::index`] takes the digest of.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &DuplicateKey) {
    let DuplicateKey { participant, class, transmission, stan, acquirer, rrn, terminal, acceptor } =
        key;
    put_text(out, participant);
    out.push(*class);
    put_text(out, transmission);
    put_number(out, *stan);
    put_text(out, acquirer);
    put_text(out, rrn);
    put_text(out, terminal);
    put_text(out, acceptor);
}

fn take_key(from: &mut Cursor<'_>) -> Result<DuplicateKey, BytesError> {
    Ok(DuplicateKey {
        participant: take_text(from, "participant")?,
        class: from.byte("class")?,
        transmission: take_text(from, "transmission")?,
        stan: from.number("stan")?,
        acquirer: take_text(from, "acquirer")?,
        rrn: take_text(from, "rrn")?,
        terminal: take_text(from, "terminal")?,
        acceptor: take_text(from, "acceptor")?,
    })
}

fn put_intent(
    out: &mut Vec<u8>,
    id: RecordId,
    intent: &Intent,
    sealer: &mut Sealer,
) -> Result<(), SealError> {
    let Intent {
        txn,
        utc,
        key,
        digest,
        link,
        route,
        group,
        mti,
        code,
        amount,
        currency,
        host_stan,
        local_time,
        local_date,
        forwarder,
        pan,
        account,
        counter_account,
        original,
        carried,
        caller_key,
    } = intent;
    put_number(out, txn.0);
    put_number(out, utc.0);
    put_key(out, key);
    out.extend_from_slice(digest);
    put_text(out, link);
    put_text(out, route);
    put_text(out, group);
    out.extend_from_slice(mti.digits());
    put_text(out, code);
    put_number(out, *amount);
    put_number(out, *currency);
    put_number(out, *host_stan);
    put_text(out, local_time);
    put_text(out, local_date);
    put_text(out, forwarder);
    put_card(out, id, &key.participant, pan.as_ref(), sealer)?;
    put_text(out, account);
    put_text(out, counter_account);
    put_text(out, original);
    put_fields(out, carried);
    if let Some(CallerKey { key, content }) = caller_key {
        out.extend_from_slice(key);
        out.extend_from_slice(content);
    }
    Ok(())
}

fn take_intent(
    from: &mut Cursor<'_>,
    id: RecordId,
    version: u8,
    sealer: &mut Sealer,
) -> Result<Intent, BytesError> {
    let txn = TxnId(from.number("txn")?);
    let utc = Utc(from.number("utc")?);
    let key = take_key(from)?;
    Ok(Intent {
        txn,
        utc,
        digest: from.array("digest")?,
        link: take_text(from, "link")?,
        route: take_text(from, "route")?,
        group: take_text(from, "group")?,
        mti: take_mti(from)?,
        code: take_text(from, "code")?,
        amount: from.number("amount")?,
        currency: from.number("currency")?,
        host_stan: from.number("host_stan")?,
        local_time: take_text(from, "local_time")?,
        local_date: take_text(from, "local_date")?,
        forwarder: take_text(from, "forwarder")?,
        pan: take_card(from, id, &key.participant, sealer)?,
        account: take_text(from, "account")?,
        counter_account: take_text(from, "counter_account")?,
        original: take_text(from, "original")?,
        carried: take_fields(from, "carried")?,
        caller_key: match version {
            KEYED => Some(take_caller_key(from)?),
            _ => None,
        },
        key,
    })
}

fn take_caller_key(from: &mut Cursor<'_>) -> Result<CallerKey, BytesError> {
    Ok(CallerKey { key: from.array("caller_key")?, content: from.array("caller_key")? })
}

fn put_outcome(out: &mut Vec<u8>, outcome: &Outcome) {
    let Outcome { txn, utc, verdict, response, reason, answer } = outcome;
    put_number(out, txn.0);
    put_number(out, utc.0);
    out.push(verdict_code(*verdict));
    out.extend_from_slice(response.as_str().as_bytes());
    out.push(reason_code(*reason));
    put_fields(out, answer);
}

/// Fields of a message by number.
fn put_fields(out: &mut Vec<u8>, fields: &[(u8, String)]) {
    put_length(out, fields.len());
    for (field, value) in fields {
        out.push(*field);
        put_text(out, value);
    }
}

fn take_fields(from: &mut Cursor<'_>, name: &'static str) -> Result<Vec<(u8, String)>, BytesError> {
    let count: u64 = from.number(name)?;
    // Grows with what is there: the count is only a claim.
    let mut fields = Vec::new();
    for _ in 0..count {
        let field = from.byte(name)?;
        fields.push((field, take_text(from, name)?));
    }
    Ok(fields)
}

fn take_outcome(from: &mut Cursor<'_>) -> Result<Outcome, BytesError> {
    let txn = TxnId(from.number("txn")?);
    let utc = Utc(from.number("utc")?);
    let verdict = take_verdict(from)?;
    let response = take_response(from)?;
    let reason = take_reason(from)?;
    let answer = take_fields(from, "answer")?;
    Ok(Outcome { txn, utc, verdict, response, reason, answer })
}

const QUEUED: u8 = 1;
const SENT: u8 = 2;
const SETTLED: u8 = 3;
const PARKED: u8 = 4;
const RESOLVED: u8 = 5;

fn put_reversal(out: &mut Vec<u8>, reversal: &Reversal) {
    let Reversal { txn, utc, step } = reversal;
    put_number(out, txn.0);
    put_number(out, utc.0);
    match step {
        ReversalStep::Queued { reason, actual } => {
            out.push(QUEUED);
            out.push(reason_code(*reason));
            out.push(u8::from(actual.is_some()));
            if let Some(actual) = actual {
                put_number(out, *actual);
            }
        }
        ReversalStep::Sent { attempt } => {
            out.push(SENT);
            put_number(out, *attempt);
        }
        ReversalStep::Settled { response } => {
            out.push(SETTLED);
            out.extend_from_slice(response.as_str().as_bytes());
        }
        ReversalStep::Parked { response } => {
            out.push(PARKED);
            out.push(u8::from(response.is_some()));
            if let Some(response) = response {
                out.extend_from_slice(response.as_str().as_bytes());
            }
        }
        ReversalStep::Resolved { operator, note } => {
            out.push(RESOLVED);
            put_text(out, operator);
            put_text(out, note);
        }
    }
}

fn take_reversal(from: &mut Cursor<'_>) -> Result<Reversal, BytesError> {
    let txn = TxnId(from.number("txn")?);
    let utc = Utc(from.number("utc")?);
    let offset = from.offset();
    let step = match from.byte("step")? {
        QUEUED => ReversalStep::Queued {
            reason: take_reason(from)?,
            actual: take_choice(from, "actual")?.then(|| from.number("actual")).transpose()?,
        },
        SENT => ReversalStep::Sent { attempt: from.number("attempt")? },
        SETTLED => ReversalStep::Settled { response: take_response(from)? },
        PARKED => ReversalStep::Parked {
            response: take_choice(from, "response")?.then(|| take_response(from)).transpose()?,
        },
        RESOLVED => ReversalStep::Resolved {
            operator: take_text(from, "operator")?,
            note: take_text(from, "note")?,
        },
        other => return Err(BytesError { field: "step", offset, flaw: Flaw::Unknown(other) }),
    };
    Ok(Reversal { txn, utc, step })
}

fn put_inquiry(out: &mut Vec<u8>, inquiry: &Inquiry) {
    let Inquiry {
        txn,
        utc,
        participant,
        link,
        route,
        mti,
        code,
        stan,
        rrn,
        terminal,
        account,
        verdict,
        response,
        reason,
    } = inquiry;
    put_number(out, txn.0);
    put_number(out, utc.0);
    put_text(out, participant);
    put_text(out, link);
    put_text(out, route);
    out.extend_from_slice(mti.digits());
    put_text(out, code);
    put_number(out, *stan);
    put_text(out, rrn);
    put_text(out, terminal);
    put_text(out, account);
    out.push(verdict_code(*verdict));
    out.extend_from_slice(response.as_str().as_bytes());
    out.push(reason_code(*reason));
}

fn take_inquiry(from: &mut Cursor<'_>) -> Result<Inquiry, BytesError> {
    Ok(Inquiry {
        txn: TxnId(from.number("txn")?),
        utc: Utc(from.number("utc")?),
        participant: take_text(from, "participant")?,
        link: take_text(from, "link")?,
        route: take_text(from, "route")?,
        mti: take_mti(from)?,
        code: take_text(from, "code")?,
        stan: from.number("stan")?,
        rrn: take_text(from, "rrn")?,
        terminal: take_text(from, "terminal")?,
        account: take_text(from, "account")?,
        verdict: take_verdict(from)?,
        response: take_response(from)?,
        reason: take_reason(from)?,
    })
}

fn put_notice(out: &mut Vec<u8>, notice: &Notice) {
    let Notice { utc, actor, action, detail } = notice;
    put_number(out, utc.0);
    put_text(out, actor);
    put_text(out, action);
    put_text(out, detail);
}

fn take_notice(from: &mut Cursor<'_>) -> Result<Notice, BytesError> {
    Ok(Notice {
        utc: Utc(from.number("utc")?),
        actor: take_text(from, "actor")?,
        action: take_text(from, "action")?,
        detail: take_text(from, "detail")?,
    })
}

fn put_card(
    out: &mut Vec<u8>,
    id: RecordId,
    participant: &str,
    pan: Option<&CardNumber>,
    sealer: &mut Sealer,
) -> Result<(), SealError> {
    out.push(u8::from(pan.is_some()));
    let Some(pan) = pan else { return Ok(()) };
    let Sealed { key, nonce, text } = sealer.seal(id, participant, pan)?;
    out.extend_from_slice(&key);
    out.extend_from_slice(&nonce);
    put_length(out, text.len());
    out.extend_from_slice(text);
    Ok(())
}

fn take_card(
    from: &mut Cursor<'_>,
    id: RecordId,
    participant: &str,
    sealer: &mut Sealer,
) -> Result<Option<CardNumber>, BytesError> {
    if !take_choice(from, "pan")? {
        return Ok(None);
    }
    let offset = from.offset();
    let key = from.array("pan")?;
    let nonce = from.array("pan")?;
    let text = from.block("pan")?;
    match sealer.unseal(id, participant, &Sealed { key, nonce, text }) {
        Ok(pan) => Ok(Some(pan)),
        Err(SealError::OtherKey) => Err(BytesError { field: "pan", offset, flaw: Flaw::Key }),
        Err(SealError::Altered | SealError::Cipher | SealError::Random) => {
            Err(BytesError { field: "pan", offset, flaw: Flaw::Tampered })
        }
    }
}

fn take_text(from: &mut Cursor<'_>, field: &'static str) -> Result<String, BytesError> {
    from.text(field).map(str::to_owned)
}

fn take_choice(from: &mut Cursor<'_>, field: &'static str) -> Result<bool, BytesError> {
    let offset = from.offset();
    match from.byte(field)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(BytesError { field, offset, flaw: Flaw::Unknown(other) }),
    }
}

fn take_mti(from: &mut Cursor<'_>) -> Result<Mti, BytesError> {
    let offset = from.offset();
    let digits = from.array("mti")?;
    Mti::from_ascii(digits).ok_or(BytesError { field: "mti", offset, flaw: Flaw::Form })
}

fn take_response(from: &mut Cursor<'_>) -> Result<ResponseCode, BytesError> {
    let offset = from.offset();
    let bytes = from.take("response", 2)?;
    str::from_utf8(bytes).ok().and_then(ResponseCode::parse).ok_or(BytesError {
        field: "response",
        offset,
        flaw: Flaw::Form,
    })
}

fn take_verdict(from: &mut Cursor<'_>) -> Result<Verdict, BytesError> {
    let offset = from.offset();
    let code = from.byte("verdict")?;
    let known = Verdict::ALL.iter().find(|verdict| verdict_code(**verdict) == code);
    known.copied().ok_or(BytesError { field: "verdict", offset, flaw: Flaw::Unknown(code) })
}

fn take_reason(from: &mut Cursor<'_>) -> Result<Reason, BytesError> {
    let offset = from.offset();
    let code = from.byte("reason")?;
    let known = Reason::ALL.iter().find(|reason| reason_code(**reason) == code);
    known.copied().ok_or(BytesError { field: "reason", offset, flaw: Flaw::Unknown(code) })
}

/// Stored for years: numbers are added, never changed or given to another value.
fn verdict_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::NotSent => 1,
        Verdict::Indefinite => 2,
        Verdict::Answered => 3,
        Verdict::Accepted => 4,
    }
}

/// Stored for years: numbers are added, never changed or given to another value.
fn reason_code(reason: Reason) -> u8 {
    match reason {
        Reason::Host => 1,
        Reason::NoConnection => 2,
        Reason::BreakerOpen => 3,
        Reason::Overload => 4,
        Reason::Expired => 5,
        Reason::ClosedUnsent => 6,
        Reason::Unencodable => 7,
        Reason::Timeout => 8,
        Reason::ClosedSent => 9,
        Reason::Mismatch => 10,
        Reason::Restart => 11,
        Reason::Undelivered => 12,
        Reason::Duplicate => 13,
        Reason::Cancelled => 14,
        Reason::Advice => 15,
        Reason::Gate => 16,
        Reason::Unapproved => 17,
    }
}

//! Decoding is total, and encoding is one to one.

use crate::sample::{every, golden_sealer, keyed, keys, payment as nth_payment};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;
use veksel_codecs::{Mti, ResponseCode};
use veksel_core::enquiry::BankAccount;
use veksel_core::fact::*;
use veksel_core::record::*;
use veksel_core::time::Utc;
use veksel_store::bytes::{Flaw, decode, encode};
use veksel_store::keys::Sealer;

fn bytes_of(id: RecordId, record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(id, record, &mut golden_sealer(), &mut bytes).unwrap();
    bytes
}

fn mti() -> impl Strategy<Value = Mti> {
    "[0-9]{4}".prop_map(|digits| Mti::parse(&digits).unwrap())
}

fn response() -> impl Strategy<Value = ResponseCode> {
    "[!-~]{2}".prop_map(|code| ResponseCode::parse(&code).unwrap())
}

fn reason() -> impl Strategy<Value = Reason> {
    prop::sample::select(Reason::ALL)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(Verdict::ALL)
}

prop_compose! {
    fn key()(
        texts in vec(".{0,20}", 6), class: u8, stan: u32,
    ) -> DuplicateKey {
        let [participant, transmission, acquirer, rrn, terminal, acceptor] =
            texts.try_into().unwrap();
        DuplicateKey { participant, class, transmission, stan, acquirer, rrn, terminal, acceptor }
    }
}

prop_compose! {
    fn intent()(
        key in key(), txn: u64, utc: u64, digest: [u8; 32], texts in vec(".{0,12}", 10),
        mti in mti(), amount: u64, currency: u16, host_stan: u32,
        pan in prop::option::of("[0-9]{0,19}"), carried in vec((any::<u8>(), ".{0,20}"), 0..4),
        caller_key: Option<[[u8; 16]; 2]>,
    ) -> Record {
        let [link, route, group, code, local_time, local_date, forwarder, account,
            counter_account, original] = texts.try_into().unwrap();
        Record::Intent(Arc::new(Intent {
            txn: TxnId(txn), utc: Utc(utc), key, digest, link, route, group, mti, code, amount,
            currency, host_stan, local_time, local_date, forwarder,
            pan: pan.map(|digits| CardNumber::new(&digits)), account, counter_account, original,
            carried, caller_key: caller_key.map(|[key, content]| CallerKey { key, content }),
        }))
    }
}

prop_compose! {
    fn outcome()(
        txn: u64, utc: u64, verdict in verdict(), response in response(), reason in reason(),
        answer in vec((any::<u8>(), ".{0,40}"), 0..6),
    ) -> Record {
        let (txn, utc) = (TxnId(txn), Utc(utc));
        Record::Outcome(Box::new(Outcome { txn, utc, verdict, response, reason, answer }))
    }
}

fn step() -> impl Strategy<Value = ReversalStep> {
    prop_oneof![
        (reason(), any::<Option<u64>>())
            .prop_map(|(reason, actual)| ReversalStep::Queued { reason, actual }),
        any::<u32>().prop_map(|attempt| ReversalStep::Sent { attempt }),
        response().prop_map(|response| ReversalStep::Settled { response }),
        prop::option::of(response()).prop_map(|response| ReversalStep::Parked { response }),
        (".{0,12}", ".{0,200}")
            .prop_map(|(operator, note)| ReversalStep::Resolved { operator, note }),
    ]
}

prop_compose! {
    fn inquiry()(
        txn: u64, utc: u64, texts in vec(".{0,12}", 7), mti in mti(), stan: u32,
        verdict in verdict(), response in response(), reason in reason(),
    ) -> Record {
        let [participant, link, route, code, rrn, terminal, account] = texts.try_into().unwrap();
        Record::Inquiry(Box::new(Inquiry {
            txn: TxnId(txn), utc: Utc(utc), participant, link, route, mti, code, stan, rrn,
            terminal, account, verdict, response, reason,
        }))
    }
}

prop_compose! {
    fn linked()(
        texts in vec(".{0,20}", 8), currency: u16, until: u64, state: [u8; 16],
        is_over: bool,
        status in prop::sample::select(ConsentStatus::ALL),
    ) -> Fact {
        let [account, bank, iban, customer, resource, consent, approve, link] =
            texts.try_into().unwrap();
        Fact::Linked(Linked {
            account, bank, iban, currency, customer, resource, consent, status,
            until: Utc(until), state, approve, link, is_over,
        })
    }
}

prop_compose! {
    fn customer()(
        texts in vec(".{0,20}", 3), times: [u64; 3], born: Option<i64>,
        is_unconfirmed: bool, status in prop::sample::select(KycStatus::ALL),
        events in vec((".{0,20}", any::<u64>().prop_map(Utc)), 0..4),
    ) -> Fact {
        let [customer, applicant, level] = texts.try_into().unwrap();
        let [reviewed, document_until, newest] = times.map(Utc);
        Fact::Customer(Customer {
            customer, applicant, status, level, reviewed, document_until, born, newest,
            is_unconfirmed, events,
        })
    }
}

prop_compose! {
    fn payment()(
        txn: u64, utc: u64, texts in vec(".{0,12}", 13), key: [u8; 16], token: [u8; 16],
        state in prop::sample::select(PaymentState::ALL),
        told in prop::option::of(response()), advice in prop::option::of(response()),
        case in prop::option::of(prop::sample::select(Case::ALL)), flags: [bool; 3],
    ) -> Fact {
        let [
            bank, payment, product, approve, code, link, iban, resource, consent, customer,
            creditor, creditor_name, reference,
        ] = texts.try_into().unwrap();
        let [is_cancelled, is_revoked, is_over] = flags;
        let debtor = BankAccount { iban, resource, consent, customer };
        Fact::Payment(Payment {
            txn: TxnId(txn), utc: Utc(utc), bank, state, key, token, payment, product, approve,
            link, debtor, creditor, creditor_name, reference, told, advice, is_cancelled,
            is_revoked, case, code, is_over,
        })
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    let endpoint = prop::sample::select(Endpoint::ALL);
    prop_oneof![
        linked(),
        customer(),
        payment(),
        (".{0,20}", any::<[i64; 2]>(), any::<u16>(), any::<(u64, [u8; 16], bool)>()).prop_map(
            |(account, [ledger, available], currency, (synced, state, is_over))| {
                let synced = Utc(synced);
                Fact::Balance(Cached {
                    account,
                    ledger,
                    available,
                    currency,
                    synced,
                    state,
                    is_over,
                })
            }
        ),
        (".{0,9}", ".{0,9}", endpoint, vec(any::<u64>().prop_map(Utc), 0..5)).prop_map(
            |(consent, resource, endpoint, at)| {
                Fact::Reads(Reads { consent, resource, endpoint, at })
            }
        ),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        intent(),
        outcome(),
        (any::<u64>(), any::<u64>(), step()).prop_map(|(txn, utc, step)| {
            Record::Reversal(Reversal { txn: TxnId(txn), utc: Utc(utc), step })
        }),
        inquiry(),
        (any::<u64>(), ".{0,9}", ".{0,9}", ".{0,99}").prop_map(|(utc, actor, action, detail)| {
            Record::Notice(Notice { utc: Utc(utc), actor, action, detail })
        }),
        (any::<u64>(), fact())
            .prop_map(|(utc, fact)| Record::Fact(Box::new(Known { utc: Utc(utc), fact }))),
    ]
}

proptest! {
    #[test]
    fn a_record_survives_its_bytes(id: u64, record in record()) {
        let id = RecordId(id);
        let bytes = bytes_of(id, &record);
        prop_assert_eq!(decode(id, &bytes, &mut Sealer::new(keys())), Ok(record));
    }

    #[test]
    fn any_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let mut sealer = golden_sealer();
        if let Err(error) = decode(RecordId(1), &bytes, &mut sealer) {
            prop_assert!(error.offset <= bytes.len());
        }
    }

    #[test]
    fn altered_bytes_never_panic(
        record in record(), at: prop::sample::Index, value: u8, cut: prop::sample::Index,
    ) {
        let id = RecordId(1);
        let mut bytes = bytes_of(id, &record);
        let place = at.index(bytes.len());
        bytes[place] = value;
        bytes.truncate(cut.index(bytes.len()) + 1);
        // What still decodes has exactly these bytes: there is no second way to write a record.
        let mut sealer = golden_sealer();
        if let Ok(read) = decode(id, &bytes, &mut sealer) {
            let has_card = matches!(&read, Record::Intent(intent) if intent.pan.is_some());
            prop_assert!(has_card || bytes_of(id, &read) == bytes);
        }
    }
}

#[test]
fn every_beginning_and_every_tail_is_refused() {
    for (name, record) in every() {
        let id = RecordId(1);
        let mut bytes = bytes_of(id, &record);
        for cut in 0..bytes.len() {
            let error = decode(id, &bytes[..cut], &mut golden_sealer()).unwrap_err();
            assert!(error.offset <= cut, "{name} cut at {cut}: {error}");
        }
        bytes.push(0);
        let error = decode(id, &bytes, &mut golden_sealer()).unwrap_err();
        assert_eq!((error.offset, error.flaw), (bytes.len() - 1, Flaw::Trailing), "{name}");
    }
}

/// Version 2 is version 1 and what the caller knows the request by; nothing is said in both.
#[test]
fn what_a_caller_knows_a_request_by_stands_behind_the_rest() {
    let id = RecordId(7);
    for n in [1, 3] {
        let without = bytes_of(id, &nth_payment(n));
        let with = bytes_of(id, &keyed(n, 0xaa, 0xcc));
        assert_eq!((without[0], with[0]), (1, 2));
        assert_eq!(with[1..without.len()], without[1..]);
        assert_eq!(with[without.len()..], [[0xaa; 16], [0xcc; 16]].concat());
        // Neither says it is the other.
        let as_second = [&[2][..], &without[1..]].concat();
        let error = decode(id, &as_second, &mut golden_sealer()).unwrap_err();
        assert_eq!((error.field, error.flaw), ("caller_key", Flaw::Truncated));
        let as_first = [&[1][..], &with[1..]].concat();
        let error = decode(id, &as_first, &mut golden_sealer()).unwrap_err();
        assert_eq!(error.flaw, Flaw::Trailing);
    }
}

#[test]
fn a_declared_length_costs_nothing() {
    // A notice whose first text claims 2^62 bytes, and an outcome that claims 2^62 fields.
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
    let notice = [&[1, 5, 0][..], &huge].concat();
    let outcome = [&[1, 2, 0, 0, 3, b'0', b'0', 1][..], &huge].concat();
    // Reads of nothing, 2^62 times.
    let reads = [&[1, 6, 0, 4, 0, 0, 1][..], &huge].concat();
    for bytes in [notice, outcome, reads] {
        let error = decode(RecordId(1), &bytes, &mut golden_sealer()).unwrap_err();
        assert_eq!(error.flaw, Flaw::Truncated);
    }
}

#[test]
fn errors_name_the_field_and_the_byte() {
    let cases: [(&[u8], &str); 8] = [
        (&[], "field version at byte 0: the bytes end inside it"),
        (&[0], "field version at byte 0: value 0 is unknown to this version"),
        (&[3], "field version at byte 0: value 3 is unknown to this version"),
        // Nothing but an intent is of version 2.
        (&[2, 5, 0, 0, 0, 0], "field kind at byte 1: value 5 is unknown to this version"),
        (&[1, 9], "field kind at byte 1: value 9 is unknown to this version"),
        (&[1, 5, 0x80, 0], "field utc at byte 2: the number is not in its shortest form"),
        (&[1, 5, 0, 2, 0xff, 0xfe], "field actor at byte 3: the text is not UTF-8"),
        (
            &[1, 3, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0x1f],
            "field attempt at byte 5: the number is \
            out of range",
        ),
    ];
    for (bytes, text) in cases {
        let error = decode(RecordId(1), bytes, &mut golden_sealer()).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

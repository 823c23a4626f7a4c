//! A bank with the shipped seeds, and requests that are complete unless a test changes them.

use crate::watch::{Watch, search_shown, watch};
use std::rc::Rc;

use bytes::BytesMut;
use veksel_codecs::structured::{OriginalData, table::Table, tags};
use veksel_codecs::{Codec, Dialect, FieldNumber, FieldSet, Message, Mti, field};
use veksel_core::time::Utc;
use veksel_simulator::directory::Directory;
use veksel_simulator::issuer::{Issuer, NamePolicy, Settings};
use veksel_simulator::ledger::{Effect, Ledger, Limits, Profile};
use veksel_simulator::seeds::Seeds;

/// 2026-11-20T12:00:00Z.
pub(crate) const START: Utc = Utc(1_795_176_000_000);

/// A current account, a savings account of the same customer, and one of somebody else.
pub(crate) const CURRENT: &str = "10000000001";
pub(crate) const SAVINGS: &str = "10000000002";
pub(crate) const OTHER: &str = "10000000005";
/// The card of [`CURRENT`].
pub(crate) const CARD: &str = "4111111111111111";

pub(crate) struct Bank {
    pub(crate) issuer: Issuer,
    pub(crate) codec: Rc<Codec>,
    pub(crate) now: Utc,
    pub(crate) effects: Vec<Effect>,
    pub(crate) is_replay: bool,
    pub(crate) delay_ms: u64,
    _watch: Watch,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self::speaking(Dialect::shipped("cbs-ascii-bin").unwrap())
    }

    pub(crate) fn speaking(dialect: Dialect) -> Self {
        let codec = Rc::new(Codec::new(dialect));
        let opening = Seeds::embedded().unwrap().open(Limits::STANDARD, Profile::Ideal).unwrap();
        let settings = settings();
        let issuer = Issuer::new(opening.ledger, opening.directory, settings, Rc::clone(&codec));
        let (now, effects) = (START, Vec::new());
        Self { issuer, codec, now, effects, is_replay: false, delay_ms: 0, _watch: watch() }
    }

    /// The same bank after it has read back its book.
    pub(crate) fn restarted(&self, ledger: Ledger, directory: Directory) -> Self {
        let codec = Rc::clone(&self.codec);
        let issuer = Issuer::new(ledger, directory, settings(), Rc::clone(&codec));
        let (now, effects) = (self.now, Vec::new());
        Self { issuer, codec, now, effects, is_replay: false, delay_ms: 0, _watch: watch() }
    }

    /// The answer to a frame, if there is one, as bytes and read back.
    pub(crate) fn frame(&mut self, frame: &[u8]) -> Option<(Message, Vec<u8>)> {
        let mut message = Message::new();
        let decoded = self.codec.decode_into(frame, &mut message);
        let checked = decoded.map_err(veksel_codecs::Refusal::Format);
        let checked = checked.and_then(|()| self.codec.check(&message, false));
        let request = message.clone();
        search_shown("a request", &(&request, &checked));
        let reply = match checked {
            Ok(()) => self.issuer.handle(self.now, message),
            Err(refusal) => self.issuer.refuse(self.now, message, refusal),
        };
        search_shown("an answer", &(&reply.answer, &reply.effect));
        self.effects.extend(reply.effect);
        (self.is_replay, self.delay_ms) = (reply.is_replay, reply.delay_ms);
        let mut bytes = BytesMut::new();
        let encoded = self.codec.encode(&reply.answer?, &mut bytes);
        encoded.unwrap_or_else(|error| panic!("the answer cannot be written: {error}"));
        let mut answer = Message::new();
        self.codec.decode_into(&bytes, &mut answer).unwrap();
        assert_well_formed(&self.codec, &request, &answer);
        Some((answer, bytes.to_vec()))
    }

    pub(crate) fn send(&mut self, request: &Message) -> Message {
        let mut bytes = BytesMut::new();
        self.codec.encode(request, &mut bytes).unwrap();
        self.frame(&bytes).unwrap_or_else(|| panic!("no answer to {request:?}")).0
    }

    /// DE39.
    pub(crate) fn code(&mut self, request: &Message) -> String {
        code(&self.send(request))
    }

    /// Sends what must be approved.
    pub(crate) fn approve(&mut self, request: &Message) -> Message {
        let answer = self.send(request);
        assert_eq!(code(&answer), "00", "{request:?}");
        answer
    }

    /// Ledger and available balance.
    pub(crate) fn balances(&self, account: &str) -> (i64, i64) {
        let (_, account, _) = self.issuer.ledger().customer_account(account).unwrap();
        (account.balances().ledger, account.balances().available())
    }

    pub(crate) fn assert_conserved(&self) {
        self.issuer.ledger().audit().unwrap();
    }
}

fn settings() -> Settings {
    Settings {
        institution: "600001".to_owned(),
        magic: true,
        late_ms: 20_000,
        statement_lines: 10,
        names: NamePolicy::Masked,
    }
}

/// What the presence matrix says of an answer.
pub(crate) fn assert_well_formed(codec: &Codec, request: &Message, answer: &Message) {
    assert_eq!(Some(answer.mti()), request.mti().response());
    let code = answer.get(field::RESPONSE_CODE).unwrap();
    let secrets: FieldSet = [35, 36, 45, 52, 55].into_iter().map(number).collect();
    assert!(answer.fields().minus(secrets) == answer.fields(), "{answer:?}");
    let Ok(rule) = codec.rule(request) else {
        return;
    };
    let unexpected = answer.fields().minus(rule.answer.allowed);
    assert!(unexpected.is_empty(), "{unexpected:?} in the answer to {request:?}");
    for number in rule.answer.echo.iter() {
        let asked = request.expose(number).and_then(|raw| raw.text());
        let said = answer.expose(number).and_then(|raw| raw.text());
        // DE38 of a completion or reversal that had none is the bank's own.
        if asked.is_some() || number != field::APPROVAL.number() {
            assert!(asked == said, "field {number} of the answer to {request:?}");
        }
    }
    if code.is_approval() {
        let missing = rule.answer.mandatory.minus(answer.fields());
        assert!(missing.is_empty(), "{missing:?} is not in the answer to {request:?}");
    }
}

pub(crate) fn number(number: u8) -> FieldNumber {
    FieldNumber::new(number).unwrap()
}

pub(crate) fn code(answer: &Message) -> String {
    answer.get(field::RESPONSE_CODE).unwrap().as_str().to_owned()
}

pub(crate) fn text(answer: &Message, key: u8) -> String {
    answer
        .expose(number(key))
        .and_then(|raw| raw.text())
        .unwrap_or_else(|| panic!("no DE{key}"))
        .to_string()
}

/// A tag of DE48.
pub(crate) fn tag(answer: &Message, tag: &str) -> Option<String> {
    tags::find(&text(answer, 48), tag).map(str::to_owned)
}

/// The table in DE48 and DE125: its header and its rows.
pub(crate) fn table(answer: &Message) -> (Vec<String>, Vec<Vec<String>>) {
    let head = text(answer, 48);
    let more = answer.get(field::CONTINUATION).map(|text| text.to_string()).unwrap_or_default();
    let table = Table::parse(&head, &more).unwrap();
    let owned = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect();
    (owned(table.columns()), table.rows().iter().map(|row| owned(row)).collect())
}

/// A request with every field that any rule makes mandatory for it. Each has its own DE11 and DE37.
pub(crate) fn request(mti: &str, code: &str, stan: u64) -> Message {
    let mut message = Message::of(Mti::parse(mti).unwrap());
    message.set(field::PROCESSING_CODE, code);
    message.set(field::AMOUNT, 0);
    message.set(field::TRANSMISSION, "1120120000");
    message.set(field::STAN, stan);
    message.set(field::LOCAL_TIME, "130000");
    message.set(field::LOCAL_DATE, "1120");
    message.set(field::ACQUIRER, "123456");
    message.set(field::RRN, &format!("{stan:012}"));
    message.set(field::TERMINAL, "TERM0001");
    message.set(field::ACCEPTOR, "MERCHANT0000001");
    message.set(field::CURRENCY, 578);
    message.set(field::ACCOUNT, CURRENT);
    message.set(field::ECHO_DATA, "trace-1");
    message.set(field::CHANNEL, "ATM");
    message
}

/// A request that moves or holds money.
pub(crate) fn money(mti: &str, code: &str, stan: u64, minor: u64) -> Message {
    let mut message = request(mti, code, stan);
    message.set(field::AMOUNT, minor);
    message.set(field::CATEGORY, "6011");
    message.set(field::ENTRY_MODE, "051");
    message.set(field::CONDITION, "00");
    message
}

/// An inquiry about an account.
pub(crate) fn inquiry(code: &str, account: &str) -> Message {
    let mut message = request("0200", code, 1);
    message.set(field::ACCOUNT, account);
    message
}

/// The same with tags in DE48.
pub(crate) fn tagged(mut message: Message, list: &[(&str, &str)]) -> Message {
    message.set(field::ADDITIONAL_DATA, &tags::format(list.iter().copied()));
    message
}

/// The same from another account.
pub(crate) fn of_account(mut message: Message, account: &str) -> Message {
    message.set(field::ACCOUNT, account);
    message
}

pub(crate) fn transfer(stan: u64, from: &str, to: &str, minor: u64) -> Message {
    let mut message = of_account(money("0200", "401020", stan, minor), from);
    message.set(field::COUNTER_ACCOUNT, to);
    message
}

pub(crate) fn deposit(stan: u64, to: &str, minor: u64) -> Message {
    let mut message = money("0200", "210010", stan, minor);
    message.remove(field::ACCOUNT);
    message.set(field::COUNTER_ACCOUNT, to);
    message
}

pub(crate) fn bill(stan: u64, minor: u64, list: &[(&str, &str)]) -> Message {
    let mut message = tagged(money("0200", "501000", stan, minor), list);
    message.set(field::COUNTER_ACCOUNT, "BILLER");
    message
}

/// A message about an earlier one: same account, amount, DE37 and terminal, DE90 and a new DE11.
pub(crate) fn about(original: &Message, mti: &str, stan: u64) -> Message {
    let mut message = original.clone();
    message.set_mti(Mti::parse(mti).unwrap());
    for unwanted in [field::ADDITIONAL_DATA, field::ADDITIONAL_AMOUNTS, field::NARRATION] {
        message.remove(unwanted);
    }
    message.remove(field::PAN);
    message.set(field::ORIGINAL_DATA, &original_data(original));
    message.set(field::STAN, stan);
    message
}

pub(crate) fn original_data(original: &Message) -> String {
    OriginalData {
        mti: original.mti(),
        stan: u32::try_from(original.get(field::STAN).unwrap()).unwrap(),
        transmission: original.get(field::TRANSMISSION).unwrap().to_string(),
        acquirer: original.get(field::ACQUIRER).unwrap().to_string(),
        forwarder: String::new(),
    }
    .format()
}

pub(crate) fn with_mti(message: &Message, mti: &str) -> Message {
    let mut message = message.clone();
    message.set_mti(Mti::parse(mti).unwrap());
    message
}

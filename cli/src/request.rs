//! From arguments to a request: which field gets what.
//!
//! A kind sets the fields that make it what it is; `--set` overrides them; then mandatory fields
//! that are still missing are filled in, and `--without` takes fields out. Whether the result is a
//! message the other side will take is the codec's to judge.

use crate::arguments::{AccountType, Statement, Transfer};
use crate::arguments::{Bill, CardPayment, Deposit, Inquiry, Kind, Money, Options, Send};
use crate::money::{Currency, parse_minor};
use crate::output::Failure;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use veksel_codecs::structured::tags;
use veksel_codecs::{Codec, Content, FieldNumber, FieldSet, Key, Message, Mti, field};

const FINANCIAL: Mti = Mti::known(b"0200");
const NETWORK: Mti = Mti::known(b"0800");
/// DE70 of an echo.
const ECHO: u64 = 301;
/// DE32 of a request that names none.
const ACQUIRER: &str = "500001";
/// DE41 of a request that names none.
const TERMINAL: &str = "VEKSEL01";
/// DE42 of a request that names none.
const ACCEPTOR: &str = "VEKSEL SEND";

/// The request that the arguments describe, at a time.
///
/// # Errors
/// When they contradict each other or a value is not of its field.
pub(crate) fn build(arguments: &Send, codec: &Codec, now: Timestamp) -> Result<Message, Failure> {
    let mut message = match (&arguments.kind, arguments.mti) {
        (Some(kind), None) => of_kind(kind).map_err(Failure::usage)?,
        (None, Some(mti)) => Message::of(mti),
        (Some(_), Some(_)) => {
            return Err(Failure::usage("--mti and a kind of message exclude each other"));
        }
        (None, None) => {
            let failure = Failure::usage("what to send is missing");
            return Err(failure.help("name a kind, such as `balance`, or give --mti and --set"));
        }
    };
    let options = &arguments.options;
    for (number, value) in &options.set {
        set(&mut message, codec, *number, value)?;
    }
    set_named(&mut message, options);
    if !options.no_fill {
        fill(&mut message, codec, now);
    }
    let left_out: FieldSet = options.without.iter().copied().collect();
    message.retain(message.fields().minus(left_out));
    if options.repeat {
        message.set_mti(message.mti().repeat());
    }
    Ok(message)
}

fn of_kind(kind: &Kind) -> Result<Message, String> {
    let mut message = Message::of(if matches!(kind, Kind::Echo) { NETWORK } else { FINANCIAL });
    match kind {
        Kind::Balance(inquiry) => inquire(&mut message, "31", inquiry),
        Kind::Statement(statement) => statement_of(&mut message, statement),
        Kind::Transfer(transfer) => transfer_of(&mut message, transfer)?,
        Kind::Bill(bill) => bill_of(&mut message, bill)?,
        Kind::Purchase(payment) => card_payment(&mut message, "00", "5999", payment)?,
        Kind::Withdrawal(payment) => card_payment(&mut message, "01", "6011", payment)?,
        Kind::Deposit(deposit) => deposit_of(&mut message, deposit)?,
        Kind::Echo => message.set(field::NETWORK_CODE, ECHO),
    }
    Ok(message)
}

const NO_TYPE: AccountType = AccountType(0);

/// DE3: what, from which type of account, to which.
fn set_code(message: &mut Message, code: &str, from: AccountType, to: AccountType) {
    let code = format!("{code}{:02}{:02}", from.0, to.0);
    message.set(field::PROCESSING_CODE, &code);
}

fn inquire(message: &mut Message, code: &str, inquiry: &Inquiry) {
    set_code(message, code, inquiry.account_type, NO_TYPE);
    message.set(field::AMOUNT, 0);
    message.set(field::CURRENCY, inquiry.currency.number().into());
    message.set(field::ACCOUNT, &inquiry.account);
    set_optional(message, field::PAN, inquiry.pan.as_deref());
}

fn statement_of(message: &mut Message, statement: &Statement) {
    let Statement { inquiry, lines, since, until, page } = statement;
    let by_dates = since.is_some() || until.is_some();
    inquire(message, if by_dates { "35" } else { "38" }, inquiry);
    let lines = lines.map(|lines| format!("{lines:02}"));
    let wanted =
        [(tags::LINES_MAX, &lines), (tags::FROM, since), (tags::TO, until), (tags::PAGE, page)];
    set_tags(message, wanted);
}

fn transfer_of(message: &mut Message, transfer: &Transfer) -> Result<(), String> {
    set_code(message, "40", transfer.from_type, transfer.into_type);
    pay(message, &transfer.money)?;
    message.set(field::ACCOUNT, &transfer.from);
    message.set(field::COUNTER_ACCOUNT, &transfer.into);
    Ok(())
}

fn bill_of(message: &mut Message, bill: &Bill) -> Result<(), String> {
    set_code(message, "50", bill.account_type, NO_TYPE);
    pay(message, &bill.money)?;
    message.set(field::ACCOUNT, &bill.account);
    message.set(field::COUNTER_ACCOUNT, &bill.biller);
    let given = [
        (tags::BILLER, &Some(bill.biller.clone())),
        (tags::REFERENCE, &Some(bill.reference.clone())),
        (tags::BILL, &bill.bill),
    ];
    set_tags(message, given);
    Ok(())
}

fn card_payment(
    message: &mut Message,
    code: &str,
    category: &str,
    payment: &CardPayment,
) -> Result<(), String> {
    set_code(message, code, payment.account_type, NO_TYPE);
    pay(message, &payment.money)?;
    message.set(field::ACCOUNT, &payment.account);
    set_optional(message, field::PAN, payment.pan.as_deref());
    set_optional(message, field::EXPIRY, payment.expiry.as_deref());
    message.set(field::CATEGORY, category);
    Ok(())
}

fn deposit_of(message: &mut Message, deposit: &Deposit) -> Result<(), String> {
    set_code(message, "21", NO_TYPE, deposit.account_type);
    pay(message, &deposit.money)?;
    message.set(field::COUNTER_ACCOUNT, &deposit.into);
    // A branch counter.
    message.set(field::CATEGORY, "6010");
    Ok(())
}

fn pay(message: &mut Message, money: &Money) -> Result<(), String> {
    let minor = match money.minor {
        true => parse_minor(&money.amount),
        false => money.currency.parse_amount(&money.amount),
    };
    message.set(field::AMOUNT, minor.map_err(|error| format!("--amount: {error}"))?);
    message.set(field::CURRENCY, money.currency.number().into());
    set_optional(message, field::NARRATION, money.narration.as_deref());
    Ok(())
}

fn set_tags<const N: usize>(message: &mut Message, tags: [(&str, &Option<String>); N]) {
    let given = tags.iter().filter_map(|(tag, value)| Some((*tag, value.as_deref()?)));
    let text = tags::format(given);
    if !text.is_empty() {
        message.set(field::ADDITIONAL_DATA, &text);
    }
}

fn set_optional<T>(message: &mut Message, key: Key<T>, value: Option<&str>)
where
    T: for<'a> field::FieldType<Input<'a> = &'a str>,
{
    if let Some(value) = value {
        message.set(key, value);
    }
}

/// The fields that have an option of their own.
fn set_named(message: &mut Message, options: &Options) {
    if let Some(stan) = options.stan {
        message.set(field::STAN, stan.into());
    }
    set_optional(message, field::RRN, options.rrn.as_deref());
    set_optional(message, field::TERMINAL, options.terminal.as_deref());
    set_optional(message, field::ACCEPTOR, options.acceptor.as_deref());
    set_optional(message, field::ACQUIRER, options.acquirer.as_deref());
}

/// Sets any field to characters, or to bytes if it is binary.
fn set(
    message: &mut Message,
    codec: &Codec,
    number: FieldNumber,
    value: &str,
) -> Result<(), Failure> {
    let wrong = |why: &str| Failure::usage(format!("--set {}: {why}", number.get()));
    let bytes = |hex: &str| match crate::hex::parse(hex).map(|blocks| blocks.concat()) {
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(wrong(&error.to_string())),
    };
    let content = codec.dialect().field(number).map(|field| field.content);
    match (content, value.strip_prefix("0x")) {
        (None, _) => {
            let why = format!("dialect {} has no such field", codec.dialect().name());
            return Err(wrong(&why));
        }
        (Some(Content::Binary), hex) => {
            message.set_binary(number, &bytes(hex.unwrap_or(value))?);
        }
        (Some(_), Some(hex)) => {
            let text = String::from_utf8(bytes(hex)?);
            message.set_text(number, &text.map_err(|_| wrong("the bytes are not characters"))?);
        }
        (Some(_), None) => message.set_text(number, value),
    }
    Ok(())
}

/// Gives the fields that its rule makes mandatory a value if they have none. A message without a
/// rule gets those that tell it from others.
fn fill(message: &mut Message, codec: &Codec, now: Timestamp) {
    let identity = [
        field::TRANSMISSION.number(),
        field::STAN.number(),
        field::LOCAL_TIME.number(),
        field::LOCAL_DATE.number(),
        field::RRN.number(),
    ];
    let wanted = match codec.rule(message) {
        Ok(rule) => rule.request.mandatory.union(rule.request.zero),
        Err(_) => identity.into_iter().collect(),
    };
    let missing = wanted.minus(message.fields());
    // The local time of a tool that may run anywhere is UTC.
    let now = now.to_zoned(TimeZone::UTC);
    let stan = message.get(field::STAN).unwrap_or_else(|| stan(now.timestamp()));
    let text = |format: &str| now.strftime(format).to_string();
    for number in missing.iter() {
        match number {
            n if n == field::AMOUNT.number() && codec_wants_zero(codec, message) => {
                message.set(field::AMOUNT, 0);
            }
            n if n == field::TRANSMISSION.number() => message.set_text(n, &text("%m%d%H%M%S")),
            n if n == field::STAN.number() => message.set(field::STAN, stan),
            n if n == field::LOCAL_TIME.number() => message.set_text(n, &text("%H%M%S")),
            n if n == field::LOCAL_DATE.number() => message.set_text(n, &text("%m%d")),
            n if n == field::CATEGORY.number() => message.set_text(n, "5999"),
            // Keyed in by hand, no PIN; nothing unusual.
            n if n == field::ENTRY_MODE.number() => message.set_text(n, "012"),
            n if n == field::CONDITION.number() => message.set_text(n, "00"),
            n if n == field::ACQUIRER.number() => message.set_text(n, ACQUIRER),
            n if n == field::RRN.number() => message.set_text(n, &rrn(&now, stan)),
            n if n == field::TERMINAL.number() => message.set_text(n, TERMINAL),
            n if n == field::ACCEPTOR.number() => message.set_text(n, ACCEPTOR),
            n if n == field::CURRENCY.number() => {
                let currency = Currency::parse("NOK").map_or(578, Currency::number);
                message.set(field::CURRENCY, currency.into());
            }
            // Nobody can guess an account or an amount.
            _ => {}
        }
    }
}

fn codec_wants_zero(codec: &Codec, message: &Message) -> bool {
    codec.rule(message).is_ok_and(|rule| rule.request.zero.has(field::AMOUNT.number()))
}

/// A STAN that two calls have in common only if they come in the same millisecond.
fn stan(now: Timestamp) -> u64 {
    let ms = now.as_millisecond().unsigned_abs();
    ms % 999_999 + 1
}

/// Last digit of the year, day of the year, hour, STAN: the usual make-up of DE37.
fn rrn(now: &Zoned, stan: u64) -> String {
    let year = now.year().unsigned_abs() % 10;
    format!("{year}{:03}{:02}{stan:06}", now.day_of_year(), now.hour())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;
    use veksel_codecs::{Dialect, FieldPath, Refusal};

    fn codec() -> Codec {
        Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap())
    }

    fn message(line: &str) -> Result<Message, Failure> {
        let words = ["veksel", "send"].into_iter().chain(line.split_whitespace());
        let Command::Send(send) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("not send");
        };
        let now = "2026-11-20T14:28:07.123Z".parse().unwrap();
        build(&send, &codec(), now)
    }

    /// The MTI and all fields as text.
    fn written(line: &str) -> String {
        let message = message(line).unwrap_or_else(|failure| panic!("{failure:?}"));
        let mut lines = codec().describe(&message);
        lines.retain(|line| line.path == FieldPath::whole(line.number));
        let fields = lines.iter().map(|line| format!(" {}={}", line.number.get(), line.clear));
        format!("{}{}", message.mti(), fields.collect::<String>())
    }

    const FILLED: &str = "7=1120142807 11=682310 12=142807 13=1120";
    const PLACE: &str = "32=500001 37=632414682310 41=VEKSEL01 42=VEKSEL SEND";

    #[test]
    fn every_kind_obeys_the_presence_rules() {
        for line in [
            "balance --account 1",
            "statement --account 1 --lines 5",
            "statement --account 1 --since 20260801 --page 568",
            "transfer --from 1 --into 2 --amount 12.51 --narration rent",
            "bill --account 1 --biller B0001 --reference 42 --amount 1",
            "purchase --account 1 --pan 4111111111111111 --expiry 2912 --amount 1",
            "withdrawal --account 1 --amount 100 --currency JPY",
            "deposit --into 1 --amount 1 --type savings",
            "echo",
            "balance --account 1 --repeat",
            "--mti 0200 --set 3=311000 --set 102=10000000002",
        ] {
            let message = message(line).unwrap();
            assert_eq!(codec().check(&message, true), Ok(()), "{line}");
            assert!(codec().encode(&message, &mut bytes::BytesMut::new()).is_ok(), "{line}");
        }
    }

    #[test]
    fn fields_of_a_balance_inquiry() {
        let expected =
            format!("0200 3=311000 4=000000000000 {FILLED} {PLACE} 49=578 102=10000000002");
        assert_eq!(written("balance --account 10000000002 --type savings"), expected);
        assert_eq!(written("--mti 0200 --set 3=311000 --set 102=10000000002"), expected);
    }

    #[test]
    fn fields_of_payments() {
        let transfer =
            written("transfer --from 1 --into 2 --amount 12.51 --type 20 --into-type 10");
        let expected = format!("0200 3=402010 4=000000001251 {FILLED} {PLACE} 49=578 102=1 103=2");
        assert_eq!(transfer, expected);
        let deposit = written("deposit --into 1 --amount 1.5 --currency KWD --type savings");
        assert!(deposit.starts_with("0200 3=210010 4=000000001500 "), "{deposit}");
        let bill = written("bill --account 1 --biller B0001 --reference 42 --amount 77 --minor");
        assert!(
            bill.contains(" 4=000000000077 ") && bill.contains(" 48=1005B0001110242 "),
            "{bill}"
        );
    }

    #[test]
    fn options_beat_defaults_and_without_beats_all() {
        let given = written(
            "echo --stan 7 --rrn ABC --terminal T --acquirer 9 --set 59=x --without 32 --repeat",
        );
        assert_eq!(given, "0801 7=1120142807 11=000007 37=ABC 41=T 59=x 70=301");
        assert_eq!(written("--mti 0200 --set 3=311000 --no-fill"), "0200 3=311000");
        assert_eq!(
            written("--mti 0200 --no-fill --set 52=0x0123456789abcdef"),
            "0200 52=0123456789ABCDEF"
        );
        assert_eq!(written("--mti 0200 --no-fill --set 59=0x4142"), "0200 59=AB");
    }

    #[test]
    fn a_field_left_out_is_found_missing() {
        let message = message("balance --account 1 --without 49").unwrap();
        let Err(Refusal::Format(error)) = codec().check(&message, true) else {
            panic!("accepted");
        };
        assert_eq!(error.path.field.get(), 49);
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "",
            "--mti 0200 balance --account 1",
            "--mti 0200 --set 5=1",
            "--mti 0200 --set 52=xyz",
            "--mti 0200 --set 59=0xff",
            "transfer --from 1 --into 2 --amount 1.234",
            "transfer --from 1 --into 2 --amount 1.2 --minor",
        ] {
            assert_eq!(message(line).unwrap_err().exit(), crate::output::Exit::Usage, "{line}");
        }
    }
}

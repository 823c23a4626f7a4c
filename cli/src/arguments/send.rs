//! The command line of `veksel send`: kinds of messages and what they need.

use super::LinkFlags;
use crate::money::Currency;
use crate::output::parse_duration;
use clap::{Args, Subcommand};
use std::time::Duration;
use veksel_codecs::{FieldNumber, Mti};

/// `veksel send`
#[derive(Args, Debug)]
#[command(
    subcommand_value_name = "KIND",
    subcommand_help_heading = "Kinds of messages",
    override_usage = "veksel send <KIND> [OPTIONS]
       veksel send --mti MTI --set N=VALUE… [OPTIONS]",
    after_help = "\
Examples:
  veksel send balance --account 10000000002 --type savings
  veksel send transfer --from 10000000001 --into 10000000002 --amount 12.50
  veksel send purchase --account 10000000001 --pan 4111111111111111 --amount 99.90 --show
  veksel send --mti 0200 --set 3=311000 --set 102=10000000002
  veksel send echo --tls ca.pem,certificate=atm.pem,key=atm.key   TLS, showing who it is
  veksel send balance --account 10000000002 --without 49 --no-check   a format error, answered 30

Exit codes: 0 approved, 1 declined or no answer, 2 wrong usage."
)]
pub(crate) struct Send {
    /// What to send.
    #[command(subcommand)]
    pub(crate) kind: Option<Kind>,
    /// The message type of a message given field by field
    #[arg(long, value_name = "MTI", value_parser = parse_mti)]
    pub(crate) mti: Option<Mti>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What all kinds have.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every kind")]
pub(crate) struct Options {
    /// Where the switch listens
    #[arg(long, env = "VEKSEL_TO", default_value = "127.0.0.1:8583", global = true)]
    #[arg(value_name = "HOST:PORT", hide_env_values = true)]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) link: LinkFlags,
    /// Encrypt: the CA of the other side, and after commas the other keys of a [terminals.tls]
    /// section: `ca.pem,certificate=atm.pem,key=atm.key,name=switch.bank.example`
    #[arg(long, value_name = "TLS", global = true)]
    pub(crate) tls: Option<String>,
    /// How long to wait for the connection, and then for the answer
    #[arg(long, value_name = "DURATION", default_value = "30s", global = true)]
    #[arg(value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Set a field, whatever the kind says; 0x… is hexadecimal
    #[arg(long, value_name = "N=VALUE", value_parser = parse_field, global = true)]
    pub(crate) set: Vec<(FieldNumber, String)>,
    /// Leave a field out, whatever else says it is there
    #[arg(long, value_name = "N", value_parser = parse_number, global = true)]
    pub(crate) without: Vec<FieldNumber>,
    /// DE11; otherwise made from the clock
    #[arg(long, value_name = "N", global = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=999_999))]
    pub(crate) stan: Option<u32>,
    /// DE37; otherwise made from date, hour and STAN
    #[arg(long, value_name = "RRN", global = true)]
    pub(crate) rrn: Option<String>,
    /// DE41
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) terminal: Option<String>,
    /// DE42
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) acceptor: Option<String>,
    /// DE32
    #[arg(long, value_name = "ID", global = true)]
    pub(crate) acquirer: Option<String>,
    /// Send it as a repeat: 0200 becomes 0201
    #[arg(long, global = true)]
    pub(crate) repeat: bool,
    /// Do not fill in mandatory fields that are missing
    #[arg(long, global = true)]
    pub(crate) no_fill: bool,
    /// Send it even if it breaks the presence rules
    #[arg(long, global = true)]
    pub(crate) no_check: bool,
    /// Show both messages, field by field and in hexadecimal
    #[arg(long, global = true)]
    pub(crate) show: bool,
    /// Show card and account numbers, PIN blocks and other sensitive values in clear
    #[arg(long = "unsafe", global = true)]
    pub(crate) clear: bool,
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What may be sent by name.
#[derive(Debug, Subcommand)]
pub(crate) enum Kind {
    /// Ask for the balance of an account
    #[command(after_help = "\
Example:
  veksel send balance --account 10000000002 --type savings")]
    Balance(Inquiry),
    /// Ask for the latest lines of an account, or those between two dates
    #[command(after_help = "\
Examples:
  veksel send statement --account 10000000001 --lines 5
  veksel send statement --account 10000000001 --since 20260801 --until 20260831")]
    Statement(Statement),
    /// Move money between two accounts of the bank
    #[command(after_help = "\
Example:
  veksel send transfer --from 10000000001 --into 10000000002 --amount 12.50")]
    Transfer(Transfer),
    /// Pay a bill from an account
    #[command(after_help = "\
Example:
  veksel send bill --account 10000000001 --biller B0001 --reference 0000012345 --amount 450")]
    Bill(Bill),
    /// Pay at a shop
    #[command(after_help = "\
Example:
  veksel send purchase --account 10000000001 --pan 4111111111111111 --amount 99.90")]
    Purchase(CardPayment),
    /// Take cash out at a machine
    #[command(after_help = "\
Example:
  veksel send withdrawal --account 10000000006 --amount 5000 --currency JPY")]
    Withdrawal(CardPayment),
    /// Pay cash into an account
    #[command(after_help = "\
Example:
  veksel send deposit --into 10000000002 --amount 500 --type savings")]
    Deposit(Deposit),
    /// Ask the switch whether it is there
    Echo,
}

/// An account and what it is asked in.
#[derive(Args, Debug)]
pub(crate) struct Inquiry {
    /// The account, DE102
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: String,
    /// Its type: default, savings, current, credit, universal, investment, or two digits
    #[arg(long = "type", value_name = "TYPE", default_value = "default")]
    #[arg(value_parser = parse_account_type)]
    pub(crate) account_type: AccountType,
    /// Its currency, by name or number
    #[arg(long, value_name = "CURRENCY", default_value = "NOK", value_parser = Currency::parse)]
    pub(crate) currency: Currency,
    /// The card that asks, DE2
    #[arg(long, value_name = "PAN")]
    pub(crate) pan: Option<String>,
}

/// An account and which of its lines.
#[derive(Args, Debug)]
pub(crate) struct Statement {
    #[command(flatten)]
    pub(crate) inquiry: Inquiry,
    /// How many lines at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub(crate) lines: Option<u8>,
    /// The first day, YYYYMMDD; asks for a statement by dates (35 instead of 38)
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(crate) since: Option<String>,
    /// The last day, YYYYMMDD
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub(crate) until: Option<String>,
    /// Where to go on: what an earlier answer said after NEXT
    #[arg(long, value_name = "TOKEN")]
    pub(crate) page: Option<String>,
}

/// How much.
#[derive(Args, Debug)]
pub(crate) struct Money {
    /// The amount, such as 12.50
    #[arg(long, value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// Its currency, by name or number
    #[arg(long, value_name = "CURRENCY", default_value = "NOK", value_parser = Currency::parse)]
    pub(crate) currency: Currency,
    /// The amount is in minor units: 1250 instead of 12.50
    #[arg(long)]
    pub(crate) minor: bool,
    /// What shall stand on the statement, DE104
    #[arg(long, value_name = "TEXT")]
    pub(crate) narration: Option<String>,
}

/// A payment between accounts.
#[derive(Args, Debug)]
pub(crate) struct Transfer {
    /// The account that pays, DE102
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) from: String,
    /// The account that is paid, DE103
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) into: String,
    #[command(flatten)]
    pub(crate) money: Money,
    /// Type of the account that pays
    #[arg(long = "type", value_name = "TYPE", default_value = "default")]
    #[arg(value_parser = parse_account_type)]
    pub(crate) from_type: AccountType,
    /// Type of the account that is paid
    #[arg(long, value_name = "TYPE", default_value = "default")]
    #[arg(value_parser = parse_account_type)]
    pub(crate) into_type: AccountType,
}

/// A bill.
#[derive(Args, Debug)]
pub(crate) struct Bill {
    /// The account that pays, DE102
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: String,
    /// Who is paid
    #[arg(long, value_name = "BILLER")]
    pub(crate) biller: String,
    /// What the biller calls its customer
    #[arg(long, value_name = "TEXT")]
    pub(crate) reference: String,
    /// Number of the bill
    #[arg(long, value_name = "TEXT")]
    pub(crate) bill: Option<String>,
    #[command(flatten)]
    pub(crate) money: Money,
    /// Type of the account
    #[arg(long = "type", value_name = "TYPE", default_value = "default")]
    #[arg(value_parser = parse_account_type)]
    pub(crate) account_type: AccountType,
}

/// A payment or withdrawal, usually by card.
#[derive(Args, Debug)]
pub(crate) struct CardPayment {
    /// The account, DE102
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: String,
    /// The card, DE2
    #[arg(long, value_name = "PAN")]
    pub(crate) pan: Option<String>,
    /// When the card expires, YYMM
    #[arg(long, value_name = "YYMM")]
    pub(crate) expiry: Option<String>,
    #[command(flatten)]
    pub(crate) money: Money,
    /// Type of the account
    #[arg(long = "type", value_name = "TYPE", default_value = "default")]
    #[arg(value_parser = parse_account_type)]
    pub(crate) account_type: AccountType,
}

/// Cash for an account.
#[derive(Args, Debug)]
pub(crate) struct Deposit {
    /// The account, DE103
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) into: String,
    #[command(flatten)]
    pub(crate) money: Money,
    /// Type of the account
    #[arg(long = "type", value_name = "TYPE", default_value = "default")]
    #[arg(value_parser = parse_account_type)]
    pub(crate) account_type: AccountType,
}

/// Two digits of DE3: positions 3 and 4, or 5 and 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountType(pub(crate) u8);

fn parse_account_type(text: &str) -> Result<AccountType, String> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = match text {
        "default" => 0,
        "savings" => 10,
        "current" | "cheque" => 20,
        "credit" => 30,
        "universal" => 40,
        "investment" => 50,
        other => other.parse().ok().filter(|_| digits).ok_or(
            "expected default, savings, current, credit, universal, investment or two digits",
        )?,
    };
    Ok(AccountType(number))
}

fn parse_mti(text: &str) -> Result<Mti, String> {
    let mti = Mti::parse(text).ok_or("a message type is four digits")?;
    match mti.is_request() {
        true => Ok(mti),
        false => Err(format!("{mti} is an answer; nobody answers it")),
    }
}

fn parse_number(text: &str) -> Result<FieldNumber, String> {
    let number = text.parse().ok().and_then(FieldNumber::new);
    number.ok_or_else(|| "a field is a number from 2 to 128".to_owned())
}

fn parse_field(text: &str) -> Result<(FieldNumber, String), String> {
    let (number, value) = text.split_once('=').ok_or("write it as N=VALUE")?;
    Ok((parse_number(number)?, value.to_owned()))
}

fn parse_date(text: &str) -> Result<String, String> {
    let is_date = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_date.then(|| text.to_owned()).ok_or_else(|| "a date is YYYYMMDD".to_owned())
}

//! The command line: what may be said, and the help for it.
//!
//! Only shapes and single values are checked here. What an argument does is the business of the
//! file named after its command.

pub(crate) mod certs;
pub(crate) mod dialect;
mod journal;
mod manual;
mod outside;
mod report;
mod send;
mod steer;

pub(crate) use journal::{
    Breakers, Decide, Decision, Export, ExportFormat, Journal, JournalCommand, List, Pending,
    Place, Reversals, ReversalsCommand, Show, Verify,
};
pub(crate) use manual::{Completions, Man};
pub(crate) use outside::{
    Accounts, AccountsCommand, Called, Customers, CustomersCommand, LinkAccount, Payments,
};
pub(crate) use report::{Paper, Report};
pub(crate) use send::{
    AccountType, Bill, CardPayment, Deposit, Inquiry, Kind, Money, Options, Send, Statement,
    Transfer,
};

pub(crate) use steer::{Doctor, DoctorCommand, HttpDoctor, Reload, Status, Switch, TcpDoctor};

use crate::output::parse_duration;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use veksel_simulator::proxy::Faults;

/// An ISO 8583 switch, the bank to test it with, and the tools for both
#[derive(Debug, Parser)]
#[command(name = "veksel", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  veksel demo                                      switch, bank and traffic, at once
  veksel send balance --account 10000000002        ask the switch for a balance
  veksel decode 0800822000010000000004000000...    read a message
  veksel check --config switch.toml                find every mistake in a configuration

Exit codes: 0 yes, 1 no (declined, failed, invalid), 2 wrong usage, 64 wrong configuration.";

/// A command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a switch, a bank and terminals together, to try things out
    Demo(Demo),
    /// Run the switch
    Run(Run),
    /// Let a running switch read its configuration again, and show what that changes
    Reload(Reload),
    /// Show how a running switch is: links, sessions, breakers, queues, counters
    Status(Status),
    /// Run the bank, and terminals if the configuration has a rate for them
    Simulate(Simulate),
    /// Put a bad network between two programs: delays, cuts, losses and repetitions by chance
    Proxy(Proxy),
    /// Find every mistake in a configuration without starting anything
    Check(Check),
    /// List the certificates that a configuration uses, or make some to try TLS with
    Certs(certs::Certs),
    /// Say in words what is wrong with a connection, or with those to third parties
    Doctor(Doctor),
    /// Send one message and show what comes back
    Send(Box<Send>),
    /// Read messages from hexadecimal or raw bytes
    Decode(Decode),
    /// Show, check, compare and import dialects: what messages look like
    Dialect(dialect::Dialect),
    /// Write what a bank and a switch did as CSV, JSON, a workbook or a page to print
    Report(Report),
    /// Read what a switch has recorded, and check that nobody changed it
    Journal(Journal),
    /// See what is to be undone, and decide about it
    Reversals(Reversals),
    /// Decide how the breaker of a group or of a link stands
    Breakers(Breakers),
    /// Link accounts to banks that are reached over HTTP, and see how they are linked
    Accounts(Accounts),
    /// Begin identity checks of customers, and see how they stand
    Customers(Customers),
    /// List payments at banks that are reached over HTTP, and those a person must look at
    Payments(Payments),
    /// Print what a shell needs to complete these commands
    Completions(Completions),
    /// Print the manual page
    Man(Man),
}

impl Command {
    /// Whether results are for programs.
    pub(crate) const fn json(&self) -> bool {
        match self {
            Self::Check(check) => check.json,
            Self::Certs(certs) => certs.json,
            Self::Send(send) => send.options.json,
            Self::Decode(decode) => decode.json,
            Self::Demo(demo) => demo.json,
            Self::Dialect(dialect) => dialect.json(),
            Self::Journal(journal) => journal.json(),
            Self::Reversals(reversals) => reversals.json(),
            Self::Accounts(accounts) => accounts.command.called().json,
            Self::Customers(customers) => customers.command.called().json,
            Self::Payments(payments) => payments.place.json,
            Self::Breakers(breakers) => breakers.command.parts().1.decision.switch.json,
            Self::Doctor(doctor) => doctor.command.json(),
            Self::Reload(reload) => reload.switch.json,
            Self::Status(status) => status.switch.json,
            Self::Simulate(simulate) => simulate.json,
            Self::Run(_)
            | Self::Proxy(_)
            | Self::Report(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

/// What is spoken on a connection.
#[derive(Args, Clone, Debug)]
pub(crate) struct LinkFlags {
    /// A shipped dialect (cbs-bcd, iso87-ascii, iso93-binary and so on) or a .toml file
    #[arg(long, value_name = "DIALECT", default_value = crate::link::DIALECT, global = true)]
    pub(crate) dialect: String,
    /// Length in front of messages: binary2, binary4, ascii4, bcd2 or, for none at all, message;
    /// after commas other keys of a [framing] section: `binary2,counts_itself,tpdu=6000010000`
    #[arg(long, value_name = "FRAMING", global = true)]
    pub(crate) framing: Option<String>,
    /// MACs: the algorithm, and after commas the other keys of a [mac] section, as the terminal
    /// sees them: `retail,make=to-switch.key,accept=from-switch.key`
    #[arg(long, value_name = "MAC", global = true)]
    pub(crate) mac: Option<String>,
}

/// `veksel demo`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  veksel demo                       until Ctrl-C; data is removed
  veksel demo --for 10s             then check the books; exit 1 if they do not balance
  veksel demo --retain ./data       keep both SQLite files")]
pub(crate) struct Demo {
    /// Stop by itself after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) length: Option<Duration>,
    /// Keep the data in this directory, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub(crate) retain: Option<PathBuf>,
    /// Let the system choose all ports
    #[arg(long)]
    pub(crate) random_ports: bool,
    /// Requests per second of all terminals together
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,
    /// End with one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel run`
#[derive(Args, Debug)]
#[command(after_help = "\
Values come from the file, then from the environment (VEKSEL_ADMIN__LISTEN), then from --set.

Examples:
  veksel run --config switch.toml
  veksel run --config switch.toml --set log.level=debug --set group.cbs.connections=8")]
pub(crate) struct Run {
    /// The configuration of the switch
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// A setting that goes before the file and the environment
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<(String, String)>,
}

/// `veksel simulate`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  veksel simulate --config simulator.toml
  veksel simulate --config simulator.toml --set terminals.rate=500
  veksel simulate --magic           which amounts make the bank misbehave")]
pub(crate) struct Simulate {
    /// The configuration of the bank and its terminals
    #[arg(long, value_name = "FILE", required_unless_present = "magic")]
    pub(crate) config: Option<PathBuf>,
    /// A setting that goes before the file and the environment
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Print the table of magic amounts and exit
    #[arg(long)]
    pub(crate) magic: bool,
    /// Print results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel proxy`
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "\
Faults are given as name=number, of a thousand frames each: delay, slice (byte by byte), drop (the
connection ends within a frame), blackhole (a direction swallows everything for a while),
duplicate and swap (answers only), corrupt (a bit is turned over; without a MAC nobody can tell).
delay_ms and blackhole_ms are the longest times, in milliseconds. `none` and `rough` are shorthands.

Examples:
  veksel proxy --listen 127.0.0.1:8594 --to 127.0.0.1:8593 --seed 7
  veksel proxy --listen 127.0.0.1:8594 --to 127.0.0.1:8593 --faults delay=50,delay_ms=300,drop=2")]
pub(crate) struct Proxy {
    /// Where it is connected to; port 0 lets the system choose
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: SocketAddr,
    /// Where it connects to
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) to: SocketAddr,
    /// The same seed does the same to the same traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// What happens to frames of two-byte length
    #[arg(long, value_name = "FAULTS", default_value = "rough")]
    pub(crate) faults: Faults,
}

/// `veksel check`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  veksel check --config switch.toml
  veksel check --config switch.toml --resolved     every setting and where it comes from
  veksel check --config switch.toml --json")]
pub(crate) struct Check {
    /// The configuration to check
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// What it is for; without this its sections tell
    #[arg(long, value_enum)]
    pub(crate) kind: Option<ConfigKind>,
    /// A setting that goes before the file and the environment
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Print every setting as it will be used
    #[arg(long)]
    pub(crate) resolved: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a configuration sets up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfigKind {
    /// `veksel run`
    Switch,
    /// `veksel simulate`
    Simulator,
}

/// `veksel decode`
#[derive(Args, Debug)]
#[command(after_help = "\
Hexadecimal may have spaces, newlines, commas, 0x and \\x; dumps of xxd and hexdump -C are
understood; anything else is taken as raw bytes. Blank lines separate inputs.

Examples:
  veksel decode 0800 8220 0001 0000 0000 0400 0000 0000 0000 ...
  xxd message.bin | veksel decode
  veksel decode --file message.bin --raw --framing ascii4
  veksel decode --dialect cbs-bcd --no-frame --json < message.hex")]
pub(crate) struct Decode {
    /// Hexadecimal; `-` or nothing reads standard input
    #[arg(value_name = "HEX", conflicts_with = "file")]
    pub(crate) hex: Vec<String>,
    /// Read this file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The input is bytes, even if it looks like hexadecimal
    #[arg(long)]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) link: LinkFlags,
    /// The input is one message without a length; without this and --framing the bytes tell
    #[arg(long, conflicts_with = "framing")]
    pub(crate) no_frame: bool,
    /// Show card and account numbers, PIN blocks and other sensitive values in clear
    #[arg(long = "unsafe")]
    pub(crate) clear: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `key=value`
fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as key=value")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }
}

//! The simulator file: the bank that `veksel simulate` plays and the terminals that load it.
//!
//! What the bank answers is the simulator's; here is only how it is set up.

use crate::address::{Destination, DialectName, parse_listen};
use crate::findings::{Findings, Found};
use crate::framing::framing;
use crate::mac::{MacConfig, mac};
use crate::overlay::{Layout, Shape, is_of_another, lay};
use crate::problem::Problems;
use crate::sandbox::{SandboxConfig, sandbox};
use crate::section::{Missing, Section};
use crate::settings::Settings;
use crate::source::Source;
use crate::switch;
use crate::tls::{Clients, DialTls, ListenTls, dial_tls, listen_tls};
use crate::tree;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use veksel_codecs::Framing;

/// The sections of a simulator file.
pub(crate) const LAYOUT: Layout =
    &[("bank", Shape::One), ("terminals", Shape::One), ("sandbox", Shape::One)];

/// A whole simulator, checked.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// The core-banking system.
    pub bank: BankConfig,
    /// The load; `None` if the rate is 0.
    pub terminals: Option<TerminalsConfig>,
    /// Third parties that are played; `None` if they are off.
    pub sandbox: Option<SandboxConfig>,
    /// Every value that was read, for people.
    pub settings: Settings,
    /// What is probably not meant, though it works.
    pub warnings: Problems,
}

/// A bank with a ledger, behind a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankConfig {
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What the switch speaks to it.
    pub dialect: DialectName,
    /// How its messages are delimited.
    pub framing: Framing,
    /// How messages are authenticated there.
    pub mac: Option<MacConfig>,
    /// How its connections are encrypted; `None` is plaintext.
    pub tls: Option<ListenTls>,
    /// For people.
    pub name: String,
    /// The `SQLite` file of the ledger.
    pub database: PathBuf,
    /// The folder of seed tables, which existed when it was checked; `None` takes the built-in.
    pub seeds: Option<PathBuf>,
    /// The bank's own code, up to 11 digits.
    pub institution: String,
    /// Whether amounts that end in 51, 68 or 91 provoke their answers.
    pub magic: bool,
    /// How late the answer to an amount that ends in 68 is, in milliseconds.
    pub late_ms: u64,
    /// Days until a hold that nobody completes is released.
    pub hold_days: u32,
    /// Rows of a mini-statement when the request names no number.
    pub statement_lines: u32,
    /// What the bank is able to remember.
    pub profile: BankProfile,
    /// What it does wrong on purpose.
    pub faults: Faults,
}

/// What a bank remembers of the messages it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BankProfile {
    /// Executes a message once, however many copies come, and refuses one whose reversal came
    /// first.
    #[default]
    Ideal,
    /// Executes every copy, answers 25 to a reversal of something it does not know, and executes
    /// the original when it comes after all.
    Legacy,
}

/// Misbehaviour on purpose: of a hundred messages that are neither network management nor refused
/// for want of a sign-on, so many are treated in each way. One message has at most one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The same requests in the same order meet the same faults.
    pub seed: u64,
    /// Executed, and not answered.
    pub answer_never: u32,
    /// Executed, and answered after [`BankConfig::late_ms`].
    pub answer_late: u32,
    /// Executed, and answered twice.
    pub answer_twice: u32,
    /// Executed, and answered with the trace number, amount or reference of something else.
    pub answer_wrong: u32,
    /// Answered 91 or 96, and not executed.
    pub host_fault: u32,
    /// Neither executed nor answered.
    pub drop_request: u32,
    /// Executed, and the connection is closed instead of an answer.
    pub disconnect: u32,
}

impl Faults {
    /// A bank that does nothing wrong.
    pub const NONE: Self = Self {
        seed: 1,
        answer_never: 0,
        answer_late: 0,
        answer_twice: 0,
        answer_wrong: 0,
        host_fault: 0,
        drop_request: 0,
        disconnect: 0,
    };

    /// The key of each fault in a file, and its share.
    #[must_use]
    pub const fn shares(&self) -> [(&'static str, u32); 7] {
        [
            ("answer_never", self.answer_never),
            ("answer_late", self.answer_late),
            ("answer_twice", self.answer_twice),
            ("answer_wrong", self.answer_wrong),
            ("host_fault", self.host_fault),
            ("drop_request", self.drop_request),
            ("disconnect", self.disconnect),
        ]
    }

    /// Percent of the messages that have any fault. A file with more than 100 is refused.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.shares().iter().fold(0, |sum, (_, share)| sum.saturating_add(*share))
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

/// Terminals that send by a clock, whether answers come or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalsConfig {
    /// A listener of the switch.
    pub connect: Destination,
    /// What that listener speaks.
    pub dialect: DialectName,
    /// How messages are delimited there.
    pub framing: Framing,
    /// How messages are authenticated there.
    pub mac: Option<MacConfig>,
    /// How the connections are encrypted; `None` is plaintext.
    pub tls: Option<DialTls>,
    /// Requests per second altogether; never 0.
    pub rate: u32,
    /// How many connections they share.
    pub connections: u32,
    /// What they send.
    pub mix: Mix,
    /// Two runs with the same seed send the same requests in the same order.
    pub seed: u64,
}

/// Shares of the traffic. Only their proportions count; at least one is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Balance inquiries (31).
    pub balance: u32,
    /// Mini-statements (38).
    pub statement: u32,
    /// Purchases (00).
    pub purchase: u32,
    /// Transfers (40).
    pub transfer: u32,
    /// Bill payments (50).
    pub bill: u32,
}

/// Reads and checks a simulator file.
///
/// # Errors
/// Everything that is wrong with it, and the warnings too. Mistakes of TOML syntax are reported
/// alone: what stands after one cannot be judged.
pub fn load_simulator(source: Source) -> Result<SimulatorConfig, Problems> {
    let mut findings = Findings::new(source);
    let Some(mut table) = tree::parse(&mut findings) else {
        return Err(findings.into_problems());
    };
    let words = ("this is the file of a switch", "`veksel run` takes it; a simulator has [bank]");
    if is_of_another(&table, &mut findings, (LAYOUT, switch::LAYOUT), words) {
        return Err(findings.into_problems());
    }
    lay(&mut table, &mut findings, LAYOUT, switch::LAYOUT);
    let mut root = Section::root(&mut findings, &table);
    let bank = bank(root.table("bank"));
    let terminals = terminals(root.table("terminals"));
    let sandbox = sandbox(root.table("sandbox"));
    drop(root);
    let (settings, warnings) = findings.into_outcome()?;
    Ok(SimulatorConfig { bank, terminals, sandbox, settings, warnings })
}

fn bank(mut section: Section<'_>) -> BankConfig {
    let listen = Missing::Default(SocketAddr::from((Ipv4Addr::LOCALHOST, 8593)));
    let listen = section.parsed("listen", listen, "IP:port", parse_listen, SocketAddr::to_string);
    BankConfig {
        listen: listen.value,
        dialect: section.dialect().value,
        name: section.title("name", "Demo Bank plc").value,
        database: section.path("database", "bank.db").value,
        seeds: seeds(&mut section).value,
        institution: section.institution("600001").value,
        magic: section.boolean("magic", true).value,
        late_ms: section.duration("late", 20_000, 0..=600_000).value,
        hold_days: section.integer("hold_days", 7, 1..=365).value,
        statement_lines: section.integer("statement_lines", 10, 1..=99).value,
        profile: section.choice("profile", BankProfile::Ideal, PROFILES).value,
        framing: framing(section.table("framing")),
        mac: mac(section.table("mac")),
        tls: listen_tls(section.table("tls"), Clients::Required).value,
        faults: faults(section.table("faults")),
    }
}

const PROFILES: &[(&str, BankProfile)] =
    &[("ideal", BankProfile::Ideal), ("legacy", BankProfile::Legacy)];

fn faults(mut section: Section<'_>) -> Faults {
    let seed = section.integer("seed", Faults::NONE.seed, 0..=SEED_MAX).value;
    let mut share = |key| section.integer(key, 0, 0..=100).value;
    let faults = Faults {
        seed,
        answer_never: share("answer_never"),
        answer_late: share("answer_late"),
        answer_twice: share("answer_twice"),
        answer_wrong: share("answer_wrong"),
        host_fault: share("host_fault"),
        drop_request: share("drop_request"),
        disconnect: share("disconnect"),
    };
    let total = faults.total();
    if total > 100 {
        let place = section.place();
        let message = format!("`faults` add up to {total} percent");
        section.findings.error(place, message, "a message has one fault: at most 100 together");
    }
    faults
}

fn seeds(section: &mut Section<'_>) -> Found<Option<PathBuf>> {
    let folder = section.findings.source().folder.clone();
    let parse = |text: &str| match text {
        "" => Ok(String::new()),
        text if folder.join(text).is_dir() => Ok(text.to_owned()),
        _ => Err("there is no such folder".to_owned()),
    };
    let missing = Missing::Default(String::new());
    let expected = "a folder, or empty for the built-in tables";
    let found = section.parsed("seeds", missing, expected, parse, String::clone);
    let value = Some(found.value).filter(|text| !text.is_empty()).map(|text| folder.join(text));
    Found { value, place: found.place }
}

fn terminals(mut section: Section<'_>) -> Option<TerminalsConfig> {
    let connect = Destination { host: Ipv4Addr::LOCALHOST.to_string(), port: 8583 };
    let terminals = TerminalsConfig {
        connect: section.destination("connect", connect).value,
        dialect: section.dialect().value,
        rate: section.integer("rate", 0, 0..=1_000_000).value,
        connections: section.integer("connections", 4, 1..=10_000).value,
        seed: section.integer("seed", 1, 0..=SEED_MAX).value,
        framing: framing(section.table("framing")),
        mac: mac(section.table("mac")),
        tls: dial_tls(section.table("tls")),
        mix: mix(section.table("mix")),
    };
    (terminals.rate > 0).then_some(terminals)
}

/// The largest integer of TOML.
const SEED_MAX: u64 = i64::MAX.unsigned_abs();

fn mix(mut section: Section<'_>) -> Mix {
    let default = Mix { balance: 40, statement: 10, purchase: 20, transfer: 20, bill: 10 };
    let mut share = |key, default| section.integer(key, default, 0..=1_000).value;
    let mix = Mix {
        balance: share("balance", default.balance),
        statement: share("statement", default.statement),
        purchase: share("purchase", default.purchase),
        transfer: share("transfer", default.transfer),
        bill: share("bill", default.bill),
    };
    let Mix { balance, statement, purchase, transfer, bill } = mix;
    if [balance, statement, purchase, transfer, bill] == [0; 5] {
        let place = section.place();
        section.findings.error(place, "`mix` sends nothing", "one share must be more than 0");
    }
    mix
}

//! The command line of `veksel journal`, `veksel reversals` and `veksel breakers`.

use super::steer::Switch;
use crate::output::parse_duration;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `veksel journal`
#[derive(Args, Debug)]
#[command(after_help = "\
Reads beside a running switch and changes nothing. Card and account numbers are masked.

Examples:
  veksel journal list --config switch.toml --state parked
  veksel journal show 42 --config switch.toml        everything that is recorded of a transaction
  veksel journal verify --config switch.toml --anchors /mnt/elsewhere/veksel.db.anchors
  veksel journal export --db veksel.db --keys veksel.key --format csv > records.csv")]
pub(crate) struct Journal {
    /// What to do with it.
    #[command(subcommand)]
    pub(crate) command: JournalCommand,
}

/// What can be done with a journal.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// List transactions: the newest, or those after a number
    List(List),
    /// Show every record of a transaction
    Show(Show),
    /// Find out whether anything was changed, removed or reordered
    Verify(Verify),
    /// Print every record, one a line
    Export(Export),
}

impl Journal {
    /// Whether results are for programs.
    pub(crate) const fn json(&self) -> bool {
        match &self.command {
            JournalCommand::List(list) => list.place.json,
            JournalCommand::Show(show) => show.place.json,
            JournalCommand::Verify(verify) => verify.place.json,
            JournalCommand::Export(export) => export.place.json,
        }
    }
}

/// Where the journal is, and who reads the result.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// The configuration of the switch, which names its journal and keys
    #[arg(long, value_name = "FILE", required_unless_present = "db", conflicts_with = "db")]
    pub(crate) config: Option<PathBuf>,
    /// The journal itself
    #[arg(long, value_name = "FILE", requires = "keys")]
    pub(crate) db: Option<PathBuf>,
    /// Its key file
    #[arg(long, value_name = "FILE", requires = "db")]
    pub(crate) keys: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel journal list`
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Those with a higher number; without this the newest
    #[arg(long, value_name = "TXN")]
    pub(crate) after: Option<u64>,
    /// No more than this
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Only those in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<TransactionState>,
    /// Only those with this retrieval reference number (field 37)
    #[arg(long, value_name = "RRN")]
    pub(crate) rrn: Option<String>,
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransactionState {
    /// In flight, or left so by the last stop
    Open,
    /// Nothing left the switch
    #[value(name = "not_sent")]
    NotSent,
    /// The host approved
    Approved,
    /// The host declined
    Declined,
    /// Its reversal is on the way
    Reversing,
    /// The host confirmed the reversal
    Reversed,
    /// An advice on its way to the host
    Delivering,
    /// The host confirmed the advice
    Delivered,
    /// A channel's reversal that was taken note of
    Accepted,
    /// A person must look
    Parked,
    /// A person ended it
    Resolved,
}

impl TransactionState {
    /// The word of the view `v_transactions`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::NotSent => "not_sent",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Reversing => "reversing",
            Self::Reversed => "reversed",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Accepted => "accepted",
            Self::Parked => "parked",
            Self::Resolved => "resolved",
        }
    }
}

/// `veksel journal show`
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Its number
    #[arg(value_name = "TXN", required_unless_present = "rrn", conflicts_with = "rrn")]
    pub(crate) txn: Option<u64>,
    /// Its retrieval reference number (field 37); several transactions can have one
    #[arg(long, value_name = "RRN")]
    pub(crate) rrn: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// `veksel journal verify`
#[derive(Args, Debug)]
#[command(after_help = "\
Who can write the files and has the key file can make everything anew, and what follows the last
anchor can be cut off. Both show only against a copy of the anchors file that was out of reach.")]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A copy of the anchors file that was kept elsewhere; without this the one beside the journal
    #[arg(long, value_name = "FILE")]
    pub(crate) anchors: Option<PathBuf>,
}

/// `veksel journal export`
#[derive(Args, Debug)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: Place,
    /// How
    #[arg(long, value_enum, default_value_t = ExportFormat::Json)]
    pub(crate) format: ExportFormat,
    /// Only records with a higher number
    #[arg(long, value_name = "RECORD", default_value_t = 0)]
    pub(crate) after: u64,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A JSON object a line
    Json,
    /// A header, then a row a record
    Csv,
}

/// `veksel reversals`
#[derive(Args, Debug)]
#[command(after_help = "\
`list` reads the journal. The others tell the running switch, which records who decided and why.

Examples:
  veksel reversals list --config switch.toml
  veksel reversals retry 42 --config switch.toml --reason \"the bank is back\"
  veksel reversals resolve 42 --admin 127.0.0.1:8580 --reason \"refunded by hand\" --operator ida")]
pub(crate) struct Reversals {
    /// What to do with them.
    #[command(subcommand)]
    pub(crate) command: ReversalsCommand,
}

/// What can be done with reversals.
#[derive(Debug, Subcommand)]
pub(crate) enum ReversalsCommand {
    /// List what is to be undone or delivered: open, sent and parked
    List(Pending),
    /// Send it again now, parked or not
    Retry(Decide),
    /// Send it no more until somebody decides otherwise
    Park(Decide),
    /// It is settled outside the switch: never send it again
    Resolve(Decide),
}

impl Reversals {
    /// Whether results are for programs.
    pub(crate) const fn json(&self) -> bool {
        match &self.command {
            ReversalsCommand::List(list) => list.place.json,
            ReversalsCommand::Retry(decide)
            | ReversalsCommand::Park(decide)
            | ReversalsCommand::Resolve(decide) => decide.decision.switch.json,
        }
    }
}

/// `veksel breakers`
#[derive(Args, Debug)]
#[command(after_help = "\
A group is named as in the configuration (`cbs`), its links are `cbs.1`, `cbs.2` and so on.
The switch records who decided and why, and forgets the decision when it stops.

Examples:
  veksel breakers disable cbs.2 --for 30m --config switch.toml --reason \"new disks\"
  veksel breakers force-open cbs --admin 127.0.0.1:8580 --reason \"the bank asked\"
  veksel breakers judge cbs --config switch.toml --reason \"the bank is back\"")]
pub(crate) struct Breakers {
    /// How it shall stand.
    #[command(subcommand)]
    pub(crate) command: BreakersCommand,
}

/// How a breaker can be told to stand.
#[derive(Debug, Subcommand)]
pub(crate) enum BreakersCommand {
    /// Open: only reversals and echoes pass
    ForceOpen(Stand),
    /// Closed: requests pass however they end
    ForceClosed(Stand),
    /// Out of use: nothing new goes there, what is in flight may end
    Disable(Stand),
    /// As the switch judges
    Judge(Stand),
}

impl BreakersCommand {
    /// The word the switch knows it by, and the rest.
    pub(crate) const fn parts(&self) -> (&'static str, &Stand) {
        match self {
            Self::ForceOpen(stand) => ("force-open", stand),
            Self::ForceClosed(stand) => ("force-closed", stand),
            Self::Disable(stand) => ("disable", stand),
            Self::Judge(stand) => ("judge", stand),
        }
    }
}

/// `veksel breakers force-open|force-closed|disable|judge`
#[derive(Args, Debug)]
pub(crate) struct Stand {
    /// A group, or a link of one
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// For how long, at most 168h; 1h without this. `judge` has no end
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) length: Option<Duration>,
    #[command(flatten)]
    pub(crate) decision: Decision,
}

/// Who decides and why, and where the switch is.
#[derive(Args, Debug)]
pub(crate) struct Decision {
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who decides; without this the name of the user
    #[arg(long, value_name = "NAME")]
    pub(crate) operator: Option<String>,
    #[command(flatten)]
    pub(crate) switch: Switch,
}

/// `veksel reversals list`
#[derive(Args, Debug)]
pub(crate) struct Pending {
    #[command(flatten)]
    pub(crate) place: Place,
    /// No more than this, the oldest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// `veksel reversals retry|park|resolve`
#[derive(Args, Debug)]
pub(crate) struct Decide {
    /// The transaction whose reversal it is
    #[arg(value_name = "TXN")]
    pub(crate) txn: u64,
    #[command(flatten)]
    pub(crate) decision: Decision,
}

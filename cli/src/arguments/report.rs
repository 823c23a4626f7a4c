//! The command line of `veksel report`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use veksel_simulator::report::{Format, Kind, ROWS};

/// `veksel report`
#[derive(Args, Debug)]
#[command(after_help = "\
Reads beside a running bank and a running switch, and changes nothing. Card numbers are masked.
A running simulator gives the same at http://127.0.0.1:8595/simulator/download?format=html.

Examples:
  veksel report --config simulator.toml                               the accounts, as CSV
  veksel report --config simulator.toml --format html --out bank.html
  veksel report --db bank.db --report settlement                      on the screen, as CSV
  veksel report --db bank.db --sheet postings --rows 100
  veksel report --config simulator.toml --switch switch.toml --format xlsx --out day.xlsx
  veksel report --db bank.db --format csv --out day/                  a file for each table")]
pub(crate) struct Report {
    /// The configuration of the bank, which names its database
    #[arg(long, value_name = "FILE", required_unless_present = "db", conflicts_with = "db")]
    pub(crate) config: Option<PathBuf>,
    /// The database itself
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// The configuration of a switch: its transactions and reversals are tables too
    #[arg(long, value_name = "FILE")]
    pub(crate) switch: Option<PathBuf>,
    /// Which tables; without this all of them, but on the screen `accounts` alone where CSV is
    /// written
    #[arg(long = "report", value_enum)]
    pub(crate) tables: Option<Tables>,
    /// Only this table
    #[arg(long, value_name = "NAME")]
    pub(crate) sheet: Option<String>,
    /// What is written
    #[arg(long, value_enum, default_value_t = Paper::Csv)]
    pub(crate) format: Paper,
    /// Rows of one table, the newest
    #[arg(long, value_name = "N", default_value_t = ROWS as u32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_575))]
    pub(crate) rows: u32,
    /// Write to this file, or to a folder with a file for each table; without this to the screen
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

/// Which tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tables {
    /// Accounts, cards, holds, postings, messages and the proof that nothing is lost
    State,
    /// What each institution owes and is owed, by business day
    Settlement,
    /// The same as fields of a reconciliation message (05xx)
    Reconciliation,
    /// All of them
    All,
}

impl Tables {
    /// The same as the simulator has it.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::State => Kind::State,
            Self::Settlement => Kind::Settlement,
            Self::Reconciliation => Kind::Reconciliation,
            Self::All => Kind::All,
        }
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Paper {
    /// Comma-separated values
    Csv,
    /// One JSON object
    Json,
    /// A workbook
    Xlsx,
    /// A page that prints well
    Html,
}

impl Paper {
    /// The same as the simulator has it.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv,
            Self::Json => Format::Json,
            Self::Xlsx => Format::Xlsx,
            Self::Html => Format::Html,
        }
    }

    /// How its files end.
    pub(crate) fn ending(self) -> &'static str {
        let own = self.format();
        Format::ALL.iter().find(|(_, format)| *format == own).map_or("", |(word, _)| word)
    }
}

//! The command line of `veksel dialect`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use veksel_codecs::import;

/// `veksel dialect`
#[derive(Args, Debug)]
#[command(after_help = "\
A dialect is the name of a shipped one or a .toml file.

Examples:
  veksel dialect show cbs-bcd
  veksel dialect lint my-link.toml
  veksel dialect import --from jpos packager.xml --out my-link.toml
  veksel dialect diff cbs-ascii-bin my-link.toml
  veksel dialect infer capture.hex                 which shipped dialect reads these messages
  veksel dialect test my-link.toml samples.hex     read every sample and write it again")]
pub(crate) struct Dialect {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DialectCommand,
}

/// What can be done with dialects.
#[derive(Debug, Subcommand)]
pub(crate) enum DialectCommand {
    /// List the shipped dialects
    List(List),
    /// Show the fields and presence rules of a dialect
    Show(Show),
    /// Find every mistake in a dialect file
    Lint(Lint),
    /// Turn a specification of another product into a dialect file, and say what is lost
    Import(Import),
    /// Show in what two dialects differ
    Diff(Diff),
    /// Print a dialect as a Markdown document
    Docs(Docs),
    /// Find the shipped dialects that read given messages
    Infer(Infer),
    /// Read samples by a dialect and write them again
    Test(Test),
}

impl Dialect {
    /// Whether results are for programs.
    pub(crate) const fn json(&self) -> bool {
        match &self.command {
            DialectCommand::List(list) => list.json,
            DialectCommand::Show(show) => show.json,
            DialectCommand::Lint(lint) => lint.json,
            DialectCommand::Import(import) => import.json,
            DialectCommand::Diff(diff) => diff.json,
            DialectCommand::Docs(_) => false,
            DialectCommand::Infer(infer) => infer.json,
            DialectCommand::Test(test) => test.json,
        }
    }
}

/// `veksel dialect list`
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel dialect show`
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The dialect
    #[arg(value_name = "DIALECT")]
    pub(crate) dialect: String,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel dialect lint`
#[derive(Args, Debug)]
pub(crate) struct Lint {
    /// The dialect file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel dialect import`
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Whose notation the file is in
    #[arg(long, value_enum)]
    pub(crate) from: Notation,
    /// The specification
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write the dialect here, where nothing may be yet; without this to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Name of the dialect; without this the name of the file
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Exit with 1 if any field was left out
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose notation a specification is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Notation {
    /// XML of jPOS, for its generic packager
    Jpos,
    /// JSON of moov-io/iso8583
    Moov,
    /// YAML of the Rust crate
    #[value(name = "iso8583_rs")]
    Iso8583Rs,
}

impl From<Notation> for import::Source {
    fn from(notation: Notation) -> Self {
        match notation {
            Notation::Jpos => Self::Jpos,
            Notation::Moov => Self::Moov,
            Notation::Iso8583Rs => Self::Iso8583Rs,
        }
    }
}

/// `veksel dialect diff`
#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// A dialect
    #[arg(value_name = "A")]
    pub(crate) first: String,
    /// Another
    #[arg(value_name = "B")]
    pub(crate) second: String,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel dialect docs`
#[derive(Args, Debug)]
pub(crate) struct Docs {
    /// The dialect
    #[arg(value_name = "DIALECT")]
    pub(crate) dialect: String,
}

/// `veksel dialect infer`
#[derive(Args, Debug)]
pub(crate) struct Infer {
    /// Messages, in hexadecimal with blank lines between them, in a form of `veksel dialect test`,
    /// or one as raw bytes
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Try this dialect file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) with: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel dialect test`
#[derive(Args, Debug)]
#[command(after_help = "\
Samples are hexadecimal with blank lines between them, one message as raw bytes, or lines of JSON:
{\"frame\": \"0800...\", \"mti\": \"0800\", \"fields\": {\"11\": \"000123\", \"52\": {\"hex\": \"A1B2\"}}}.
Type and fields may be left out; those that are there must be what is read. The samples of the
shipped dialects (codecs/dialects/samples) are written like this, a `wire` for each message:
  wire
    0800...
  mti 0800
  11 \"000123\"
  52 x\"A1B2\"")]
pub(crate) struct Test {
    /// The dialect
    #[arg(value_name = "DIALECT")]
    pub(crate) dialect: String,
    /// The samples
    #[arg(value_name = "SAMPLES")]
    pub(crate) samples: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

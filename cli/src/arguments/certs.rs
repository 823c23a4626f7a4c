//! The command line of `veksel certs`.

use super::{ConfigKind, parse_setting};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `veksel certs`
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "veksel certs --config FILE [OPTIONS]
       veksel certs dev DIR [OPTIONS]",
    after_help = "\
Examples:
  veksel certs --config switch.toml                 what is used, whose it is and when it ends
  veksel certs --config switch.toml --warn-days 60 --json
  veksel certs dev ./certs --participant atm --participant pos

Exit codes: 0 all are valid, 1 one is over or not valid yet, 64 one cannot be used."
)]
pub(crate) struct Certs {
    /// What else to do.
    #[command(subcommand)]
    pub(crate) command: Option<CertsCommand>,
    /// The configuration whose certificates are listed
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,
    /// What it is for; without this its sections tell
    #[arg(long, value_enum)]
    pub(crate) kind: Option<ConfigKind>,
    /// A setting that goes before the file and the environment
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Warn of what ends within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) warn_days: u16,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What else can be done with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Make a CA and certificates for tests: a server, a client, and one for each participant
    #[command(after_help = "\
Not for production: the key of the CA lies beside what it signed.

Example:
  veksel certs dev ./certs --participant atm --participant pos --host switch.test")]
    Dev(Dev),
}

/// `veksel certs dev`
#[derive(Args, Debug)]
pub(crate) struct Dev {
    /// Where to put them; made if need be. No file is overwritten
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// A participant that gets a certificate
    #[arg(long, value_name = "NAME", default_value = "channels", value_parser = parse_name)]
    pub(crate) participant: Vec<String>,
    /// A name or address of the server, beside localhost
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,
    /// How long they are valid
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=3_650))]
    pub(crate) days: u16,
}

/// As participants are named in a configuration; these are names of files too.
fn parse_name(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
    let is_taken = ["ca", "server", "client"].contains(&text);
    match (fits, is_taken) {
        (true, false) => Ok(text.to_owned()),
        (true, true) => Err("this name is taken by another file".to_owned()),
        (false, _) => Err("a participant is 1 to 32 of a-z, 0-9, - and _".to_owned()),
    }
}

//! The command line of `veksel accounts`, `veksel customers` and `veksel payments`.

use super::Place;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// How the running switch is called.
#[derive(Args, Debug)]
pub(crate) struct Called {
    /// The configuration of the switch, which names its [http] listener and token
    #[arg(long, value_name = "FILE", required_unless_present = "http")]
    pub(crate) config: Option<PathBuf>,
    /// The [http] listener of the running switch
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Encrypt, as `veksel send --tls`: the CA of the switch, and after commas the other keys of a
    /// [terminals.tls] section; in place of what the configuration says
    #[arg(long, value_name = "TLS")]
    pub(crate) tls: Option<String>,
    /// File with its token, in place of what the configuration names
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel accounts`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  veksel accounts link --account 10000000001 --bank nordbank --iban NO9386011117947 \\
      --customer c-1 --config bridge.toml          says where the customer approves
  veksel accounts show 10000000001 --config bridge.toml
  veksel accounts card 10000000001 --card-file - --customer c-1 --config bridge.toml
  veksel accounts unlink 10000000001 --config bridge.toml")]
pub(crate) struct Accounts {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: AccountsCommand,
}

/// What can be done with linked accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Link an account to a bank: the bank is asked for consent, and its customer must approve
    Link(LinkAccount),
    /// Show how an account is linked
    Show(NamedAccount),
    /// Give a link up, and the consent with it
    Unlink(NamedAccount),
    /// Let a card stand for a linked account, or no longer: messages may name either
    Card(CardOfAccount),
}

impl AccountsCommand {
    /// How the switch is called.
    pub(crate) const fn called(&self) -> &Called {
        match self {
            Self::Link(link) => &link.called,
            Self::Show(named) | Self::Unlink(named) => &named.called,
            Self::Card(card) => &card.named.called,
        }
    }
}

/// `veksel accounts link`
#[derive(Args, Debug)]
pub(crate) struct LinkAccount {
    #[command(flatten)]
    pub(crate) called: Called,
    /// The account as messages name it (field 102)
    #[arg(long)]
    pub(crate) account: String,
    /// Name of the bank in the configuration
    #[arg(long)]
    pub(crate) bank: String,
    /// IBAN at the bank
    #[arg(long)]
    pub(crate) iban: String,
    /// Whose it is
    #[arg(long)]
    pub(crate) customer: String,
    /// Currency of the account, ISO 4217 numeric
    #[arg(long, value_name = "DIGITS", default_value = "578")]
    pub(crate) currency: String,
}

/// An account.
#[derive(Args, Debug)]
pub(crate) struct NamedAccount {
    /// The account as messages name it (field 102)
    #[arg(value_name = "ACCOUNT")]
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) called: Called,
}

/// `veksel accounts card`
#[derive(Args, Debug)]
pub(crate) struct CardOfAccount {
    #[command(flatten)]
    pub(crate) named: NamedAccount,
    /// File with the card number, so that no shell remembers it; `-` reads it from the input
    #[arg(long, value_name = "FILE")]
    pub(crate) card_file: PathBuf,
    /// Whose the account must be
    #[arg(long, value_name = "ID", required_unless_present = "remove")]
    pub(crate) customer: Option<String>,
    /// It stands for the account no longer
    #[arg(long)]
    pub(crate) remove: bool,
}

/// `veksel customers`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  veksel customers check c-1 --config bridge.toml       prints the token for the provider's pages
  veksel customers show c-1 --config bridge.toml
  veksel customers checks c-1 --config bridge.toml      document, liveness, face, sanctions, PEP")]
pub(crate) struct Customers {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: CustomersCommand,
}

/// What can be done with customers.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomersCommand {
    /// Begin an identity check, or go on with one
    Check(CheckCustomer),
    /// Show how a customer stands
    Show(NamedCustomer),
    /// Show each check behind a verification, as the provider says now
    Checks(NamedCustomer),
}

impl CustomersCommand {
    /// How the switch is called.
    pub(crate) const fn called(&self) -> &Called {
        match self {
            Self::Check(check) => &check.called,
            Self::Show(named) | Self::Checks(named) => &named.called,
        }
    }
}

/// `veksel customers check`
#[derive(Args, Debug)]
pub(crate) struct CheckCustomer {
    /// The customer
    #[arg(value_name = "CUSTOMER")]
    pub(crate) customer: String,
    #[command(flatten)]
    pub(crate) called: Called,
    /// E-mail of the customer
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Telephone of the customer
    #[arg(long)]
    pub(crate) phone: Option<String>,
    /// Level of the check; without this the configured one
    #[arg(long)]
    pub(crate) level: Option<String>,
}

/// A customer.
#[derive(Args, Debug)]
pub(crate) struct NamedCustomer {
    /// The customer
    #[arg(value_name = "CUSTOMER")]
    pub(crate) customer: String,
    #[command(flatten)]
    pub(crate) called: Called,
}

/// `veksel payments`
#[derive(Args, Debug)]
#[command(after_help = "\
Reads the journal beside a running switch and changes nothing.

Examples:
  veksel payments --config bridge.toml
  veksel payments --config bridge.toml --cases        those that a person must look at
  veksel payments --config bridge.toml --txn 42       with where its customer approves")]
pub(crate) struct Payments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only those that a person must look at
    #[arg(long)]
    pub(crate) cases: bool,
    /// Only the one of this transaction, with everything that is known of it
    #[arg(long, value_name = "TXN", conflicts_with_all = ["cases", "limit"])]
    pub(crate) txn: Option<u64>,
    /// No more than this
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

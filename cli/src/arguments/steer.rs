//! The command line of `reload` and `status`, which reach a running switch by its admin listener,
//! and of `doctor`, which reaches anything.

use super::{LinkFlags, parse_setting};
use crate::output::parse_duration;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where the running switch is reached.
#[derive(Args, Debug)]
pub(crate) struct Switch {
    /// The configuration of the switch, which names its admin listener
    #[arg(long, value_name = "FILE", required_unless_present = "admin", conflicts_with = "admin")]
    pub(crate) config: Option<PathBuf>,
    /// The admin listener of the running switch
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin: Option<SocketAddr>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel reload`
#[derive(Args, Debug)]
#[command(after_help = "\
The switch reads its own file again, with the flags and the environment it was started with. A
file with a mistake changes nothing. `live` holds at once, `reconnect` for connections made from
now on (those to hosts are replaced without losing a request), `restart` after a restart.

Examples:
  veksel reload --config switch.toml --trial      say what would change
  veksel reload --config switch.toml
  veksel reload --admin 127.0.0.1:8580 --operator ida
  kill -HUP PID                                   the same, from a shell or systemd")]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) switch: Switch,
    /// Who reloads, for the audit trail; without this the name of the user
    #[arg(long, value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// Only say what would change
    #[arg(long)]
    pub(crate) trial: bool,
}

/// `veksel status`
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 1 if the switch is not ready: it takes no requests, or is signed on to no host.

Examples:
  veksel status --config switch.toml
  veksel status --admin 127.0.0.1:8580 --json")]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) switch: Switch,
}

/// `veksel doctor`
#[derive(Args, Debug)]
#[command(after_help = "\
Exit code 1 if anything is wrong. Nothing but network management is sent to hosts, and nothing but
requests that change nothing to third parties.

Examples:
  veksel doctor tcp 127.0.0.1:8583
  veksel doctor tcp bank.example:7000 --dialect iso87-ascii --framing ascii4
  veksel doctor tcp 10.0.0.7:7000 --no-sign-on --timeout 2s --json
  veksel doctor http --config bridge.toml")]
pub(crate) struct Doctor {
    /// What to examine.
    #[command(subcommand)]
    pub(crate) command: DoctorCommand,
}

/// What can be examined.
#[derive(Debug, Subcommand)]
pub(crate) enum DoctorCommand {
    /// A host or a listener: connecting, TLS, framing, sign-on, echo and clock
    Tcp(TcpDoctor),
    /// Every third party that a switch calls over HTTP or SMTP, and its own HTTP listener
    Http(HttpDoctor),
}

impl DoctorCommand {
    /// Whether the result is for programs.
    pub(super) const fn json(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.json,
            Self::Http(http) => http.json,
        }
    }
}

/// `veksel doctor http`
#[derive(Args, Debug)]
#[command(after_help = "\
For banks, identity checks, the card platform's keys, who signs people in, billers, messengers,
alarms and traces: are secrets readable, and by their owner only, do certificates and keys fit and
for how many days, is the name known, does the port accept, is TLS spoken, who answers, and how far
is its clock off. It asks by GET and shows no secret; nobody logs in and nothing is sent. Run it with
the variables that the switch has; docs/operating.md says how for a service of systemd.

Exit codes: 0 nothing is wrong, 1 something is, 64 the configuration is wrong.

Examples:
  veksel doctor http --config bridge.toml
  veksel doctor http --config bridge.toml --timeout 2s --json")]
pub(crate) struct HttpDoctor {
    /// The configuration of the switch
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// A setting that goes before the file and the environment
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<(String, String)>,
    /// How long each step may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `veksel doctor tcp`
#[derive(Args, Debug)]
pub(crate) struct TcpDoctor {
    /// What to connect to
    #[arg(value_name = "HOST:PORT")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) link: LinkFlags,
    /// Encrypt, as `veksel send --tls`: the CA of the other side, and after commas the other keys
    #[arg(long, value_name = "TLS")]
    pub(crate) tls: Option<String>,
    /// DE32 of what is sent; empty sends none
    #[arg(long, value_name = "DIGITS", default_value = "500001", value_parser = institution)]
    pub(crate) institution: String,
    /// How long each answer may take
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Do not sign on; the other side may have one session only, and somebody may be using it
    #[arg(long)]
    pub(crate) no_sign_on: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Up to eleven digits.
fn institution(text: &str) -> Result<String, String> {
    let fits = text.len() <= 11 && text.bytes().all(|digit| digit.is_ascii_digit());
    fits.then(|| text.to_owned()).ok_or_else(|| "DE32 is up to 11 digits".to_owned())
}

//! Configuration: text in, checked values out. The only reader of TOML in the product.
//!
//! A [`Source`] is a file, environment variables and flags. [`load_switch`] and
//! [`load_simulator`] turn it into a value every part can rely on, or into all the
//! [`Problems`] it has, each with the place it comes from. Nothing here opens a port, reads a key
//! or creates a file: a configuration can be checked on a machine that will never run it.
//!
//! Two layers, both without serde: a parser that stops at the first mistake, or that forgets
//! where a value stood, cannot report everything at once.
//!
//! 1. *raw*: `tree` is the file with environment and flags laid over it, `section` reads
//!    single values out of it and notes every key it was asked for;
//! 2. *checked*: what only several values together can tell (references, ports, deadlines), and
//!    the result.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
pub mod alert;
pub mod bridge;
mod cidr;
mod extauth;
mod findings;
mod framing;
mod local;
mod mac;
mod overlay;
mod private;
mod problem;
pub mod provider;
mod reload;
mod sandbox;
mod section;
mod settings;
mod simulator;
mod source;
mod suggest;
mod switch;
mod tls;
mod tree;
mod unit;

pub use address::{Destination, DialectName};
pub use cidr::Cidr;
pub use extauth::{ExtAuthConfig, HoldChange, NotifyClientConfig, ProofHeaders, SignatureBase};
pub use local::{Elsewhere, from_this_machine, is_plain_id};
pub use mac::{MacAlgorithm, MacConfig, MacPadding};
pub use private::is_private;
pub use problem::{Colour, Problem, Problems, Rendering, Severity};
pub use reload::{Change, Effect, Reload, Socket, reload};
pub use sandbox::{
    ASPSP_BANKS, AspspConfig, BillerSandbox, DiditSandbox, DropPaySandbox, FcmSandbox, MailSandbox,
    NeonomicsSandbox, NotifySandbox, OidcSandbox, SANDBOXES, SandboxConfig, ShaypeClient,
    ShaypeLimit, ShaypeSandbox, SmsSandbox, SumsubSandbox, WebhookSchedule,
};
pub use settings::{Origin, Setting, Settings};
pub use simulator::{
    BankConfig, BankProfile, Faults, Mix, SimulatorConfig, TerminalsConfig, load_simulator,
};
pub use source::Source;
pub use switch::{
    AdminConfig, DialConfig, ExclusiveConfig, HTTP, ListenConfig, LogConfig, LogFormat, LogLevel,
    PortConfig, ServiceMode, SocketConfig, StoreConfig, SwitchConfig, TcpKeepAlive, TraceConfig,
    load_switch,
};
pub use tls::{Clients, DialTls, Identities, Identity, ListenTls, Pin, San};

/// The shipped `config/switch.toml`: every key with its default, loads as it is.
pub const SWITCH_EXAMPLE: &str = include_str!("../switch.toml");

/// The shipped `config/bridge.toml`: a switch that also asks banks and a provider of identity
/// checks, with every key of those sections.
pub const BRIDGE_EXAMPLE: &str = include_str!("../bridge.toml");

/// The shipped `config/simulator.toml`, the bank that [`SWITCH_EXAMPLE`] connects to.
pub const SIMULATOR_EXAMPLE: &str = include_str!("../simulator.toml");

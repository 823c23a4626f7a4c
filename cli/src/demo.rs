//! `veksel demo`: a bank, a switch and terminals in one process, and at the end the books.
//!
//! Third parties are played too: an account is linked at one of their banks when it starts.
//!
//! The parts are those of `run` and `simulate`, set up by the shipped example files and a few
//! settings; they talk over TCP on the loopback as they would between machines. Here they are
//! started in order, watched, stopped in order, and what they say of each other is compared.

mod agreement;
mod folder;
mod outside;
pub(crate) mod report;

use crate::arguments::Demo;
use crate::link::dialects;
use crate::output::{Exit, Failure, Output};
use crate::run;
use crate::signals::Signals;
use crate::simulate;
use folder::Folder;
use outside::Door;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use veksel_config::{
    Destination, SIMULATOR_EXAMPLE, SimulatorConfig, Source, load_simulator, load_switch,
};
use veksel_server::Running;
use veksel_simulator::bank::RunningBank;
use veksel_simulator::sandbox::stage::{Reported, Stage as Sandboxes};
use veksel_simulator::terminals::{Behaviour, RunningTerminals};
use veksel_simulator::{bank, terminals};

/// How long the switch may take to sign on to the bank, and the customer to be known.
const READY: Duration = Duration::from_secs(10);

/// Time between two looks whether that is done.
const LOOK: Duration = Duration::from_millis(10);

/// Time between two status lines.
const BEAT: Duration = Duration::from_secs(1);

/// So many of a hundred payments are meant to be declined, so that declines can be seen.
const MAGIC: u8 = 2;

/// The listener in the example file.
const LISTENER: &str = "channels";

/// Everything that runs.
struct Stage {
    bank: RunningBank,
    sandboxes: Sandboxes,
    switch: Running,
    terminals: RunningTerminals,
}

/// Runs the demo to its end.
///
/// # Errors
/// When a part does not start, or ends before it should.
pub(crate) fn demo(arguments: &Demo, output: Output) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    let folder = Folder::open(arguments.retain.as_deref())?;
    let stage = Stage::set(arguments, folder.path())?;
    if !output.json {
        output.print(banner(&stage, &folder))?;
    }
    let end = arguments.length.and_then(|length| Instant::now().checked_add(length));
    stage.watch(&signals, end, output)?;
    stage.close(folder.path(), output)
}

impl Stage {
    fn set(arguments: &Demo, folder: &Path) -> Result<Self, Failure> {
        let address = |port: u16| {
            let port = if arguments.random_ports { 0 } else { port };
            SocketAddr::from(([127, 0, 0, 1], port)).to_string()
        };
        let busy = |failure: Failure| match arguments.random_ports {
            true => failure,
            false => failure.help("if a port is in use, `veksel demo --random-ports` takes others"),
        };
        let door = Door::hold(&address(8581)).map_err(busy)?;
        let SimulatorConfig { bank, terminals, sandbox, .. } =
            simulator(arguments, folder, [address(8593), address(8595)], &door)?;
        let reported = Reported { name: bank.name.clone(), database: bank.database.clone() };
        let bank = bank::start(bank);
        let bank = bank.map_err(|error| busy(Failure::no("start", error.to_string())))?;
        let sandboxes = sandbox.ok_or_else(|| Failure::no("start", "there are no sandboxes"))?;
        let sandboxes = simulate::stage(&sandboxes, &reported, &bank)?;
        let mut settings = door.open(folder, &sandboxes)?;
        settings.extend([
            ("listener.channels.listen", address(8583)),
            ("admin.listen", address(8580)),
            ("group.cbs.connect", bank.address().to_string()),
        ]);
        let switch = switch(folder, settings).map_err(busy)?;
        await_ready(&switch)?;
        outside::link(&switch)?;
        let terminals = terminals.zip(switch.address(LISTENER)).map(|(mut config, address)| {
            config.connect = Destination { host: address.ip().to_string(), port: address.port() };
            let behaviour = Behaviour { magic_percent: MAGIC, ..Behaviour::default() };
            terminals::start_with(config, behaviour)
                .map_err(|error| Failure::no("start", error.to_string()))
        });
        let Some(terminals) = terminals else {
            return Err(Failure::no("start", "there is nothing for terminals to connect to"));
        };
        Ok(Self { bank, sandboxes, switch, terminals: terminals? })
    }

    /// Shows what goes on until the time is over or somebody asks to stop.
    fn watch(
        &self,
        signals: &Signals,
        end: Option<Instant>,
        output: Output,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let in_place = output.look.is_terminal;
        loop {
            let left = end.map_or(BEAT, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() || signals.asked_within(BEAT.min(left)) {
                break;
            }
            if let Some(stopped) = self.switch.wait(Duration::ZERO) {
                run::ended(&stopped)?;
            }
            if let Some(Err(error)) = self.bank.wait(Duration::ZERO) {
                return Err(Failure::no("bank", format!("the bank stopped: {error}")));
            }
            if !output.json {
                let line = report::status_line(start.elapsed(), &self.terminals.snapshot());
                output.print(match in_place {
                    true => format!("\r\x1b[2K{line}"),
                    false => format!("{line}\n"),
                })?;
            }
        }
        if in_place && !output.json {
            output.print("\n")?;
        }
        Ok(())
    }

    /// Stops everything from the front to the back, so that nothing is in flight when the books
    /// are compared.
    fn close(self, folder: &Path, output: Output) -> Result<Exit, Failure> {
        let traffic = self.terminals.stop();
        let stopped = self.switch.stop();
        drop(self.sandboxes);
        let summary = self.bank.stop().map_err(|error| Failure::no("bank", error.to_string()))?;
        run::ended(&stopped)?;
        let agreement = agreement::agreement(&folder.join(JOURNAL), &folder.join(LEDGER));
        let agreement = agreement.map_err(|error| {
            Failure::no("agreement", format!("journal and ledger cannot be compared: {error}"))
        })?;
        let report = report::Report { traffic, summary, agreement };
        if output.json {
            output.print_json(&report.json())?;
        } else {
            output.print(report.text(output))?;
        }
        Ok(if report.is_well() { Exit::Yes } else { Exit::No })
    }
}

/// Names of the two databases in the folder.
const JOURNAL: &str = "veksel.db";
const LEDGER: &str = "bank.db";

/// The folder of the sandboxes' CA, in the same one.
const CERTIFICATES: &str = "certificates";

/// A port that the system chooses: nobody has to know those of the sandboxes beforehand.
const ANYWHERE: &str = "127.0.0.1:0";

fn simulator(
    arguments: &Demo,
    folder: &Path,
    [listen, report]: [String; 2],
    door: &Door,
) -> Result<SimulatorConfig, Failure> {
    let settings = [
        ("bank.listen", listen),
        ("bank.database", LEDGER.to_owned()),
        ("terminals.rate", arguments.rate.to_string()),
        ("sandbox.certificates", CERTIFICATES.to_owned()),
        ("sandbox.aspsp.listen", ANYWHERE.to_owned()),
        ("sandbox.aspsp.tls_listen", ANYWHERE.to_owned()),
        ("sandbox.sumsub.listen", ANYWHERE.to_owned()),
        ("sandbox.neonomics.listen", ANYWHERE.to_owned()),
        ("sandbox.droppay.listen", ANYWHERE.to_owned()),
        ("sandbox.droppay.tls_listen", ANYWHERE.to_owned()),
        ("sandbox.notify.listen", ANYWHERE.to_owned()),
        ("sandbox.oidc.listen", ANYWHERE.to_owned()),
        ("sandbox.report.listen", report),
        ("sandbox.shaype.listen", ANYWHERE.to_owned()),
        ("sandbox.biller.listen", ANYWHERE.to_owned()),
        ("sandbox.sms.listen", ANYWHERE.to_owned()),
        ("sandbox.fcm.listen", ANYWHERE.to_owned()),
        ("sandbox.mail.listen", ANYWHERE.to_owned()),
        ("sandbox.mail.smtp_listen", ANYWHERE.to_owned()),
        ("sandbox.mail.smtps_listen", ANYWHERE.to_owned()),
        ("sandbox.didit.listen", ANYWHERE.to_owned()),
    ];
    let source = Source::text("demo", SIMULATOR_EXAMPLE).folder(folder);
    let source = source.flags(settings).flags(door.simulator()).known_dialects(&dialects());
    load_simulator(source).map_err(Failure::Configuration)
}

fn switch(folder: &Path, settings: Vec<(&'static str, String)>) -> Result<Running, Failure> {
    let more = [
        ("store.path", JOURNAL.to_owned()),
        ("log.level", "warn".to_owned()),
        ("log.format", "pretty".to_owned()),
        // What is played is no business of the people behind a real channel.
        ("alert.slack_url_env", String::new()),
        ("switch.service_mode", "mock".to_owned()),
    ];
    let source = Source::text("demo", outside::switch_text()).folder(folder);
    let source = source.flags(settings).flags(more).known_dialects(&dialects());
    let config = load_switch(source).map_err(Failure::Configuration)?;
    veksel_server::init_tracing(&config.log)
        .map_err(|error| Failure::configuration(error.to_string()))?;
    run::start(config)
}

fn await_ready(switch: &Running) -> Result<(), Failure> {
    await_while("the switch did not sign on to the bank", Instant::now(), || {
        if let Some(stopped) = switch.wait(Duration::ZERO) {
            run::ended(&stopped)?;
        }
        Ok(!switch.is_ready())
    })
}

/// Looks again and again while something is not done, for [`READY`] after `start`.
fn await_while(
    what: &str,
    start: Instant,
    mut is_open: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    while is_open()? {
        if start.elapsed() > READY {
            return Err(Failure::no("start", what));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn banner(stage: &Stage, folder: &Folder) -> String {
    let channels = stage.switch.address(LISTENER).map(|address| address.to_string());
    let admin = stage.switch.admin().map(|address| address.to_string());
    let http = stage.switch.http().map(|address| address.to_string());
    let place = folder.path().display().to_string();
    report::banner(&report::Banner {
        channels: &channels.unwrap_or_default(),
        bank: &stage.bank.address().to_string(),
        admin: &admin.unwrap_or_default(),
        http: &http.unwrap_or_default(),
        folder: &place,
        sandboxes: stage.sandboxes.running.places(),
        is_kept: folder.is_kept(),
        is_seen: std::io::stdout().is_terminal(),
    })
}

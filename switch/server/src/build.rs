//! The shard's thread: what it is given, and how its parts are built there.

use crate::alert::{Alerts, Approvals};
use crate::callers::Callers;
use crate::clock::Clock;
use crate::enquirer::Enquirer;
use crate::finder::Finder;
use crate::observe::{Metrics, Observer};
use crate::operate;
use crate::orders::Order;
use crate::port::Port;
use crate::shard::Shard;
use crate::spans::Spans;
use crate::start::{StartError, Stopped, socket};
use crate::status::{Picture, Status};
use crate::upkeep::Upkeep;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc as threads;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use veksel_api::Posted;
use veksel_codecs::{Codec, Dialect};
use veksel_config::{SocketConfig, SwitchConfig};
use veksel_core::{Input, LinkId, Plan, Record, RecordId, Resume, Switch};
use veksel_link::Wires;
use veksel_store::{Committer, Recovered, Store};

/// Commits whose report may wait to be taken.
const REPORTS_MAX: usize = 1_024;

/// Questions that may wait for the journal to be read.
const QUESTIONS_MAX: usize = 4_096;

/// Messages that may wait to be taken by the engine.
const INBOX_MAX: usize = 16_384;

/// What the shard's thread is given.
pub(crate) struct Parts {
    pub(crate) config: SwitchConfig,
    pub(crate) dialects: Vec<Dialect>,
    pub(crate) store: Box<dyn Store>,
    pub(crate) recovered: Recovered,
    pub(crate) metrics: Metrics,
    pub(crate) alerts: Alerts,
    pub(crate) approvals: Approvals,
    pub(crate) spans: Spans,
    pub(crate) status: Status,
    pub(crate) enquirer: Enquirer,
    pub(crate) callers: Callers,
    pub(crate) posts: mpsc::Receiver<Posted>,
    pub(crate) commands: mpsc::Receiver<Input>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) targets: operate::Targets,
    pub(crate) stopping: oneshot::Receiver<()>,
}

pub(crate) type Started = Result<Vec<(String, SocketAddr)>, StartError>;

/// The body of the shard's thread. `None` if it did not come to run.
pub(crate) fn run(parts: Parts, ready: &threads::SyncSender<Started>) -> Option<Stopped> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error.into()));
            return None;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        match build(parts) {
            Ok((shard, addresses)) => {
                let _ = ready.send(Ok(addresses));
                // As a task it takes its turn after every connection that is ready, which makes
                // its batches as large as they can be.
                Some(tokio::task::spawn_local(shard.run()).await.unwrap_or(Stopped::Panicked))
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                None
            }
        }
    })
}

/// Recovers the engine and opens the sockets.
fn build(parts: Parts) -> Result<(Shard, Vec<(String, SocketAddr)>), StartError> {
    let Parts { config, dialects, store, recovered, metrics, status, .. } = parts;
    let (commands, orders, stopping) = (parts.commands, parts.orders, parts.stopping);
    let (targets, enquirer, callers) = (parts.targets, parts.enquirer, parts.callers);
    let mut port = Port::new(parts.posts);
    let clock = Clock::new();
    let now = clock.now();
    let (alerts, approvals, spans) = (parts.alerts, parts.approvals, parts.spans);
    let says_carried = spans.is_wanted();
    let observer = Observer::new(metrics, &config.plan, (alerts, approvals, spans));
    refuse_unknown_groups(&recovered, &config.plan)?;
    let mut switch = Switch::new(config.plan);
    if says_carried {
        switch.say_carried();
    }
    for (id, record) in &recovered.records {
        switch.apply(*id, record);
    }
    let Recovered { last: record, txn, stans, records, held } = recovered;
    let open = records.iter().filter(|(_, record)| matches!(record, Record::Intent(_))).count();
    let durable: RecordId = record;
    switch.recover(now, Resume { record, txn, stans });
    switch.note(now, "switch", "start", format!("{open} transactions not settled"));

    let finder = Finder::spawn(store.reader()?, QUESTIONS_MAX)?;
    let (reports, done) = mpsc::channel(REPORTS_MAX);
    let queue_max = usize::try_from(config.store.queue_max).unwrap_or(usize::MAX);
    let committer = Committer::spawn(store, queue_max, move |report| {
        // Without a receiver the shard has ended, and nobody waits for the report.
        let _ = reports.blocking_send(report);
    })?;

    let wires = Wires::new(INBOX_MAX, clock.origin, now.utc.0);
    let mut addresses = Vec::new();
    for ((place, socket_config), dialect) in (0..).zip(&config.sockets).zip(dialects) {
        let (link, codec) = (LinkId(place), Rc::new(Codec::new(dialect)));
        match socket_config {
            SocketConfig::Listen(listen) => {
                let name = name(&switch, link);
                let address = wires
                    .listen(link, listen, codec)
                    .map_err(|source| socket(format!("listener \"{name}\""), source))?;
                addresses.push((name, address));
            }
            SocketConfig::Dial(dial) => wires.dial(link, dial, codec).map_err(|error| {
                socket(format!("link {}", name(&switch, link)), io::Error::other(error))
            })?,
            SocketConfig::Port(_) => {
                let callers = config.bridge.callers.iter();
                let callers = callers.map(|own| (wires.without_socket(link), own.participant));
                for input in port.open(codec, &callers.collect::<Vec<_>>()) {
                    switch.handle(now, input);
                }
            }
        }
    }
    let groups = switch.plan().groups.iter().map(|group| (group.name.clone(), 0)).collect();
    status.set(Picture { groups, serving: true, store: true, ..Picture::default() });
    let shard = Shard {
        clock,
        switch,
        wires,
        committer,
        done,
        finder,
        enquirer,
        callers,
        port,
        commands,
        orders,
        targets,
        upkeep: Upkeep::new(config.store.keep_ms, config.store.records_max, held),
        observer,
        status,
        stop: stopping,
        drain: Duration::from_millis(config.drain_ms),
        backlog_max: queue_max,
        durable,
    };
    Ok((shard, addresses))
}

/// A reversal of a group that is gone could never be sent, and a payment at a bank that is gone
/// never asked after, and nobody would hear of it.
fn refuse_unknown_groups(recovered: &Recovered, plan: &Plan) -> Result<(), StartError> {
    let owed = recovered.records.iter().filter_map(|(_, record)| match record {
        Record::Intent(intent) if !intent.group.is_empty() => Some(&intent.group),
        _ => None,
    });
    let is_known = |name: &str| {
        let mut names = plan.groups.iter().map(|group| &group.name);
        names.any(|known| known == name) || plan.banks.iter().any(|bank| bank.name == name)
    };
    let mut unknown = owed.filter(|name| !is_known(name));
    match unknown.next() {
        None => Ok(()),
        Some(group) => {
            let count = 1 + unknown.filter(|other| *other == group).count();
            Err(StartError::Group { group: group.clone(), count })
        }
    }
}

fn name(switch: &Switch, link: LinkId) -> String {
    let link = switch.plan().links.get(usize::from(link.0));
    link.map(|link| link.name.clone()).unwrap_or_default()
}

//! A configuration that takes the place of one that runs: what changes, and what that takes.
//!
//! Nothing is opened and nothing decided here. The result is the running configuration with
//! everything taken over that can be without a restart; what cannot is named and left as it is.
//! Links, groups and participants keep their places, because the engine and its sockets know them
//! by those.

use crate::mac::MacConfig;
use crate::settings::{Setting, Settings};
use crate::switch::{DialConfig, ListenConfig, SocketConfig, SwitchConfig};
use veksel_core::plan::{
    GroupId, LinkPlan, LinkRole, ParticipantId, ParticipantPlan, Plan, ReversalPlan, RouteTo,
};

/// What it takes for the new value of a setting to hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// It holds at once. What is in flight keeps what it was given.
    Live,
    /// It holds for connections made from now on. Those to hosts are replaced one after the
    /// other and lose nothing; channels get it when they connect again.
    Reconnect,
    /// It holds after a restart. Until then the old value does.
    Restart,
}

impl Effect {
    /// The word people and programs see.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Reconnect => "reconnect",
            Self::Restart => "restart",
        }
    }

    /// What it takes to change the setting at this path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let mut parts = path.split('.');
        let (section, rest) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
        let keys = rest.get(1..).unwrap_or_default();
        let is_key = |keys: &[&str]| {
            matches!(keys, ["mac", "accept" | "make" | "next_accept" | "next_make" | "overlap"])
        };
        match (section, keys) {
            // Listeners know participants by these.
            ("participant", ["pins" | "sans"]) => Self::Reconnect,
            // Payees have no names; their place in the file stands in the section.
            (section, _) if section.starts_with("payee[") => Self::Live,
            ("limits" | "participant" | "route", _)
            | ("listener", ["participant"])
            | ("group", ["deadlines" | "breaker", _]) => Self::Live,
            ("listener" | "group", keys) if is_key(keys) => Self::Live,
            // What was sent as one type is answered as one, and repeated as one.
            ("listener", ["listen"]) | ("group", ["reversals", "message"]) => Self::Restart,
            ("group", ["reversals", _] | ["window_max" | "tombstone"]) => Self::Live,
            ("group", ["policy" | "answers" | "warm_up" | "queue_max" | "queue_age"]) => Self::Live,
            ("group", ["session", key]) if !matches!(*key, "sign_on" | "peer_signs_on") => {
                Self::Live
            }
            ("listener" | "group", _) => Self::Reconnect,
            ("switch", _)
                if matches!(rest.as_slice(), ["name" | "service_mode" | "allow_mock_in_prod"]) =>
            {
                Self::Restart
            }
            ("switch", _) => Self::Live,
            _ => Self::Restart,
        }
    }
}

/// A setting that has another value, or is new or gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// As environment and flags address it: `group.cbs.session.answer`.
    pub path: String,
    /// The value that holds, as TOML; `None` if the setting is new.
    pub before: Option<String>,
    /// The value that was read, as TOML; `None` if the setting is gone.
    pub after: Option<String>,
    /// What it takes.
    pub effect: Effect,
}

/// What becomes of the socket of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Socket {
    /// Nothing. Its keys may still be other ones: files can change without their names.
    Same,
    /// Connections made from now on are made another way.
    Renewed,
    /// It was not there before.
    New,
}

/// The outcome of comparing two configurations.
#[derive(Debug)]
pub struct Reload {
    /// What runs from now on.
    pub config: SwitchConfig,
    /// Everything that differs, in the order of the file that was read, then what is gone.
    pub changes: Vec<Change>,
    /// What becomes of each link of `config.plan`, in its order.
    pub sockets: Vec<Socket>,
}

/// Compares what runs with what was read.
#[must_use]
pub fn reload(running: &SwitchConfig, wanted: &SwitchConfig) -> Reload {
    let mut changes = differences(&running.settings, &wanted.settings);
    let routes = |config: &SwitchConfig| -> Vec<String> {
        config.plan.routes.iter().map(|route| route.name.clone()).collect()
    };
    let (mut before, mut after) = (routes(running), routes(wanted));
    let is_shuffled = before != after;
    before.sort_unstable();
    after.sort_unstable();
    if is_shuffled && before == after {
        let order = |config| Some(format!("{:?}", routes(config)));
        let (before, after) = (order(running), order(wanted));
        changes.push(Change { path: "route".to_owned(), before, after, effect: Effect::Live });
    }
    for link in &running.plan.links {
        let other = wanted.plan.links.iter().find(|other| other.name == link.name);
        if other.is_some_and(|other| knows_otherwise(link.role, other.role)) {
            // Who is on its connections would be told in two ways at once.
            let part = format!("listener.{}.", link.name);
            let own = changes.iter_mut().filter(|change| change.path.starts_with(&part));
            own.for_each(|change| change.effect = Effect::Restart);
        }
    }
    let (plan, places) = merge_plans(&running.plan, &wanted.plan);
    let (mut sockets, mut fates) = (Vec::new(), Vec::new());
    for (place, link) in plan.links.iter().enumerate() {
        let wanted_socket = wanted.plan.links.iter().position(|other| other.name == link.name);
        let wanted_socket = wanted_socket.and_then(|at| {
            let role = wanted.plan.links.get(at)?.role;
            let socket = wanted.sockets.get(at)?;
            // The link keeps what it is until a restart, and so does its socket.
            let kept = running.sockets.get(place).filter(|_| knows_otherwise(link.role, role));
            Some(kept.cloned().unwrap_or_else(|| with_places(socket, &wanted.plan, &plan)))
        });
        let wanted_socket = wanted_socket.as_ref();
        let has_part = match link.role {
            LinkRole::Host(group) => plan
                .groups
                .get(usize::from(group.0))
                .is_some_and(|own| wanted.plan.groups.iter().any(|other| other.name == own.name)),
            LinkRole::Channel(_) | LinkRole::Identified => true,
        };
        let (socket, fate) =
            merge_sockets(running.sockets.get(place), wanted_socket, has_part, || {
                let group = match link.role {
                    LinkRole::Host(group) => plan.groups.get(usize::from(group.0)),
                    LinkRole::Channel(_) | LinkRole::Identified => None,
                };
                let known = group.and_then(|group| {
                    running.plan.groups.iter().find(|other| other.name == group.name)
                });
                // Whether a sign-on is needed is decided when a connection is made.
                group.zip(known).is_some_and(|(group, known)| {
                    group.session.sign_on != known.session.sign_on
                        || group.session.peer_signs_on != known.session.peer_signs_on
                })
            });
        sockets.extend(socket);
        fates.push(fate);
    }
    debug_assert_eq!(places, plan.links.len(), "every link has a socket");
    let settings = merge_settings(&running.settings, &wanted.settings, &changes);
    let config = SwitchConfig {
        drain_ms: wanted.drain_ms,
        plan,
        sockets,
        settings,
        warnings: wanted.warnings.clone(),
        ..running.clone()
    };
    Reload { config, changes, sockets: fates }
}

/// Whether participants of a listener are told apart by certificates in one of the two only.
fn knows_otherwise(a: LinkRole, b: LinkRole) -> bool {
    (a == LinkRole::Identified) != (b == LinkRole::Identified)
}

/// A socket of one plan whose participants have the places of another.
fn with_places(socket: &SocketConfig, from: &Plan, to: &Plan) -> SocketConfig {
    let mut socket = socket.clone();
    let place = |id: ParticipantId| {
        let name = &from.participants.get(usize::from(id.0))?.name;
        let at = to.participants.iter().position(|other| other.name == *name)?;
        u16::try_from(at).ok().map(ParticipantId)
    };
    if let SocketConfig::Listen(ListenConfig { identities: Some(identities), .. }) = &mut socket {
        // Nobody rather than somebody else, if one had no place; all have.
        identities.known.retain_mut(|identity| match place(identity.participant) {
            Some(participant) => {
                identity.participant = participant;
                true
            }
            None => false,
        });
        identities.without = identities.without.and_then(place);
    }
    socket
}

fn differences(running: &Settings, wanted: &Settings) -> Vec<Change> {
    let mut changes = Vec::new();
    for setting in wanted.iter() {
        let before = running.get(&setting.path).map(|setting| setting.value.clone());
        if before.as_ref() != Some(&setting.value) {
            let (path, after) = (setting.path.clone(), Some(setting.value.clone()));
            // A part that is new as a whole is made from what was read, whatever its keys take.
            let is_new = before.is_none() && is_part_new(&path, running);
            let effect = if is_new { Effect::Live } else { Effect::of(&path) };
            changes.push(Change { path, before, after, effect });
        }
    }
    for setting in running.iter().filter(|setting| wanted.get(&setting.path).is_none()) {
        let (path, before) = (setting.path.clone(), Some(setting.value.clone()));
        // A route can go at any time; something may still need any other part.
        let is_live = path.starts_with("route.") || path.starts_with("payee[");
        let effect = if is_live { Effect::Live } else { Effect::Restart };
        changes.push(Change { path, before, after: None, effect });
    }
    changes
}

/// Whether no setting of the named part of this path is known.
fn is_part_new(path: &str, running: &Settings) -> bool {
    let mut parts = path.splitn(3, '.');
    let (Some(section), Some(name), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let part = format!("{section}.{name}.");
    let is_named = matches!(section, "participant" | "listener" | "group" | "route");
    is_named && running.iter().all(|setting| !setting.path.starts_with(&part))
}

/// The settings that hold: those read, but for what needs a restart.
fn merge_settings(running: &Settings, wanted: &Settings, changes: &[Change]) -> Settings {
    let waits = |path: &str| {
        changes.iter().any(|change| change.path == path && change.effect == Effect::Restart)
    };
    let kept = |setting: &Setting| -> Option<Setting> {
        if waits(&setting.path) {
            return running.get(&setting.path).cloned();
        }
        Some(setting.clone())
    };
    let mut settings: Vec<Setting> = wanted.iter().filter_map(kept).collect();
    let beyond = settings.iter().map(|setting| setting.section).max().unwrap_or(0) + 1;
    let gone = running
        .iter()
        .filter(|setting| wanted.get(&setting.path).is_none() && waits(&setting.path));
    settings.extend(
        gone.map(|setting| Setting { section: beyond + setting.section, ..setting.clone() }),
    );
    Settings::new(settings)
}

/// The plan that holds, and how many links it has.
fn merge_plans(running: &Plan, wanted: &Plan) -> (Plan, usize) {
    fn place<T>(items: &[T], name: &str, name_of: impl Fn(&T) -> &str) -> Option<usize> {
        items.iter().position(|item| name_of(item) == name)
    }
    let mut participants = running.participants.clone();
    for participant in &wanted.participants {
        match place(&participants, &participant.name, |part| &part.name) {
            Some(at) => {
                // Who calls over HTTP is known at the start.
                let stamps_anew = participants[at].stamps_anew;
                participants[at] = ParticipantPlan { stamps_anew, ..participant.clone() };
            }
            None => participants.push(participant.clone()),
        }
    }
    let mut groups = running.groups.clone();
    for group in &wanted.groups {
        match place(&groups, &group.name, |group| &group.name) {
            Some(at) => {
                let mti = groups[at].reversals.mti;
                groups[at] = group.clone();
                groups[at].reversals = ReversalPlan { mti, ..group.reversals };
            }
            None => groups.push(group.clone()),
        }
    }
    let index = |place: Option<usize>| place.and_then(|at| u16::try_from(at).ok()).unwrap_or(0);
    let participant = |id: ParticipantId| {
        let name = wanted.participants.get(usize::from(id.0)).map_or("", |part| &part.name);
        ParticipantId(index(place(&participants, name, |part| &part.name)))
    };
    let group = |id: GroupId| {
        let name = wanted.groups.get(usize::from(id.0)).map_or("", |group| &group.name);
        GroupId(index(place(&groups, name, |group| &group.name)))
    };
    let mut links = running.links.clone();
    for link in &wanted.links {
        let role = match link.role {
            LinkRole::Channel(id) => LinkRole::Channel(participant(id)),
            LinkRole::Identified => LinkRole::Identified,
            LinkRole::Host(id) => LinkRole::Host(group(id)),
        };
        let link = LinkPlan { role, ..link.clone() };
        match place(&links, &link.name, |link| &link.name) {
            Some(at) if knows_otherwise(links[at].role, link.role) => {}
            Some(at) => links[at] = link,
            None => links.push(link),
        }
    }
    let mut routes = wanted.routes.clone();
    for route in &mut routes {
        if let RouteTo::Group(to) = &mut route.to {
            *to = group(*to);
        }
        for id in &mut route.participants {
            *id = participant(*id);
        }
    }
    let count = links.len();
    let plan = Plan {
        links,
        groups,
        participants,
        routes,
        // Payments and links name their bank, and whoever asks it was made for it.
        banks: running.banks.clone(),
        asks_billers: running.asks_billers,
        kyc: running.kyc.clone(),
        keep_ms: running.keep_ms,
        digest_key: running.digest_key.clone(),
        ..wanted.clone()
    };
    (plan, count)
}

/// The socket of a link that holds, and what becomes of it. `has_part` says whether the listener or
/// group it belongs to was read, `is_asked` whether its
/// connections must be made anew for another reason.
fn merge_sockets(
    running: Option<&SocketConfig>,
    wanted: Option<&SocketConfig>,
    has_part: bool,
    is_asked: impl Fn() -> bool,
) -> (Option<SocketConfig>, Socket) {
    let (socket, is_new) = match (running, wanted) {
        (None, wanted) => (wanted.cloned(), true),
        (Some(SocketConfig::Listen(old)), Some(SocketConfig::Listen(new))) => {
            let address = old.address;
            (Some(SocketConfig::Listen(ListenConfig { address, ..new.clone() })), false)
        }
        // An address that its group no longer has: what it carries ends and it is let go. A group
        // that is gone as a whole stays as it is until a restart.
        (Some(SocketConfig::Dial(old)), None) if has_part => {
            (Some(SocketConfig::Dial(DialConfig { connections: 0, ..old.clone() })), false)
        }
        (Some(SocketConfig::Dial(_)), Some(SocketConfig::Dial(new))) => {
            (Some(SocketConfig::Dial(new.clone())), false)
        }
        (Some(old), _) => (Some(old.clone()), false),
    };
    let fate = match (running, &socket) {
        _ if is_new => Socket::New,
        (Some(old), Some(new)) if keyless(old) == keyless(new) && !is_asked() => Socket::Same,
        _ => Socket::Renewed,
    };
    (socket, fate)
}

/// The same without the files of its keys, which are read anew whatever else happens.
fn keyless(socket: &SocketConfig) -> SocketConfig {
    let mut socket = socket.clone();
    let mac = match &mut socket {
        SocketConfig::Listen(listen) => listen.mac.as_mut(),
        SocketConfig::Dial(dial) => dial.mac.as_mut(),
        SocketConfig::Port(_) => None,
    };
    if let Some(mac) = mac {
        let (accept, make) = (Vec::new(), None);
        let (next_accept, next_make, overlap_ms) = (None, None, 0);
        *mac = MacConfig { accept, make, next_accept, next_make, overlap_ms, ..mac.clone() };
    }
    socket
}

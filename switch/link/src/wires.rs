//! The shard's wires as its driver sees them.
//!
//! [`Wires`] is a handle; `Shard` is what all connections of one thread share.

mod renewal;

pub use renewal::{KeyChange, Renewal};

use crate::connection::{Connection, READ_MAX};
use crate::counters::{CloseReason, LinkStats};
use crate::dialer::Dialer;
use crate::exclusive::Exclusive;
use crate::inbox::Inbox;
use crate::link::{Link, LinkError};
use crate::listener;
use crate::stream::Stream;
use crate::sweep;
use crate::tls::TlsError;
use crate::tls::handshake::Handshaker;
use crate::tls::renewal::Certificates;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tracing::info;
use veksel_codecs::{Codec, Dialect, Message};
use veksel_config::{DialConfig, ListenConfig};
use veksel_core::plan::{ConnectionId, LinkId, ParticipantId};
use veksel_core::time::Tick;
use veksel_core::{Closing, Input, Tag, Unsent};

/// Counts the connections of the process.
static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

/// All listeners and connections of one shard. A clone is the same wires.
///
/// Everything but [`Wires::new`] must be called within the `LocalSet` that drives the shard. The
/// driver should be a task of that set (`spawn_local`) and not its root future: a task takes its
/// place behind all connections that are ready, so that a turn sees what all of them read, where
/// a root future is polled in between and writes more often for the same messages.
///
/// Dropping the last handle closes nothing; [`Wires::shutdown`] does.
#[derive(Clone)]
pub struct Wires(Rc<Shard>);

/// What the connections of one thread share.
pub(crate) struct Shard {
    pub(crate) inbox: Inbox,
    /// Where every read of the thread goes first.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// When the last of them was.
    pub(crate) read_at: Cell<Tick>,
    connections: RefCell<HashMap<u64, Rc<Connection>, BuildHasherDefault<SerialHasher>>>,
    links: RefCell<Vec<Rc<Link>>>,
    /// Hosts that take one request at a time.
    exclusive: RefCell<Vec<Rc<Exclusive>>>,
    /// Connections that were sent something in this turn.
    dirty: RefCell<Vec<Rc<Connection>>>,
    /// Connections with a deadline that is running.
    watched: RefCell<Vec<Rc<Connection>>>,
    /// Wakes the sweep when the first of them comes.
    pub(crate) watching: Notify,
    emptied: Notify,
    accepting: RefCell<Vec<JoinHandle<()>>>,
    /// Those who dial, and the sweep.
    working: RefCell<Vec<JoinHandle<()>>>,
    /// What the links shake hands with.
    certificates: Certificates,
    /// Who shakes them; `None` until a link wants it, and when all is over.
    handshaker: RefCell<Option<Handshaker>>,
    is_stopping: Cell<bool>,
    origin: Instant,
    seed: Cell<u64>,
}

impl Wires {
    /// `inbox_max` bounds the messages that wait to be taken and those kept to be filled again.
    /// `origin` is when [`Tick`] 0 was. `seed` spreads reconnects.
    #[must_use]
    pub fn new(inbox_max: usize, origin: Instant, seed: u64) -> Self {
        Self(Rc::new(Shard {
            inbox: Inbox::new(inbox_max),
            scratch: RefCell::new(vec![0; READ_MAX].into_boxed_slice()),
            read_at: Cell::default(),
            connections: RefCell::default(),
            links: RefCell::default(),
            exclusive: RefCell::default(),
            dirty: RefCell::default(),
            watched: RefCell::default(),
            watching: Notify::new(),
            emptied: Notify::new(),
            accepting: RefCell::default(),
            working: RefCell::default(),
            certificates: Certificates::default(),
            handshaker: RefCell::default(),
            is_stopping: Cell::new(false),
            origin,
            seed: Cell::new(seed | 1),
        }))
    }

    /// Starts to accept connections. Says at which address, which port 0 leaves to the system.
    ///
    /// # Errors
    /// When the address cannot be listened on; the text names it. When its keys or certificates
    /// cannot be used.
    pub fn listen(
        &self,
        link: LinkId,
        config: &ListenConfig,
        codec: Rc<Codec>,
    ) -> io::Result<SocketAddr> {
        let link = self.listening(link, config, codec, None).map_err(io::Error::other)?;
        let listener = listener::bind(config.address)?;
        self.accept(link, listener)
    }

    fn listening(
        &self,
        id: LinkId,
        config: &ListenConfig,
        codec: Rc<Codec>,
        before: Option<&Link>,
    ) -> Result<Link, LinkError> {
        let tls = self.handshaker(config.tls.is_some())?;
        Link::listening(id, config, codec, (&self.0.certificates, tls), before)
    }

    fn dialling(
        &self,
        id: LinkId,
        config: &DialConfig,
        codec: Rc<Codec>,
        before: Option<&Link>,
    ) -> Result<Link, LinkError> {
        if config.connections == 0 && config.tls.is_some() {
            // It makes no connections, and its files may be gone.
            let bare = DialConfig { tls: None, ..config.clone() };
            return Link::dialling(id, &bare, codec, (&self.0.certificates, None), before);
        }
        let tls = self.handshaker(config.tls.is_some())?;
        Link::dialling(id, config, codec, (&self.0.certificates, tls), before)
    }

    fn accept(&self, link: Link, listener: TcpListener) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        info!(link = link.id.0, %address, "listening");
        let link = self.add(link);
        let accept = listener::accept(Rc::clone(&self.0), link, listener);
        self.0.accepting.borrow_mut().push(tokio::task::spawn_local(accept));
        Ok(address)
    }

    /// Starts to keep connections open, and never gives up. If the host takes one request at a
    /// time, connections are made when they are needed, and one that stands for them is up at
    /// once.
    ///
    /// # Errors
    /// When its keys or certificates cannot be used.
    pub fn dial(
        &self,
        link: LinkId,
        config: &DialConfig,
        codec: Rc<Codec>,
    ) -> Result<(), LinkError> {
        let link = self.add(self.dialling(link, config, codec, None)?);
        self.keep_open(link, config);
        Ok(())
    }

    fn keep_open(&self, link: Rc<Link>, config: &DialConfig) {
        if config.connections == 0 {
            // Its group has let it go.
            return;
        }
        if let Some(exclusive) = &config.exclusive {
            let serial = NEXT_SERIAL.fetch_add(1, Ordering::Relaxed);
            let id = ConnectionId { link: link.id, serial };
            let exclusive = Rc::new(Exclusive::new(id, link, config, exclusive));
            self.0.exclusive.borrow_mut().push(exclusive);
            self.0.inbox.push(Input::LinkUp(id));
            return;
        }
        let dialer = Rc::new(Dialer::new(Rc::clone(&self.0), link, config));
        let mut working = self.0.working.borrow_mut();
        working.retain(|task| !task.is_finished());
        for _ in 0..config.connections {
            let keep = Rc::clone(&dialer).keep_one();
            working.push(tokio::task::spawn_local(keep));
        }
    }

    /// A connection of a link that has no socket and of which nothing is known here: whoever makes
    /// its messages reports of it. Its serial is no other connection's.
    #[must_use]
    pub fn without_socket(&self, link: LinkId) -> ConnectionId {
        ConnectionId { link, serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed) }
    }

    /// Who shakes hands, if that is wanted.
    fn handshaker(&self, is_wanted: bool) -> Result<Option<Handshaker>, TlsError> {
        if !is_wanted {
            return Ok(None);
        }
        let mut slot = self.0.handshaker.borrow_mut();
        if slot.is_none() {
            let spawned = Handshaker::spawn(self.0.certificates.clone());
            *slot = Some(spawned.map_err(TlsError::Thread)?);
        }
        Ok(slot.clone())
    }

    /// The certificates and keys of all links, to be read again without a restart.
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        self.0.certificates.clone()
    }

    fn add(&self, link: Link) -> Rc<Link> {
        let mut working = self.0.working.borrow_mut();
        if working.is_empty() {
            working.push(tokio::task::spawn_local(sweep::run(Rc::clone(&self.0))));
        }
        let link = Rc::new(link);
        self.0.links.borrow_mut().push(Rc::clone(&link));
        link
    }

    /// Waits until there is input. May be dropped and awaited again.
    pub async fn ready(&self) {
        std::future::poll_fn(|cx| self.0.inbox.poll_ready(cx)).await;
    }

    /// The next input, in order of arrival.
    #[must_use]
    pub fn poll_input(&self) -> Option<Input> {
        self.poll_input_since().map(|(_, input)| input)
    }

    /// The same, with the time at which it was read from its socket; for what was not read from
    /// one, a time that no clock reaches.
    #[must_use]
    pub fn poll_input_since(&self) -> Option<(Tick, Input)> {
        self.0.inbox.pop()
    }

    /// Encodes a message into the outbox of a connection. Never waits; it is written by the next
    /// [`Wires::flush`], or not at all if `expires` comes first. A tag asks for `Written` or
    /// `Unsent`, exactly one of them.
    pub fn send(
        &self,
        connection: ConnectionId,
        message: &Message,
        tag: Option<Tag>,
        expires: Option<Tick>,
    ) {
        match (self.0.connection(connection), tag) {
            (Some(connection), tag) => connection.send(&self.0, message, tag, expires),
            (None, tag) => match (self.0.exclusive(connection), tag) {
                (Some(exclusive), tag) => exclusive.send(&self.0, message, tag, expires),
                (None, Some(tag)) => self.0.drop_unsent(tag, Unsent::Closed),
                (None, None) => {}
            },
        }
    }

    /// Ends a turn: one write for each connection that was sent something.
    pub fn flush(&self) {
        if self.0.dirty.borrow().is_empty() {
            return;
        }
        let now = self.0.now();
        let mut dirty = self.0.dirty.take();
        for connection in dirty.drain(..) {
            connection.flush(&self.0, now);
        }
        // Its memory is for the next turn; nothing that flushes a connection makes one dirty.
        *self.0.dirty.borrow_mut() = dirty;
    }

    /// Closes a connection once its outbox is written, which the next [`Wires::flush`] tries.
    /// `LinkDown` tells when it is done.
    pub fn close(&self, connection: ConnectionId, why: Closing) {
        if let Some(connection) = self.0.connection(connection) {
            connection.close(&self.0, why.into());
        } else if let Some(exclusive) = self.0.exclusive(connection) {
            exclusive.close();
            self.0.exclusive.borrow_mut().retain(|other| other.id != connection);
            self.0.inbox.push(Input::LinkDown(connection));
        }
    }

    /// Gives a message back to be filled again, so that reading allocates nothing when warm.
    pub fn spare(&self, message: Message) {
        self.0.inbox.give_spare(message);
    }

    /// The numbers of a link; all zero for one that is not known here.
    #[must_use]
    pub fn stats(&self, link: LinkId) -> LinkStats {
        let links = self.0.links.borrow();
        let Some(link) = links.iter().find(|other| other.id == link) else {
            return LinkStats::default();
        };
        let connections = self.0.connections.borrow();
        let own = connections.values().filter(|connection| connection.id.link == link.id);
        let buffered = own.map(|connection| connection.buffered() as u64).sum();
        let expires = link.tls.as_ref().and_then(|tls| tls.endpoint.expires());
        let tls_expires = expires.unwrap_or_default();
        let pools = self.0.exclusive.borrow();
        let lent = pools.iter().filter(|pool| pool.id.link == link.id).map(|pool| pool.open());
        let counted = link.counters.snapshot();
        let connections = counted.connections.saturating_add(lent.sum());
        LinkStats { buffered, connections, tls_expires, ..counted }
    }

    /// What is spoken on new connections of a link.
    #[must_use]
    pub fn dialect(&self, link: LinkId) -> Option<Dialect> {
        self.0.link(link).map(|link| link.codec.dialect().clone())
    }

    /// Takes no more connections; those that are open stay.
    pub fn stop_listening(&self) {
        for task in self.0.accepting.take() {
            task.abort();
        }
    }

    /// Stops listening and dialling and closes every connection: at once if its outbox is empty,
    /// else when it is written, and in any case after `grace`. The last inputs can be taken after.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.is_stopping.set(true);
        self.stop_listening();
        for exclusive in self.0.exclusive.take() {
            exclusive.close();
            self.0.inbox.push(Input::LinkDown(exclusive.id));
        }
        for connection in self.0.all() {
            connection.close(&self.0, CloseReason::Stopped);
        }
        self.flush();
        let emptied = async {
            while !self.0.connections.borrow().is_empty() {
                self.0.emptied.notified().await;
            }
        };
        // Either way the rest is closed below.
        let _ = tokio::time::timeout(grace, emptied).await;
        for connection in self.0.all() {
            connection.bury(&self.0, CloseReason::Stopped);
        }
        for task in self.0.working.take() {
            task.abort();
        }
        self.0.handshaker.take();
    }
}

impl Shard {
    pub(crate) fn now(&self) -> Tick {
        Tick(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    /// Takes a stream into use. `participant` is whom its certificate names, if that is asked.
    pub(crate) fn open(
        self: &Rc<Self>,
        link: &Rc<Link>,
        stream: Stream,
        peer: SocketAddr,
        participant: Option<ParticipantId>,
    ) -> Rc<Connection> {
        let serial = NEXT_SERIAL.fetch_add(1, Ordering::Relaxed);
        let id = ConnectionId { link: link.id, serial };
        let connection = Rc::new(Connection::new(id, Rc::clone(link), stream, peer));
        self.connections.borrow_mut().insert(serial, Rc::clone(&connection));
        connection.open(self);
        if let Some(participant) = participant {
            self.inbox.push(Input::Identified { connection: id, participant });
        }
        tokio::task::spawn_local(Rc::clone(&connection).run(Rc::clone(self)));
        connection
    }

    /// The link as connections are made for it now.
    pub(crate) fn link(&self, id: LinkId) -> Option<Rc<Link>> {
        self.links.borrow().iter().find(|link| link.id == id).cloned()
    }

    fn connection(&self, id: ConnectionId) -> Option<Rc<Connection>> {
        self.connections.borrow().get(&id.serial).cloned()
    }

    fn exclusive(&self, id: ConnectionId) -> Option<Rc<Exclusive>> {
        self.exclusive.borrow().iter().find(|exclusive| exclusive.id == id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().values().cloned().collect()
    }

    /// A closed connection is not found any more.
    pub(crate) fn forget(&self, id: ConnectionId) {
        let mut connections = self.connections.borrow_mut();
        connections.remove(&id.serial);
        if connections.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    pub(crate) fn mark_dirty(&self, connection: &Rc<Connection>) {
        if connection.become_dirty() {
            self.dirty.borrow_mut().push(Rc::clone(connection));
        }
    }

    /// Looks at the connection every tenth of a second until no deadline of it runs.
    pub(crate) fn watch(&self, connection: &Rc<Connection>) {
        if connection.become_watched() {
            let mut watched = self.watched.borrow_mut();
            watched.push(Rc::clone(connection));
            if watched.len() == 1 {
                self.watching.notify_one();
            }
        }
    }

    pub(crate) fn is_watching(&self) -> bool {
        !self.watched.borrow().is_empty()
    }

    /// Enforces the deadlines that run.
    pub(crate) fn enforce(&self, now: Tick) {
        let mut watched = self.watched.take();
        watched.retain(|connection| connection.enforce(self, now));
        self.watched.borrow_mut().append(&mut watched);
    }

    pub(crate) fn drop_unsent(&self, tag: Tag, why: Unsent) {
        self.inbox.push(Input::Unsent { tag, why });
    }

    /// A number from 0 to `most`: xorshift64*, which spreads reconnects well enough.
    pub(crate) fn random(&self, most: u64) -> u64 {
        let mut x = self.seed.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.seed.set(x);
        let x = u128::from(x.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let scaled = (x * (u128::from(most) + 1)) >> 64;
        u64::try_from(scaled).unwrap_or(most)
    }
}

/// Spreads serial numbers, which no peer chooses, over a table.
#[derive(Default)]
struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, serial: u64) {
        self.0 = serial.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

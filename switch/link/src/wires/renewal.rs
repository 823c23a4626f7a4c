//! Other settings for a link while it runs: first everything that can fail, then the change.
//!
//! A connection keeps the framing, the dialect and the bounds it was made with. Keys are the
//! exception: all connections of a link have those that were read last.

use super::Wires;
use crate::link::Link;
use crate::listener;
use crate::mac::Macs;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tracing::info;
use veksel_codecs::Codec;
use veksel_config::{DialConfig, MacConfig, SocketConfig};
use veksel_core::Input;
use veksel_core::plan::LinkId;

/// A change of one link that was prepared and only has to be made.
pub struct Renewal {
    id: LinkId,
    what: What,
    keys: Option<KeyChange>,
}

enum What {
    /// Only the keys.
    Keys(Box<Macs>),
    Link {
        link: Box<Link>,
        /// Of a listener that was not there before.
        listener: Option<TcpListener>,
        dial: Option<Box<DialConfig>>,
        is_new: bool,
    },
}

/// Other keys than before, by their check values: those accepted, and the one MACs are made with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// Those in use.
    pub before: (Vec<String>, Option<String>),
    /// Those that were read.
    pub after: (Vec<String>, Option<String>),
}

impl Renewal {
    /// Of which link it is.
    #[must_use]
    pub const fn link(&self) -> LinkId {
        self.id
    }

    /// Whether connections are made another way by it.
    #[must_use]
    pub const fn is_of_connections(&self) -> bool {
        matches!(self.what, What::Link { .. })
    }

    /// Whether other keys were read than are in use.
    #[must_use]
    pub const fn keys(&self) -> Option<&KeyChange> {
        self.keys.as_ref()
    }
}

impl Wires {
    /// Prepares to read the keys of a link anew. `None` if it has none.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn prepare_keys(&self, id: LinkId, mac: Option<&MacConfig>) -> io::Result<Option<Renewal>> {
        let (Some(mac), Some(link)) = (mac, self.0.link(id)) else { return Ok(None) };
        let mut macs = Macs::load(mac, &link.codec).map_err(io::Error::other)?;
        if let Some(current) = &link.macs {
            macs.follow(&current.borrow());
        }
        let keys = change_of_keys(&link, &macs);
        Ok(Some(Renewal { id, what: What::Keys(Box::new(macs)), keys }))
    }

    /// Prepares a link that is new, or one whose connections are to be made another way: reads
    /// its keys and takes the address of a new listener.
    ///
    /// # Errors
    /// When the keys cannot be used or the address cannot be listened on. Nothing has changed
    /// then.
    pub fn prepare(
        &self,
        id: LinkId,
        socket: &SocketConfig,
        codec: Rc<Codec>,
    ) -> io::Result<Renewal> {
        let before = self.0.link(id);
        let is_new = before.is_none();
        let old = before.as_deref();
        let (link, address, dial) = match socket {
            SocketConfig::Listen(config) => {
                let link = self.listening(id, config, codec, old);
                (link, is_new.then_some(config.address), None)
            }
            SocketConfig::Dial(config) => {
                (self.dialling(id, config, codec, old), None, Some(Box::new(config.clone())))
            }
            SocketConfig::Port(_) => return Err(io::Error::other("this link has no socket")),
        };
        let link = Box::new(link.map_err(io::Error::other)?);
        if let (Some(current), Some(macs)) = (old.and_then(|old| old.macs.as_ref()), &link.macs) {
            macs.borrow_mut().follow(&current.borrow());
        }
        let keys = old.zip(link.macs.as_ref());
        let keys = keys.and_then(|(old, macs)| change_of_keys(old, &macs.borrow()));
        let listener = address.map(listener::bind).transpose()?;
        Ok(Renewal { id, what: What::Link { link, listener, dial, is_new }, keys })
    }

    /// Accepts the next key of a link's peer beside those in use, if this is the check value of
    /// the next key of either direction. Whether it is. The keys of before are forgotten when the
    /// overlap is over.
    #[must_use]
    pub fn accept_next_key(&self, id: LinkId, check_value: &str) -> bool {
        let Some(macs) = self.0.link(id).and_then(|link| link.macs.clone()) else { return false };
        if !macs.borrow_mut().accept_next(check_value) {
            return false;
        }
        let overlap = Duration::from_millis(macs.borrow().overlap_ms());
        info!(link = id.0, keys = ?macs.borrow(), "the next key is accepted");
        let end = async move {
            tokio::time::sleep(overlap).await;
            macs.borrow_mut().end_overlap();
            info!(link = id.0, keys = ?macs.borrow(), "the keys of before are forgotten");
        };
        let mut working = self.0.working.borrow_mut();
        working.retain(|task| !task.is_finished());
        working.push(tokio::task::spawn_local(end));
        true
    }

    /// Makes MACs of a link with the next key from now on.
    pub fn make_with_next_key(&self, id: LinkId) {
        if let Some(macs) = self.0.link(id).and_then(|link| link.macs.clone()) {
            macs.borrow_mut().make_with_next();
        }
    }

    /// How many keys of the peer are accepted on a link.
    #[must_use]
    pub fn accepted_keys(&self, id: LinkId) -> usize {
        let macs = self.0.link(id).and_then(|link| link.macs.clone());
        macs.map_or(0, |macs| macs.borrow().check_values().0.len())
    }

    /// Makes a change that was prepared. Says at which address a new listener can be reached.
    ///
    /// Connections of a host link that was renewed are reported by [`Input::Renewed`]; the driver
    /// closes them when others do their work.
    ///
    /// # Errors
    /// When the system does not say the address it has just given.
    pub fn renew(&self, renewal: Renewal) -> io::Result<Option<SocketAddr>> {
        let Renewal { id, what, .. } = renewal;
        match what {
            What::Keys(macs) => {
                if let Some(cell) = self.0.link(id).and_then(|link| link.macs.clone()) {
                    *cell.borrow_mut() = *macs;
                }
                Ok(None)
            }
            What::Link { link, listener: Some(listener), .. } => {
                self.accept(*link, listener).map(Some)
            }
            What::Link { link, dial, is_new, .. } => {
                let link = if is_new { self.add(*link) } else { self.replace(*link) };
                if let Some(config) = dial {
                    info!(link = id.0, connections = config.connections, "host link renewed");
                    self.keep_open(link, &config);
                }
                Ok(None)
            }
        }
    }

    /// Puts a link where another with its number stood.
    fn replace(&self, link: Link) -> Rc<Link> {
        let mut links = self.0.links.borrow_mut();
        let place = links.iter().position(|other| other.id == link.id);
        let Some(place) = place.and_then(|place| links.get_mut(place)) else {
            // Whoever prepared it saw it there, and links are never taken out.
            return Rc::new(link);
        };
        if let Some(tls) = &place.tls {
            self.0.certificates.forget(&tls.endpoint);
        }
        let link = Rc::new(link.succeed(place));
        *place = Rc::clone(&link);
        if link.is_host() {
            let since = super::NEXT_SERIAL.load(Ordering::Relaxed);
            self.0.inbox.push(Input::Renewed { link: link.id, since });
        }
        link
    }
}

fn change_of_keys(link: &Link, macs: &Macs) -> Option<KeyChange> {
    let before = link.macs.as_ref()?.borrow().check_values();
    let after = macs.check_values();
    (before != after).then_some(KeyChange { before, after })
}

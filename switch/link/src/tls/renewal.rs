//! Certificates, keys and revocation lists that change without a restart.
//!
//! What a link shakes hands with is read whole and replaced whole; if anything of any link cannot
//! be used, every link keeps what it has. Sessions that are open stay: a certificate that was
//! revoked gets nobody in any more, and nobody out.

use super::listing::{self, Listed};
use super::{TlsError, client, server};
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::{info, warn};
use veksel_config::{DialTls, ListenTls};
use veksel_core::plan::LinkId;

/// From so many seconds before a certificate or list ends it is warned of.
const WARN_BEFORE_S: i64 = 30 * 24 * 3_600;

/// How often it is warned of.
const WARN_EVERY_S: i64 = 24 * 3_600;

/// Whose certificates they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Those of a link.
    Link(LinkId),
    /// Those of a listener that is no link, by its name.
    Listener(&'static str),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => write!(f, "link {}", link.0),
            Self::Listener(name) => f.write_str(name),
        }
    }
}

/// What is configured for a link.
#[derive(Clone, Debug)]
pub(crate) enum Files {
    Listen(ListenTls),
    Dial(DialTls),
}

/// What a link shakes hands with.
#[derive(Clone)]
enum Live {
    Server(Arc<ServerConfig>),
    Client(Arc<ClientConfig>),
}

/// The TLS of one link, or of another listener.
pub(crate) struct Endpoint {
    holder: Holder,
    files: Files,
    state: Mutex<State>,
}

struct State {
    live: Live,
    /// The files as they were when they were read.
    stamps: Vec<Stamp>,
    /// The first end of what was read, in seconds of Unix time; `None` if nothing ends.
    expires: Option<i64>,
    warned: i64,
}

/// A file as the system sees it. `None` if it is not there.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stamp(PathBuf, Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let data = std::fs::metadata(path).ok();
        let seen = data.and_then(|data| Some((data.modified().ok()?, data.len())));
        Self(path.to_owned(), seen)
    }
}

impl Files {
    fn paths(&self) -> Vec<&PathBuf> {
        match self {
            Self::Listen(tls) => {
                [&tls.certificate, &tls.key].into_iter().chain(&tls.ca).chain(&tls.crls).collect()
            }
            Self::Dial(tls) => {
                let own = tls.own.iter().flat_map(|(certificate, key)| [certificate, key]);
                own.chain(&tls.ca).chain(&tls.crls).collect()
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.paths().into_iter().map(|path| Stamp::of(path)).collect()
    }

    fn load(&self) -> Result<State, TlsError> {
        // Before they are read: what changes meanwhile is seen the next time.
        let stamps = self.stamps();
        let live = match self {
            Self::Listen(tls) => Live::Server(Arc::new(server(tls)?)),
            Self::Dial(tls) => Live::Client(Arc::new(client(tls)?)),
        };
        let expires = self.list()?.iter().filter_map(|listed| listed.until).min();
        Ok(State { live, stamps, expires, warned: 0 })
    }

    fn list(&self) -> Result<Vec<Listed>, TlsError> {
        match self {
            Self::Listen(tls) => listing::of_listener(tls),
            Self::Dial(tls) => listing::of_host(tls),
        }
    }
}

impl Endpoint {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` on a link that dials.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        match &self.state().live {
            Live::Server(config) => Some(Arc::clone(config)),
            Live::Client(_) => None,
        }
    }

    /// `None` on a link that listens.
    pub(crate) fn client(&self) -> Option<Arc<ClientConfig>> {
        match &self.state().live {
            Live::Client(config) => Some(Arc::clone(config)),
            Live::Server(_) => None,
        }
    }

    /// When the first of its certificates and lists ends, in seconds of Unix time.
    pub(crate) fn expires(&self) -> Option<i64> {
        self.state().expires
    }

    fn warn_of_end(&self, now: i64) {
        let mut state = self.state();
        let Some(left) = state.expires.map(|expires| expires.saturating_sub(now)) else { return };
        if left < WARN_BEFORE_S && now.saturating_sub(state.warned) >= WARN_EVERY_S {
            state.warned = now;
            let days = left.div_euclid(24 * 3_600);
            warn!(of = %self.holder, days, "a certificate or revocation list ends soon");
        }
    }
}

/// Somebody's files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{holder}: {error}")]
pub struct Unusable {
    /// Whose.
    pub holder: Holder,
    /// Why.
    pub error: TlsError,
}

/// Everything that the links of a shard shake hands with, or another listener does. A clone is the
/// same; it may go to any thread.
#[derive(Clone, Default)]
pub struct Certificates(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    endpoints: Vec<Arc<Endpoint>>,
    /// The files that were tried last and could not be used, so that it is said once.
    refused: Vec<Stamp>,
}

impl Certificates {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files of a link and keeps them up to date from now on.
    pub(crate) fn add(&self, holder: Holder, files: Files) -> Result<Arc<Endpoint>, TlsError> {
        let state = Mutex::new(files.load()?);
        let endpoint = Arc::new(Endpoint { holder, files, state });
        endpoint.warn_of_end(unix_now());
        self.inner().endpoints.push(Arc::clone(&endpoint));
        Ok(endpoint)
    }

    /// Whether the files of every link but those can be used as they are now. Nothing is
    /// replaced.
    ///
    /// # Errors
    /// Every link whose files cannot be used.
    pub fn check(&self, but: &[LinkId]) -> Result<(), Vec<Unusable>> {
        let mut inner = self.inner();
        inner.forget_dropped();
        let unusable: Vec<Unusable> = inner
            .endpoints
            .iter()
            .filter(|endpoint| match endpoint.holder {
                Holder::Link(link) => !but.contains(&link),
                Holder::Listener(_) => true,
            })
            .filter_map(|endpoint| {
                let error = endpoint.files.load().err()?;
                Some(Unusable { holder: endpoint.holder, error })
            })
            .collect();
        if unusable.is_empty() { Ok(()) } else { Err(unusable) }
    }

    /// The link makes its connections another way now; its files are not read again.
    pub(crate) fn forget(&self, endpoint: &Arc<Endpoint>) {
        self.inner().endpoints.retain(|other| !Arc::ptr_eq(other, endpoint));
    }

    /// Reads every file of every link again and uses them for the next handshakes; open sessions
    /// stay. Blocks for as long as reading takes. Says how many links have something new.
    ///
    /// # Errors
    /// Every link whose files cannot be used. Then nothing has changed, for any link.
    pub fn renew(&self) -> Result<usize, Vec<Unusable>> {
        let mut inner = self.inner();
        inner.forget_dropped();
        let (mut fresh, mut unusable) = (Vec::new(), Vec::new());
        for endpoint in &inner.endpoints {
            match endpoint.files.load() {
                Ok(state) => fresh.push((Arc::clone(endpoint), state)),
                Err(error) => unusable.push(Unusable { holder: endpoint.holder, error }),
            }
        }
        if !unusable.is_empty() {
            inner.refused = inner.stamps();
            return Err(unusable);
        }
        inner.refused.clear();
        let mut changed: usize = 0;
        for (endpoint, state) in fresh {
            let mut current = endpoint.state();
            changed = changed.saturating_add(usize::from(current.stamps != state.stamps));
            *current = state;
        }
        Ok(changed)
    }

    /// Renews if a file has changed since it was read, and says so; warns of what ends soon.
    pub(crate) fn look(&self) {
        let has_news = {
            let inner = self.inner();
            let is_new =
                |endpoint: &Arc<Endpoint>| endpoint.state().stamps != endpoint.files.stamps();
            inner.endpoints.iter().any(is_new) && inner.refused != inner.stamps()
        };
        if has_news {
            match self.renew() {
                Ok(links) => info!(links, "certificates were read again"),
                Err(unusable) => {
                    for one in unusable {
                        let (of, error) = (one.holder, one.error);
                        warn!(%of, %error, "changed files cannot be used; nothing was replaced");
                    }
                }
            }
        }
        let now = unix_now();
        for endpoint in &self.inner().endpoints {
            endpoint.warn_of_end(now);
        }
    }
}

impl Inner {
    /// Those that nothing but this list knows: of a change that was prepared and not made.
    fn forget_dropped(&mut self) {
        self.endpoints.retain(|endpoint| Arc::strong_count(endpoint) > 1);
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.endpoints.iter().flat_map(|endpoint| endpoint.files.stamps()).collect()
    }
}

/// Seconds of Unix time.
fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use veksel_config::Clients;

    /// A certificate with its key, over whatever is there. Later than before, so that the system
    /// shows it.
    fn write(folder: &Path, age_s: u64) {
        let made = rcgen::generate_simple_self_signed(["switch".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("own.pem"), folder.join("own.key"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        for path in [certificate, key] {
            touch(&path, age_s);
        }
    }

    fn touch(path: &Path, age_s: u64) {
        let then = SystemTime::now() - std::time::Duration::from_secs(age_s);
        fs::File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn what_changed_is_used_and_what_cannot_be_used_is_not() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 90);
        let tls = ListenTls {
            certificate: folder.path().join("own.pem"),
            key: folder.path().join("own.key"),
            clients: Clients::None,
            ca: Vec::new(),
            crls: Vec::new(),
            handshake_ms: 1,
            handshakes_max: 1,
        };
        let certificates = Certificates::default();
        let endpoint =
            certificates.add(Holder::Link(LinkId(0)), Files::Listen(tls.clone())).unwrap();
        let used = || endpoint.server().unwrap();
        let first = used();
        certificates.look();
        assert!(Arc::ptr_eq(&first, &used()), "nothing has changed");
        write(folder.path(), 80);
        certificates.look();
        let second = used();
        assert!(!Arc::ptr_eq(&first, &second), "a new certificate is used");
        // One of two files is new: not a pair.
        let key = fs::read(&tls.key).unwrap();
        write(folder.path(), 70);
        fs::write(&tls.key, key).unwrap();
        touch(&tls.key, 60);
        certificates.look();
        assert!(Arc::ptr_eq(&second, &used()), "half of a change changes nothing");
        assert_eq!(certificates.inner().refused.len(), 2);
        write(folder.path(), 50);
        certificates.look();
        assert!(!Arc::ptr_eq(&second, &used()), "the whole change is used");
        assert!(certificates.inner().refused.is_empty());
        fs::remove_file(&tls.certificate).unwrap();
        let third = used();
        certificates.look();
        assert!(Arc::ptr_eq(&third, &used()), "a file that is gone is no change to use");
    }
}

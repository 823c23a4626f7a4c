//! What a suite logs at the lowest level, everything of every part that runs in its process, is
//! searched for secrets while it is written. What else it leaves behind is handed over to be
//! searched in the same way: answers, figures, rows of the audit trail, what `Debug` shows.
//!
//! Suites of every crate share it, each as a module of its own; `switch/server/tests/watched.rs`
//! knows which must.

#![allow(dead_code, reason = "each suite takes what it needs")]

#[path = "scan.rs"]
mod scan;

use scan::{Artefact, Scanner, Secret, doors, encodings, journals, people, seeds};
use std::fmt::Debug;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Most finds that are kept. One is enough to fail.
const LEAKS_MAX: usize = 50;

/// Whoever sets one of these measures times, and is not to be held up.
const MEASURING: [&str; 2] = ["VEKSEL_PLATFORM_LOAD_SECONDS", "VEKSEL_MEASURE"];

/// What was found in this process.
static FOUND: LazyLock<Arc<Found>> = LazyLock::new(|| Arc::new(Found::new()));

/// What is looked for, and how.
struct Known {
    secrets: Vec<Secret>,
    scanner: Arc<Scanner>,
}

/// Gives what there is to search and was not searched yet.
type Rest = Box<dyn FnMut() -> Vec<Artefact> + Send>;

struct Found {
    known: Mutex<Known>,
    leaks: Mutex<Vec<String>>,
    rest: Mutex<Vec<Rest>>,
    /// Lines of the log and other artefacts.
    seen: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Found {
    /// Looks for the cards of the seeds, who signs in, and what opens the doors of sandboxes.
    fn new() -> Self {
        let secrets = [seeds(), people(), doors()].concat();
        let scanner = Arc::new(Scanner::new(&secrets));
        Self {
            known: Mutex::new(Known { secrets, scanner }),
            leaks: Mutex::default(),
            rest: Mutex::default(),
            seen: AtomicU64::new(0),
        }
    }

    /// Looks for these too, from now on.
    fn add(&self, more: Vec<Secret>) {
        let mut known = locked(&self.known);
        let before = known.secrets.len();
        for secret in more {
            if known.secrets.iter().all(|other| other.value != secret.value) {
                known.secrets.push(secret);
            }
        }
        if known.secrets.len() > before {
            known.scanner = Arc::new(Scanner::new(&known.secrets));
        }
    }

    fn search(&self, artefact: &Artefact) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        let scanner = Arc::clone(&locked(&self.known).scanner);
        let found = scanner.scan(artefact);
        if !found.is_empty() {
            let mut leaks = locked(&self.leaks);
            let room = LEAKS_MAX.saturating_sub(leaks.len());
            leaks.extend(found.into_iter().take(room));
        }
    }

    fn search_rest(&self) {
        let rest: Vec<Artefact> = locked(&self.rest).iter_mut().flat_map(|rest| rest()).collect();
        rest.iter().for_each(|artefact| self.search(artefact));
    }

    fn leaks(&self) -> Vec<String> {
        locked(&self.leaks).clone()
    }

    /// Lines of the lowest level go here, and what is known of a span when it ends.
    fn subscriber(self: &Arc<Self>) -> impl tracing::Subscriber + Send + Sync + use<> {
        let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
        let lines = lines.with_span_events(FmtSpan::CLOSE);
        lines.with_writer(Searching(Arc::clone(self))).finish()
    }
}

/// A line of the log comes whole.
#[derive(Clone)]
struct Searching(Arc<Found>);

impl Write for Searching {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let name = "the log of the suite".to_owned();
        self.0.search(&Artefact { name, bytes: line.to_vec() });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Searching {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// A part of a suite. When it is over, nothing was found.
#[must_use = "what is found is told when it is dropped"]
pub(crate) struct Watch {
    is_on: bool,
    /// Whose journals are searched then.
    folder: Option<PathBuf>,
}

impl Watch {
    /// The journal of a switch in this folder is searched when the watch ends. Cards are sealed in
    /// it; the book of the bank has those that the bank has issued.
    pub(crate) fn over(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }
}

/// Watches from now on, unless this is a run in which times are measured.
pub(crate) fn watch() -> Watch {
    static ONCE: Once = Once::new();
    let is_on = MEASURING.iter().all(|name| std::env::var_os(name).is_none());
    if is_on {
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(FOUND.subscriber()).unwrap();
            tracing::trace!("a watch begins");
            // Who sees nothing finds nothing.
            assert!(FOUND.seen.load(Ordering::Relaxed) > 0, "nothing is seen");
        });
    }
    Watch { is_on, folder: None }
}

/// The same, and looks for the cards, keys and passwords of this suite too.
pub(crate) fn watch_for(words: &[&str]) -> Watch {
    assert!(words.iter().all(|word| word.len() > 4), "too short to be told from other things");
    FOUND.add(words.iter().map(|word| Secret::new(*word, *word)).collect());
    watch()
}

/// Looks from now on for what was only made by a test: its name is told if it is found.
pub(crate) fn never(name: &str, value: impl Into<Vec<u8>>) {
    let secret = Secret::new(name, value);
    assert!(secret.value.len() > 4, "{name} is too short to be told from other things");
    FOUND.add(vec![secret]);
}

/// Looks from now on for a private key, by the lines of its file.
pub(crate) fn never_key(name: &str, pem: &str) {
    let lines = pem.lines().filter(|line| line.len() >= 16 && !line.contains("-----"));
    FOUND.add(lines.map(|line| Secret::new(name, line)).collect());
}

/// Searches something that a suite left behind.
pub(crate) fn search(name: &str, bytes: impl Into<Vec<u8>>) {
    FOUND.search(&Artefact { name: name.to_owned(), bytes: bytes.into() });
}

/// Searches what is shown of a value where somebody logs it or fails with it.
pub(crate) fn search_shown(name: &str, value: &impl Debug) {
    search(name, format!("{value:?}"));
}

/// Searches a page of somebody who still runs, such as that of the figures.
pub(crate) fn search_page(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = Vec::new();
    stream.read_to_end(&mut page).unwrap();
    assert!(page.starts_with(b"HTTP/1.1 200 "), "{path}: {}", page.escape_ascii());
    search(path, page);
}

/// Whenever something is over, what this shows was left behind until then.
pub(crate) fn search_then<T: Debug>(
    name: &'static str,
    mut next: impl FnMut() -> Option<T> + Send + 'static,
) {
    let shown = move || {
        let all = std::iter::from_fn(&mut next).map(|value| format!("{value:?}").into_bytes());
        all.map(|bytes| Artefact { name: name.to_owned(), bytes }).collect()
    };
    locked(&FOUND.rest).push(Box::new(shown));
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.is_on {
            return;
        }
        FOUND.search_rest();
        if let Some(folder) = &self.folder {
            let journals = journals(folder);
            assert!(!journals.is_empty(), "{} has no journal", folder.display());
            journals.iter().for_each(|journal| FOUND.search(journal));
        }
        let leaks = FOUND.leaks();
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    }
}

/// A leak in the log and one in what is handed over, however it is written.
#[test]
fn a_secret_that_is_left_behind_is_found_in_every_encoding() {
    let (card, person, made) = ("4111111111111111", "17829000024", "n0body-guesses-this");
    let planted = Arc::new(Found::new());
    planted.add(vec![Secret::new("a token", made)]);
    let mut kinds = std::collections::BTreeSet::new();
    tracing::subscriber::with_default(planted.subscriber(), || {
        tracing::trace!(amount = 17_829, "nothing of anybody");
        assert_eq!((planted.leaks(), planted.seen.load(Ordering::Relaxed)), (Vec::new(), 1));
        let caught = |how: &str| {
            let leaks = std::mem::take(&mut *locked(&planted.leaks));
            assert!(!leaks.is_empty(), "{how}: nothing was found");
            let told = leaks.concat();
            assert!([card, person, made].iter().all(|secret| !told.contains(secret)), "{told}");
        };
        for secret in [card, person, made] {
            for (encoding, pattern) in encodings(secret.as_bytes()) {
                let bytes = [b"{\"x\":\"", &pattern[..], b"\"}"].concat();
                planted.search(&Artefact { name: "an answer".to_owned(), bytes });
                caught(&format!("{encoding} in an answer"));
                let Ok(text) = std::str::from_utf8(&pattern) else { continue };
                if text.contains(char::is_control) {
                    continue;
                }
                tracing::trace!("who pays: {text}");
                caught(&format!("{encoding} in a line"));
                // A field is quoted, and nobody quotes three times.
                if text.contains(r"\\") {
                    continue;
                }
                tracing::trace!(text, "somebody pays");
                caught(&format!("{encoding} in a field"));
                tracing::trace_span!("payment", text).in_scope(|| ());
                caught(&format!("{encoding} in a span"));
                kinds.insert(encoding);
            }
        }
        tracing::debug!("a door: {:?}", b"key-of-app-1");
        caught("a list of bytes");
    });
    assert!(kinds.len() >= 12, "{kinds:?}");
}

/// What is only to be searched at the end is, once, and rows that come later are too.
#[test]
fn a_secret_in_what_is_searched_at_the_end_is_found() {
    let planted = Found::new();
    let (tell, rows) = std::sync::mpsc::sync_channel(2);
    let next = move || rows.try_recv().ok().map(|bytes| Artefact { name: "row".into(), bytes });
    let rest = move || std::iter::from_fn(&next).collect();
    locked(&planted.rest).push(Box::new(rest));
    tell.send(b"nothing".to_vec()).unwrap();
    planted.search_rest();
    assert_eq!((planted.leaks().len(), planted.seen.load(Ordering::Relaxed)), (0, 1));
    tell.send(b"by 17829000024".to_vec()).unwrap();
    planted.search_rest();
    planted.search_rest();
    let leaks = planted.leaks();
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert!(leaks[0].contains("kari") && !leaks[0].contains("17829000024"), "{leaks:?}");
}

#[test]
fn a_secret_in_a_journal_is_found() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bank.db"), "4111111111111111").unwrap();
    std::fs::write(folder.path().join("veksel.db"), "sealed").unwrap();
    std::fs::write(folder.path().join("veksel.db-wal"), "page\0 4111111111111111").unwrap();
    let planted = Found::new();
    journals(folder.path()).iter().for_each(|journal| planted.search(journal));
    let leaks = planted.leaks();
    assert!(leaks.len() == 1 && leaks[0].starts_with("veksel.db-wal at "), "{leaks:?}");
}

//! What a suite logs at the lowest level, everything of every part that runs in its process, is
//! searched for secrets while it is written.

#[path = "../../../cli/tests/canary/scan.rs"]
mod scan;

use scan::{Artefact, Scanner, Secret, people, seeds};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, Once, PoisonError};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The cards of the seeds, who signs in, and what opens the doors of suites and sandboxes.
static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let doors = [
        "key-of-app-1",
        "key-of-shop-1",
        "push-secret",
        "sandbox-secret-key",
        "sandbox-webhook-secret",
        "sandbox-client-secret",
        "token-of-events",
        "secret-of-the-platform",
    ];
    let doors = doors.map(|door| Secret::new(door, door));
    Scanner::new(&[seeds(), people(), doors.to_vec()].concat())
});

/// What was found in the log of this process.
static FOUND: Found = Found { leaks: Mutex::new(Vec::new()), lines: AtomicU64::new(0) };

struct Found {
    leaks: Mutex<Vec<String>>,
    lines: AtomicU64,
}

impl Found {
    fn search(&self, line: &[u8]) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        let artefact = Artefact { name: "the log of the suite".to_owned(), bytes: line.to_vec() };
        let leaks = SCANNER.scan(&artefact);
        self.leaks.lock().unwrap_or_else(PoisonError::into_inner).extend(leaks);
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A line of the log comes whole.
#[derive(Clone, Copy)]
struct Searching(&'static Found);

impl Write for Searching {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.search(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Searching {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}

/// A part of a suite, and whether it is watched. When it is over, nothing was found.
pub(crate) struct Watch(bool);

/// Watches from now on, unless this is a run in which times are measured.
pub(crate) fn watch() -> Watch {
    static ONCE: Once = Once::new();
    if std::env::var_os("VEKSEL_PLATFORM_LOAD_SECONDS").is_some() {
        return Watch(false);
    }
    ONCE.call_once(|| {
        let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
        lines.with_writer(Searching(&FOUND)).init();
    });
    Watch(true)
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.0 {
            return;
        }
        let leaks = FOUND.leaks();
        assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
        // Who sees nothing finds nothing.
        assert!(FOUND.lines.load(Ordering::Relaxed) > 0, "nothing was logged");
    }
}

#[test]
fn a_secret_in_a_line_of_the_log_is_found() {
    static PLANTED: Found = Found { leaks: Mutex::new(Vec::new()), lines: AtomicU64::new(0) };
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
    let watched = lines.with_writer(Searching(&PLANTED)).finish();
    tracing::subscriber::with_default(watched, || {
        tracing::trace!(amount = 17_829, "nothing of anybody");
        assert_eq!(PLANTED.leaks(), Vec::<String>::new());
        tracing::trace!(pid = "17829000024", "who signs in");
        tracing::debug!("a door: {:?}", "key-of-app-1".as_bytes());
    });
    let leaks = PLANTED.leaks();
    assert_eq!(leaks.len(), 2, "{leaks:?}");
    assert!(leaks[0].contains("kari") && !leaks[0].contains("17829000024"), "{leaks:?}");
    assert_eq!(PLANTED.lines.load(Ordering::Relaxed), 3);
}

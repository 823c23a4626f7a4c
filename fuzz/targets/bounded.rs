//! A bound on what a body may allocate at once: 64 KiB and so many times its input. More is a
//! finding.
//!
//! Part of the targets and not of `src/`, because an allocator cannot be written without unsafe
//! code.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that may be allocated at once; without a bound outside of a body.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator, which the sanitizer watches, with a bound.
struct Bounded;

#[expect(clippy::disallowed_methods, reason = "the fuzzer takes an abort for a finding")]
fn hold(size: usize) {
    if size > MOST.load(Ordering::Relaxed) {
        let most = MOST.swap(usize::MAX, Ordering::Relaxed);
        let _ = writeln!(std::io::stderr(), "{size} bytes allocated at once, {most} are allowed");
        std::process::abort();
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged, or ends the process.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above, and `place` came from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        hold(size);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Runs a body on its input with the bound. What a body makes once, such as the codecs of all
/// dialects, is made before.
pub fn run(body: fn(&[u8]), data: &[u8], times: usize) {
    static MADE: Once = Once::new();
    MADE.call_once(|| body(&[0; 32]));
    MOST.store(data.len().saturating_mul(times).saturating_add(64 << 10), Ordering::Relaxed);
    body(data);
    MOST.store(usize::MAX, Ordering::Relaxed);
}

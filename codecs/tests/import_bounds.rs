//! What importing allocates at once: never more than 64 KiB and four times the file, whatever the
//! file is.
//!
//! A test binary of its own, because it replaces the allocator.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use veksel_codecs::import::{DEPTH_MAX, INPUT_MAX, LIST_MAX, PARTS_MAX, Source, import};

/// The system's allocator, which remembers the largest request of each thread.
struct Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn watch(size: usize) {
    // It is gone when its thread ends; what is allocated then is nobody's.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call is passed on to the system's allocator unchanged; watching allocates nothing.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch(layout.size());
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above, and `place` came from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        watch(size);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

const SOURCES: [Source; 3] = [Source::Jpos, Source::Moov, Source::Iso8583Rs];

/// Imports a file, and says what is wrong with how much it took.
fn over(name: &str, source: Source, file: &[u8]) -> Option<String> {
    LARGEST.set(0);
    let result = import(source, "bounded", file).map(drop);
    let largest = LARGEST.get();
    let most = file.len() * 4 + (64 << 10);
    let width = file.len();
    (largest > most).then(|| format!("{name}, {width} bytes: {largest} over {most}: {result:?}"))
}

/// As much as fits of something that is said again and again.
fn repeated(head: &str, again: &str, tail: &str, width: usize) -> Vec<u8> {
    let count = width.saturating_sub(head.len() + tail.len()) / again.len();
    [head, &again.repeat(count), tail].concat().into_bytes()
}

/// A beginning, what is said again and again, and an end.
type Shape = (Source, &'static str, &'static str, &'static str);

/// What makes most of a byte.
const SHAPES: [Shape; 22] = [
    (Source::Jpos, "<isopackager>", "<isofield/>", "</isopackager>"),
    (
        Source::Jpos,
        "<isopackager>",
        "<isofield id=\"2\" length=\"1\" class=\"IF_CHAR\"/>",
        "</isopackager>",
    ),
    (
        Source::Jpos,
        "<isopackager><isofieldpackager id=\"48\" length=\"9\" class=\"IFA_LLCHAR\" \
         packager=\"GenericSubFieldPackager\">",
        "<isofield id=\"2\" length=\"1\" class=\"IF_CHAR\"/>",
        "</isofieldpackager></isopackager>",
    ),
    (Source::Jpos, "<isopackager><isofield ", "a=\"\" ", "/></isopackager>"),
    (
        Source::Jpos,
        "<isopackager><isofield id=\"2\" length=\"1\" name=\"",
        "\u{1}",
        "\" class=\"IF_CHAR\"/></isopackager>",
    ),
    (Source::Jpos, "", "<isopackager>", ""),
    (Source::Jpos, "<isopackager>", "&amp;", ""),
    (Source::Jpos, "<!DOCTYPE a [", "<!ELEMENT a>", "]><isopackager/>"),
    (Source::Moov, "", "[", ""),
    (Source::Moov, "{\"fields\":{", "\"4\":{},", "\"4\":{}}}"),
    (Source::Moov, "", "{\"fields\":{\"4\":{\"subfields\":", ""),
    (Source::Moov, "{\"fields\":{\"4\":{\"padding\":{\"pad\":[", "1,", "1]}}}}"),
    (Source::Moov, "{\"name\":\"", "\\u0001", "\"}"),
    (Source::Moov, "{\"fields\":{\"4\":{\"x\":[", "[],", "1]}}}"),
    (Source::Iso8583Rs, "", "[", ""),
    (Source::Iso8583Rs, "messages: [", "a,", "]"),
    (Source::Iso8583Rs, "messages: [", "[],", "]"),
    (Source::Iso8583Rs, "messages: &a [", "1,", "]\nname: *a\n"),
    (Source::Iso8583Rs, "messages:\n", "- ", "a"),
    (Source::Iso8583Rs, "", "? ", "a"),
    (Source::Iso8583Rs, "{", "a: 1, ", "}"),
    (
        Source::Iso8583Rs,
        "messages: [{name: a, fields: [",
        "{name: a, type: b, data_encoding: c}, ",
        "]}]",
    ),
];

#[test]
fn files_that_say_one_thing_again_and_again_take_no_more_than_they_may() {
    let mut wrong = Vec::new();
    for (number, (source, head, again, tail)) in SHAPES.into_iter().enumerate() {
        for width in [64, 512, 1_024, 4_096, 16_384, 60_000, 200_000, INPUT_MAX] {
            let file = repeated(head, again, tail, width);
            wrong.extend(over(&format!("shape {number}"), source, &file));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Fields of all numbers, none of them like another, as many as a specification has and more.
#[test]
fn long_specifications_take_no_more_than_they_may() {
    let mut wrong = Vec::new();
    let counts = [30, 100, PARTS_MAX, 193, LIST_MAX, 2 * LIST_MAX];
    for (count, length) in counts.into_iter().flat_map(|count| [(count, 0), (count, 400)]) {
        let list = |one: &dyn Fn(usize) -> String| (2..2 + count).map(one).collect::<String>();
        let name = "n".repeat(length);
        let xml = list(&|id| {
            format!("<isofield id=\"{id}\" length=\"1\" name=\"{name}\" class=\"IF_CHAR\"/>")
        });
        let json = list(&|id| {
            format!(
                ",\"{id}\":{{\"type\":\"String\",\"length\":1,\"description\":\"{name}\",\"enc\":\
                 \"ASCII\",\"prefix\":\"ASCII.Fixed\"}}"
            )
        });
        let yaml = list(&|id| {
            format!(
                "- {{name: a{name}, type: Fixed, len: 1, data_encoding: ASCII, position: {id}}}\n"
            )
        });
        let tree = "<isofieldpackager id=\"48\" length=\"9\" class=\"IFA_LLCHAR\" \
                    packager=\"GenericSubFieldPackager\">";
        let files = [
            (Source::Jpos, format!("<isopackager>{xml}</isopackager>")),
            (Source::Jpos, format!("<isopackager>{tree}{xml}</isofieldpackager></isopackager>")),
            (Source::Moov, format!("{{\"fields\":{{{}}}}}", &json[1..])),
            (
                Source::Moov,
                format!(
                    "{{\"fields\":{{\"48\":{{\"length\":999,\"prefix\":\"ASCII.LLL\",\"subfields\":\
                     {{{}}}}}}}}}",
                    &json[1..]
                ),
            ),
            (
                Source::Iso8583Rs,
                format!(
                    "messages:\n- name: a\n  fields:\n  - name: b\n    type: Bitmapped\n    \
                     data_encoding: BINARY\n    children:\n    {}",
                    yaml.replace('\n', "\n    ")
                ),
            ),
        ];
        for (source, file) in files {
            let result = import(source, "counted", file.as_bytes());
            assert_eq!(result.is_ok(), count <= LIST_MAX, "{count} of {source:?}: {result:?}");
            wrong.extend(over(&format!("{count} fields"), source, file.as_bytes()));
            if let Ok(imported) = result {
                let is_nested = file.contains("packager=") || file.contains("subfields");
                let has_parts = imported.text.contains("[nested.48.parts]");
                assert_eq!(has_parts, is_nested && count <= PARTS_MAX, "{}", imported.text);
                let is_said = imported.remarks.iter().any(|r| r.why.contains("more than 128 with"));
                assert_eq!(is_said, is_nested && count > PARTS_MAX);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn real_specifications_take_no_more_than_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let mut wrong = Vec::new();
    let mut count = 0;
    for folder in [root.join("samples"), root] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let source = SOURCES.into_iter().zip(["jpos", "moov", "iso8583_rs"]);
            let source = source.into_iter().find(|(_, prefix)| name.starts_with(prefix));
            let Some((source, _)) = source.filter(|_| !name.ends_with(".jsonl")) else { continue };
            let file = fs::read(&path).unwrap();
            assert!(import(source, "real", &file).is_ok(), "{name}");
            wrong.extend(over(&name, source, &file));
            count += 1;
        }
    }
    assert!(count >= 12, "{count} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_too_deep_is_refused_with_its_line() {
    let deep = DEPTH_MAX * 4;
    for (source, file) in [
        (Source::Jpos, format!("\n{}", "<isopackager>".repeat(deep))),
        (Source::Moov, format!("\n{}", "{\"fields\":{\"4\":{\"subfields\":".repeat(deep))),
        (Source::Iso8583Rs, format!("messages:\n{}", "[".repeat(deep))),
        (Source::Iso8583Rs, format!("messages:\n{}a", "- ".repeat(deep))),
    ] {
        let error = import(source, "deep", file.as_bytes()).unwrap_err();
        assert_eq!(error.line, 2, "{error}");
    }
}

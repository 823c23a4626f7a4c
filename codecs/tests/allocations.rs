//! Counts allocations: reading and writing a message makes none once its buffers are warm.
//!
//! A test binary of its own, because it replaces the allocator, and the one place of the workspace
//! with unsafe code: an allocator cannot be written without.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::BytesMut;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use veksel_codecs::dialect::SHIPPED;
use veksel_codecs::{Codec, Dialect, FieldNumber, Message, Mti, field};

/// The system's allocator, counting calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // The counter is gone when its thread ends; what is allocated then is nobody's.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above, and `place` came from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often something allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

fn codecs() -> Vec<Codec> {
    SHIPPED.iter().map(|(name, _)| Codec::new(Dialect::shipped(name).unwrap())).collect()
}

/// Every field of the dialect, as long as it may be and all of them still fit a frame.
fn longest(codec: &Codec) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    for (number, field) in codec.dialect().fields() {
        let variable = field.length_digits > 0;
        let most = usize::from(if variable { field.most.min(999) } else { field.most });
        match field.content.notation() {
            "b" => message.set_binary(number, &vec![0xA5; most]),
            "x+n" => message.set_text(number, &format!("D{}", "5".repeat(most - 1))),
            _ => message.set_text(number, &"5".repeat(most)),
        }
    }
    message
}

/// A request of a few short fields.
fn shortest() -> Message {
    let mut message = Message::of(Mti::parse("0800").unwrap());
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 1);
    message.set(field::NETWORK_CODE, 301);
    message
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(vec![1u8; 100])), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn a_warm_codec_allocates_nothing() {
    for codec in &codecs() {
        let name = codec.dialect().name();
        let (long, short) = (longest(codec), shortest());
        let (mut wire, mut frames) = (BytesMut::new(), Vec::new());
        for message in [&long, &short] {
            wire.clear();
            codec.encode(message, &mut wire).unwrap();
            frames.push(wire.to_vec());
        }
        let mut read = Message::new();
        codec.decode_into(&frames[0], &mut read).unwrap();
        for round in 0..10 {
            let frame = &frames[round % 2];
            let measuring = allocations(|| {
                assert_eq!(codec.measure(frame, 65_535), Ok(Some(frame.len())));
                assert_eq!(codec.measure(&frame[1..], 9), codec.measure(&frame[1..10], 9));
            });
            assert_eq!(measuring, 0, "{name}: measure");
            let decoding = allocations(|| codec.decode_into(frame, &mut read).unwrap());
            assert_eq!(decoding, 0, "{name}: decode");
            wire.clear();
            let passing_on = allocations(|| codec.encode(&read, &mut wire).unwrap());
            assert_eq!(passing_on, 0, "{name}: encode of a message that was read");
            wire.clear();
            let encoding = allocations(|| codec.encode(&long, &mut wire).unwrap());
            assert_eq!(encoding, 0, "{name}: encode of a message that was set");
        }
    }
}

#[test]
fn a_message_that_is_refused_allocates_nothing() {
    for codec in &codecs() {
        let mut wire = BytesMut::new();
        codec.encode(&longest(codec), &mut wire).unwrap();
        let mut read = Message::new();
        codec.decode_into(&wire, &mut read).unwrap();
        for end in (0..wire.len()).step_by(7) {
            let refused =
                allocations(|| assert!(codec.decode_into(&wire[..end], &mut read).is_err()));
            assert_eq!(refused, 0, "{}: cut at {end}", codec.dialect().name());
        }
    }
}

/// What the switch does to every request: read typed fields, stamp another trace number, copy.
#[test]
fn the_way_through_the_switch_allocates_nothing() {
    for codec in &codecs() {
        let mut wire = BytesMut::new();
        codec.encode(&longest(codec), &mut wire).unwrap();
        let frame = wire.to_vec();
        let (mut read, mut copy) = (Message::new(), Message::new());
        for round in 0..10 {
            let made = allocations(|| {
                codec.decode_into(&frame, &mut read).unwrap();
                assert!(read.get(field::AMOUNT).is_some() && read.get(field::ACCOUNT).is_some());
                assert!(read.get(field::PAN).is_some() && read.get(field::RRN).is_some());
                copy.copy_from(&read);
                copy.set(field::STAN, 77);
                wire.clear();
                codec.encode(&copy, &mut wire).unwrap();
            });
            assert!(round == 0 || made == 0, "{}: {made}", codec.dialect().name());
        }
        assert_eq!(copy.get(field::STAN), Some(77));
        assert!(copy.expose(FieldNumber::new(2).unwrap()).is_some());
    }
}

/// Parts are found, walked and checked where they lie, whether they are good or not.
#[test]
fn reading_parts_allocates_nothing() {
    let codec = Codec::new(Dialect::parse(include_str!("../../fuzz/src/inside.toml")).unwrap());
    let number = |number| FieldNumber::new(number).unwrap();
    let mut message = Message::of(Mti::parse("0200").unwrap());
    message.set_text(number(3), "401020");
    message.set_text(number(54), "1001578C0000001250001002578D000000110000");
    message
        .set_binary(number(55), b"\x95\x05\0\0\0\0\0\x72\x05\x86\x03\x01\x02\x03\x9F\x26\x01\xAA");
    message.set_text(number(62), "600000000000000105hello12AB99");
    message.set_text(number(90), "020000012308011200000000012345600000000000");
    let mut wire = BytesMut::new();
    codec.encode(&message, &mut wire).unwrap();
    let mut read = Message::new();
    codec.decode_into(&wire, &mut read).unwrap();
    let paths = [(3, "2"), (54, "2.4"), (55, "72.86"), (55, "9F26"), (62, "3"), (90, "2")];
    let made = allocations(|| {
        codec.check_nested(&read).unwrap();
        for (field, path) in paths {
            let nested = read.nested(number(field), &codec).unwrap();
            let value = nested.get(path).unwrap().unwrap();
            assert!(!value.bytes().is_empty() && !value.name().is_empty());
            let _ = value.text();
        }
    });
    assert_eq!(made, 0);
    read.set_binary(number(55), b"\x72\x03\x86\x80\0");
    assert_eq!(allocations(|| assert!(codec.check_nested(&read).is_err())), 0);
}

//! Once warm, a request that comes in and its answer that goes out allocate nothing.
//!
//! Counts on the one thread of the test, everything tokio does included.

#![expect(unsafe_code, reason = "only an allocator can count allocations")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]

use bytes::BytesMut;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Instant;
use veksel_codecs::{Codec, Dialect, EncodeError, Framing, Message, Mti, ResponseCode, field};
use veksel_config::{DialectName, ListenConfig, TcpKeepAlive};
use veksel_core::plan::LinkId;
use veksel_core::record::TxnId;
use veksel_core::{Input, Leg, Tag};
use veksel_link::Wires;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: `place` came from the system's allocator.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Requests of one round.
const BATCH: usize = 5;

fn config() -> ListenConfig {
    ListenConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
        framing: Framing::binary2(),
        mac: None,
        tls: None,
        identities: None,
        allow: None,
        connections_max: 4,
        in_flight_max: 64,
        frame_deadline_ms: 5_000,
        tcp_user_timeout_ms: 20_000,
        tcp_keep_alive: TcpKeepAlive::default(),
        idle_ms: 0,
        outbound_max: 262_144,
        malformed_max: 3,
        malformed_window_ms: 60_000,
        channel_timeout_ms: 20_000,
        strict: false,
    }
}

fn request(codec: &Codec) -> Vec<u8> {
    let mut message = Message::of(Mti::known(b"0800"));
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 1);
    message.set(field::ACQUIRER, "123456");
    message.set(field::NETWORK_CODE, 301);
    let mut out = BytesMut::new();
    let write = |out: &mut BytesMut| codec.encode(&message, out);
    Framing::binary2().encode::<EncodeError>(&[], &mut out, write).unwrap();
    out.to_vec()
}

/// One batch of requests and answers; says how many bytes the answers are.
async fn round(wires: &Wires, peer: &mut TcpStream, requests: &[u8], answers: &mut [u8]) -> usize {
    // The last byte comes late, so that a part of a frame waits too.
    let (most, last) = requests.split_at(requests.len() - 1);
    peer.write_all(most).unwrap();
    let (mut answered, mut written, mut last) = (0, 0, Some(last));
    while answered + written < 2 * BATCH {
        if let Some(last) = last.take_if(|_| answered == BATCH - 1) {
            peer.write_all(last).unwrap();
        }
        wires.ready().await;
        while let Some(input) = wires.poll_input() {
            match input {
                Input::Received { connection, mut message } => {
                    message.set_mti(message.mti().response().unwrap());
                    message.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
                    let tag = Tag { txn: TxnId(1), leg: Leg::Answer };
                    wires.send(connection, &message, Some(tag), None);
                    wires.spare(message);
                    answered += 1;
                }
                Input::Written(_) => written += 1,
                other => panic!("{other:?}"),
            }
        }
        wires.flush();
    }
    peer.read(answers).unwrap()
}

#[test]
fn a_warm_turn_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let codec = Rc::new(Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap()));
        let wires = Wires::new(64, Instant::now(), 7);
        let address = wires.listen(LinkId(0), &config(), Rc::clone(&codec)).unwrap();
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_nodelay(true).unwrap();
        wires.ready().await;
        assert!(matches!(wires.poll_input(), Some(Input::LinkUp(_))));
        let requests = request(&codec).repeat(BATCH);
        let mut answers = [0; 4_096];
        for _ in 0..20 {
            round(&wires, &mut peer, &requests, &mut answers).await;
        }
        let before = COUNT.get();
        for _ in 0..100 {
            assert!(round(&wires, &mut peer, &requests, &mut answers).await > 0);
        }
        assert_eq!(COUNT.get() - before, 0, "allocations in {} messages", 100 * BATCH);
    });
}

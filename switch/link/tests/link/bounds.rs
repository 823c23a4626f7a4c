//! Nothing grows with what a peer claims, sends or does not read.

use crate::rig::{
    HOST, Peer, Rig, dial_config, echo, listen_config, long_echo, run, stan, tag, until,
};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use veksel_codecs::Framing;
use veksel_config::{DialConfig, ListenConfig};
use veksel_core::plan::ConnectionId;
use veksel_core::time::Tick;
use veksel_core::{Input, Unsent};
use veksel_link::{CloseReason, LinkStats};

/// Guarantees G9 and G10.
#[test]
fn a_declared_length_costs_no_memory_and_silence_after_it_ends_the_connection() {
    run(async {
        let framing = Framing { frame_max: 65_535, ..Framing::binary2() };
        let config = ListenConfig { framing, frame_deadline_ms: 300, ..listen_config() };
        let rig = Rig::listening(&config);
        let (mut peer, connection) = rig.peer().await;
        peer.write(&[0xFF, 0xFF]).await;
        until("the length is read", || rig.stats().bytes_in == 2).await;
        assert_eq!(rig.stats().buffered, 2);
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(rig.stats().closed(CloseReason::FrameDeadline), 1);
        assert_eq!(rig.stats().buffered, 0);
        peer.read_to_end().await;
    });
}

/// Semantics 2: the deadline is from the first byte to the last, not from byte to byte.
#[test]
fn a_slow_drip_ends_the_connection() {
    run(async {
        let config = ListenConfig { frame_deadline_ms: 300, ..listen_config() };
        let rig = Rig::listening(&config);
        let (mut peer, connection) = rig.peer().await;
        let drip = async {
            while peer.0.write_all(&[1]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::join!(drip, async { assert_eq!(rig.link_down().await, connection) });
        assert_eq!(rig.stats().closed(CloseReason::FrameDeadline), 1);
    });
}

#[test]
fn a_long_frame_is_taken_whole() {
    run(async {
        let rig = Rig::listening(&ListenConfig { in_flight_max: 1_000, ..listen_config() });
        let (mut peer, _) = rig.peer().await;
        let mut bytes = Vec::new();
        for number in 1..=200 {
            bytes.extend(rig.wire(&Framing::binary2(), &long_echo(number, 999)));
        }
        let write = peer.write(&bytes);
        let read = async {
            for number in 1..=200 {
                assert_eq!(rig.received().await.1, long_echo(number, 999));
            }
        };
        tokio::join!(write, read);
    });
}

#[test]
fn a_connection_with_too_many_unanswered_requests_is_not_read() {
    run(async {
        let rig = Rig::listening(&ListenConfig { in_flight_max: 4, ..listen_config() });
        let (mut peer, connection) = rig.peer().await;
        for number in 1..=10 {
            peer.write(&rig.wire(&Framing::binary2(), &echo(number))).await;
        }
        let mut waiting = Vec::new();
        for _ in 0..4 {
            waiting.push(rig.received().await.1);
        }
        let (mut other, _) = rig.peer().await;
        other.write(&rig.wire(&Framing::binary2(), &echo(99))).await;
        assert_eq!(stan(&rig.received().await.1), 99, "others are read");
        for number in 5..=10 {
            assert!(rig.wires.poll_input().is_none(), "{number} is not read yet");
            let request = waiting.remove(0);
            rig.answer(connection, &request);
            let (_, next) = rig.received().await;
            assert_eq!(stan(&next), number);
            waiting.push(next);
        }
        assert_eq!(rig.stats().frames_in, 11);
    });
}

/// Neither an answer nor a frame that cannot be answered may take a place for ever.
#[test]
fn only_what_will_be_answered_counts_as_unanswered() {
    run(async {
        let config = ListenConfig { in_flight_max: 1, malformed_max: 100, ..listen_config() };
        let rig = Rig::listening(&config);
        let (mut peer, _) = rig.peer().await;
        let mut nameless = echo(1);
        nameless.remove(veksel_codecs::field::STAN);
        let answer = crate::rig::answer_to(&echo(2));
        for _ in 0..3 {
            peer.write(&rig.wire(&Framing::binary2(), &nameless)).await;
            assert!(matches!(rig.input().await, Input::Malformed { .. }));
            peer.write(&rig.wire(&Framing::binary2(), &answer)).await;
            rig.received().await;
            peer.write(b"\x00\x03abc").await;
            assert!(matches!(rig.input().await, Input::Malformed { .. }));
        }
    });
}

#[test]
fn a_full_inbox_stops_the_reading_and_loses_nothing() {
    run(async {
        let rig = Rig::new(8);
        let config = ListenConfig { in_flight_max: 1_000, ..listen_config() };
        let address =
            rig.wires.listen(crate::rig::CHANNEL, &config, Rc::clone(&rig.codec)).unwrap();
        let rig = Rig { address, ..rig };
        let (mut one, first) = rig.peer().await;
        let (mut two, second) = rig.peer().await;
        for number in 1..=100 {
            one.write(&rig.wire(&Framing::binary2(), &echo(number))).await;
            two.write(&rig.wire(&Framing::binary2(), &echo(number))).await;
        }
        until("it is full", || rig.stats().frames_in >= 8).await;
        tokio::task::yield_now().await;
        assert!(rig.stats().frames_in <= 8, "no more than there is room for");
        let mut next = [(first, 1), (second, 1)];
        for _ in 0..200 {
            let (connection, message) = rig.received().await;
            let (_, expected) = next.iter_mut().find(|(id, _)| *id == connection).unwrap();
            assert_eq!(stan(&message), *expected);
            *expected += 1;
        }
    });
}

/// Guarantees 4.2: a peer that asks and does not read is bounded and closed.
#[test]
fn a_channel_that_does_not_read_is_closed() {
    run(async {
        let outbound_max = 20_000;
        let rig = Rig::listening(&ListenConfig { outbound_max, ..listen_config() });
        let (_peer, connection) = rig.peer().await;
        let mut sent = 0;
        while rig.stats().connections == 1 {
            sent += 1;
            rig.send(connection, &long_echo(1, 999), Some(sent));
            rig.wires.flush();
            assert!(rig.stats().buffered <= u64::from(outbound_max));
            assert!(sent < 100_000, "the buffers of the system cannot be so large");
        }
        let (mut begun, mut dropped) = (0, 0);
        for number in 1.. {
            match rig.input().await {
                Input::Written(written) => {
                    begun += 1;
                    assert_eq!((written, dropped), (tag(number), 0), "in order, before the others");
                }
                Input::Unsent { tag: unsent, why: Unsent::Full } => {
                    dropped += 1;
                    assert_eq!(unsent, tag(sent), "the one that did not fit");
                }
                Input::Unsent { why: Unsent::Closed, .. } => dropped += 1,
                Input::LinkDown(down) => {
                    assert_eq!(down, connection);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(begun + dropped, sent, "each exactly once");
        assert!(begun > 0 && dropped > 1);
        assert_eq!(rig.stats().closed(CloseReason::NotReading), 1);
        assert_eq!(rig.stats().unsent, dropped);
    });
}

/// The bound is for what a peer does not take, not for what a turn has to say.
#[test]
fn a_turn_may_be_larger_than_what_may_wait() {
    run(async {
        let rig = Rig::listening(&ListenConfig { outbound_max: 4_000, ..listen_config() });
        let (mut peer, connection) = rig.peer().await;
        for number in 1..=50 {
            rig.send(connection, &long_echo(number, 999), Some(number));
        }
        rig.wires.flush();
        for number in 1..=50 {
            assert!(matches!(rig.input().await, Input::Written(written) if written == tag(number)));
            peer.read_frame().await;
        }
    });
}

/// A host that was dialled and does not read, with its socket.
async fn deaf_host(config: impl Fn(DialConfig) -> DialConfig) -> (Rig, Peer, ConnectionId) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rig = Rig::new(1_024);
    let config = config(dial_config(listener.local_addr().unwrap()));
    rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let connection = rig.link_up().await;
    (rig, Peer(stream), connection)
}

/// Sends until there is enough; gives how many frames that were.
fn fill(rig: &Rig, connection: ConnectionId, is_enough: impl Fn(LinkStats) -> bool) -> u64 {
    let mut sent = 0;
    while !is_enough(rig.wires.stats(HOST)) {
        sent += 1;
        rig.send(connection, &long_echo(sent, 999), Some(sent));
        rig.wires.flush();
        assert!(sent < 100_000, "the buffers of the system cannot be so large");
    }
    sent
}

#[test]
fn a_host_that_does_not_read_refuses_messages_and_keeps_its_connection() {
    run(async {
        let (rig, mut host, connection) =
            deaf_host(|config| DialConfig { outbound_max: 20_000, ..config }).await;
        let sent = fill(&rig, connection, |stats| stats.unsent > 0) - 1;
        assert!(rig.wires.stats(HOST).buffered <= 20_000);
        let width = rig.wire(&Framing::binary2(), &long_echo(1, 999)).len();
        for number in 1..=sent {
            let bytes = host.read(width).await;
            let stan = format!("{number:06}");
            assert!(bytes.windows(6).any(|part| part == stan.as_bytes()), "{number}");
        }
        let mut written = 0;
        let mut refused = Vec::new();
        while written < sent {
            match rig.input().await {
                Input::Written(_) => written += 1,
                Input::Unsent { tag, why } => refused.push((tag, why)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(refused, [(tag(sent + 1), Unsent::Full)]);
        rig.send(connection, &echo(7), None);
        rig.wires.flush();
        assert_eq!(host.read_frame().await.get(..4), Some(&b"0800"[..]), "it works on");
    });
}

#[test]
fn a_host_that_takes_nothing_for_long_is_closed() {
    run(async {
        let (rig, _host, connection) =
            deaf_host(|config| DialConfig { tcp_user_timeout_ms: 500, ..config }).await;
        fill(&rig, connection, |stats| stats.buffered > 5_000);
        let mut dropped = 0;
        loop {
            match rig.input().await {
                Input::Written(_) => assert_eq!(dropped, 0),
                Input::Unsent { why, .. } => {
                    assert_eq!(why, Unsent::Closed);
                    dropped += 1;
                }
                Input::LinkDown(down) => break assert_eq!(down, connection),
                other => panic!("{other:?}"),
            }
        }
        assert!(dropped > 0);
        let stats = rig.wires.stats(HOST);
        // The system enforces the same limit and may be first.
        let ends = [CloseReason::WriteStalled, CloseReason::Reset].map(|why| stats.closed(why));
        assert_eq!(ends.iter().sum::<u64>(), 1, "{stats:?}");
    });
}

/// Semantics 23: what expired before its first byte was written is never written.
#[test]
fn a_message_that_expires_while_it_waits_is_taken_out() {
    run(async {
        let (rig, mut host, connection) = deaf_host(|config| config).await;
        let sent = fill(&rig, connection, |stats| stats.buffered > 5_000);
        let soon = Tick(u64::try_from(rig.origin.elapsed().as_nanos()).unwrap()).after_ms(50);
        rig.wires.send(connection, &long_echo(900_001, 999), Some(tag(900_001)), Some(soon));
        rig.send(connection, &echo(900_002), Some(900_002));
        rig.wires.flush();
        let mut reports = Vec::new();
        while !matches!(reports.last(), Some(Input::Unsent { .. })) {
            reports.push(rig.input().await);
        }
        let expired = Input::Unsent { tag: tag(900_001), why: Unsent::Expired };
        assert_eq!(format!("{:?}", reports.last().unwrap()), format!("{expired:?}"));
        let width = rig.wire(&Framing::binary2(), &long_echo(1, 999)).len();
        host.read(width * usize::try_from(sent).unwrap()).await;
        let next = host.read_frame().await;
        assert!(next.windows(6).any(|part| part == b"900002"), "the next frame is intact");
    });
}

#[test]
fn connections_over_the_limit_are_closed_at_once() {
    run(async {
        let rig = Rig::listening(&ListenConfig { connections_max: 2, ..listen_config() });
        let (one, first) = rig.peer().await;
        let (mut two, _) = rig.peer().await;
        let mut three = Peer::connect(rig.address).await;
        assert!(three.read_to_end().await.is_empty());
        assert_eq!((rig.stats().connections, rig.stats().refused), (2, 1));
        drop(one);
        assert_eq!(rig.link_down().await, first);
        let (_three, _) = rig.peer().await;
        two.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        assert_eq!(stan(&rig.received().await.1), 1);
    });
}

/// Guarantee G11, on the wire.
#[test]
fn a_connection_that_never_pauses_does_not_starve_another() {
    run(async {
        let rig = Rig::listening(&ListenConfig { in_flight_max: u32::MAX, ..listen_config() });
        let (mut loud, noise) = rig.peer().await;
        let (mut quiet, _) = rig.peer().await;
        let bytes = rig.wire(&Framing::binary2(), &echo(1)).repeat(1_000);
        let flood =
            tokio::task::spawn_local(
                async move { while loud.0.write_all(&bytes).await.is_ok() {} },
            );
        until("the flood has begun", || rig.stats().frames_in > 1_000).await;
        quiet.write(&rig.wire(&Framing::binary2(), &echo(2))).await;
        let mut before = 0;
        while let (connection, message) = rig.received().await
            && connection == noise
        {
            before += 1;
            rig.wires.spare(message);
        }
        flood.abort();
        assert!(before < 10_000, "{before} messages of the other came first");
    });
}

#[test]
fn a_silent_connection_is_closed_if_the_link_says_so() {
    run(async {
        let rig = Rig::listening(&ListenConfig { idle_ms: 2_000, ..listen_config() });
        let (_silent, first) = rig.peer().await;
        let (mut busy, _) = rig.peer().await;
        let talk = async {
            loop {
                busy.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        let end = async {
            loop {
                match rig.input().await {
                    Input::LinkDown(connection) => break assert_eq!(connection, first),
                    Input::Received { connection, message } => rig.answer(connection, &message),
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::select! { () = talk => {}, () = end => {} }
        assert_eq!((rig.stats().closed(CloseReason::Idle), rig.stats().connections), (1, 1));
    });
}

//! How the switch itself ends connections, and what it says when it cannot begin.

use crate::rig::{CHANNEL, HOST, Peer, Rig, dial_config, echo, listen_config, long_echo, run, tag};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use veksel_codecs::Framing;
use veksel_config::ListenConfig;
use veksel_core::{Closing, Input, Unsent};
use veksel_link::CloseReason;

#[test]
fn a_closed_connection_says_its_last_word_first() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        rig.send(connection, &echo(1), Some(1));
        rig.wires.close(connection, Closing::Echo);
        rig.send(connection, &echo(2), Some(2));
        rig.wires.flush();
        assert!(matches!(
            rig.input().await,
            Input::Unsent { tag: unsent, why: Unsent::Closed } if unsent == tag(2)
        ));
        assert!(matches!(rig.input().await, Input::Written(written) if written == tag(1)));
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(peer.read_to_end().await, rig.wire(&Framing::binary2(), &echo(1)));
        assert_eq!(rig.stats().closed(CloseReason::Echo), 1);
    });
}

/// Guarantee G3: an answer, or the end of the connection.
#[test]
fn an_answer_that_the_dialect_cannot_say_closes_the_channel() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        rig.send(connection, &echo(1), None);
        rig.send(connection, &long_echo(2, 1_000), Some(2));
        rig.wires.flush();
        let input = rig.input().await;
        assert!(
            matches!(
                input,
                Input::Unsent { tag: unsent, why: Unsent::Unencodable } if unsent == tag(2)
            ),
            "{input:?}"
        );
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(peer.read_to_end().await, rig.wire(&Framing::binary2(), &echo(1)));
        assert_eq!(rig.stats().closed(CloseReason::Unanswerable), 1);
    });
}

/// `printf … | nc` ends its stream behind the request and waits for the answer.
#[test]
fn a_channel_that_ended_its_stream_still_gets_its_answers() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        peer.end().await;
        let (_, request) = rig.received().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(rig.stats().connections, 1, "the end was seen and the answer is owed");
        rig.answer(connection, &request);
        assert_eq!(rig.link_down().await, connection);
        let answer = rig.wire(&Framing::binary2(), &crate::rig::answer_to(&echo(1)));
        assert_eq!(peer.read_to_end().await, answer);
        assert_eq!(rig.stats().closed(CloseReason::PeerClosed), 1);
    });
}

/// But it may as well be gone, so what must be delivered does not count as delivered.
#[test]
fn what_matters_is_not_delivered_to_a_channel_that_ended_its_stream() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        peer.end().await;
        let (_, request) = rig.received().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        rig.send(connection, &crate::rig::answer_to(&request), Some(7));
        rig.wires.flush();
        let input = rig.input().await;
        assert!(
            matches!(input, Input::Unsent { tag: unsent, why: Unsent::Closed } if unsent == tag(7)),
            "{input:?}"
        );
        assert_eq!(rig.link_down().await, connection);
        assert!(peer.read_to_end().await.is_empty());
    });
}

#[test]
fn a_closing_connection_is_not_read() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        rig.wires.close(connection, Closing::TooMany);
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        rig.wires.flush();
        assert_eq!(rig.link_down().await, connection);
        assert!(rig.wires.poll_input().is_none());
    });
}

#[test]
fn a_port_in_use_is_named() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let config = ListenConfig { address: rig.address, ..listen_config() };
        let error = rig.wires.listen(HOST, &config, Rc::clone(&rig.codec)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&rig.address.to_string()), "{error}");
    });
}

#[test]
fn a_stop_closes_everything_and_brings_nothing_back() {
    run(async {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rig = Rig::listening(&listen_config());
        let dial = dial_config(host.local_addr().unwrap());
        rig.wires.dial(HOST, &dial, Rc::clone(&rig.codec)).unwrap();
        let _accepted = host.accept().await.unwrap();
        rig.link_up().await;
        let (mut peer, connection) = rig.peer().await;
        rig.send(connection, &echo(1), Some(1));
        rig.wires.shutdown(Duration::from_secs(5)).await;
        assert_eq!(peer.read_to_end().await, rig.wire(&Framing::binary2(), &echo(1)));
        assert!(matches!(rig.input().await, Input::Written(_)));
        rig.link_down().await;
        rig.link_down().await;
        assert!(TcpStream::connect(rig.address).await.is_err(), "nobody listens");
        let again = tokio::time::timeout(Duration::from_millis(150), host.accept()).await;
        assert!(again.is_err(), "nobody dials");
        for link in [CHANNEL, HOST] {
            assert_eq!(rig.wires.stats(link).closed(CloseReason::Stopped), 1);
            assert_eq!(rig.wires.stats(link).connections, 0);
        }
    });
}

#[test]
fn a_stop_does_not_wait_for_a_peer_that_does_not_read() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (_peer, connection) = rig.peer().await;
        while rig.stats().buffered == 0 {
            rig.send(connection, &long_echo(1, 999), None);
            rig.wires.flush();
        }
        rig.send(connection, &echo(2), Some(2));
        rig.wires.shutdown(Duration::from_millis(100)).await;
        assert!(matches!(rig.input().await, Input::Unsent { why: Unsent::Closed, .. }));
        assert_eq!(rig.link_down().await, connection);
    });
}

#[test]
fn who_stops_listening_keeps_the_connections_it_has() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, _) = rig.peer().await;
        rig.wires.stop_listening();
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(rig.address).await.is_err());
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        rig.received().await;
    });
}

/// A restart must not wait for the connections of the last run to be forgotten.
#[test]
fn a_port_can_be_listened_on_again_at_once() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (_peer, _) = rig.peer().await;
        rig.wires.shutdown(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
        let config = ListenConfig { address: rig.address, ..listen_config() };
        let again = Rig::listening(&config);
        Peer::connect(again.address).await;
        again.link_up().await;
    });
}

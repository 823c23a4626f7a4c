//! Dialling: connections come, go and come back, and nobody is told a lie about a message.

use crate::rig::{HOST, Peer, Rig, dial_config, echo, long_echo, run, tag, until};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use veksel_config::{Destination, DialConfig};
use veksel_core::plan::ConnectionId;
use veksel_core::{Input, Unsent};
use veksel_link::CloseReason;

fn host_at(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(16).unwrap()
}

fn host() -> (TcpListener, SocketAddr) {
    let listener = host_at("127.0.0.1:0".parse().unwrap());
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// One connection to a host, and the host's end of it.
async fn connected() -> (Rig, TcpListener, Peer, ConnectionId) {
    let (listener, address) = host();
    let rig = Rig::new(1_024);
    rig.wires.dial(HOST, &dial_config(address), Rc::clone(&rig.codec)).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let connection = rig.link_up().await;
    (rig, listener, Peer(stream), connection)
}

/// Semantics 41.
#[test]
fn connections_come_back_with_their_host() {
    run(async {
        let (listener, address) = host();
        let rig = Rig::new(1_024);
        let config = DialConfig { connections: 3, ..dial_config(address) };
        rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
        let mut seen = HashSet::new();
        let mut listener = Some(listener);
        for _ in 0..3 {
            let live = listener.take().unwrap_or_else(|| host_at(address));
            let mut streams = Vec::new();
            for _ in 0..3 {
                streams.push(live.accept().await.unwrap().0);
                assert!(seen.insert(rig.link_up().await.serial), "a serial number came again");
            }
            assert_eq!(rig.wires.stats(HOST).connections, 3, "and no more than that");
            let failures = rig.wires.stats(HOST).dial_failures;
            drop((live, streams));
            for _ in 0..3 {
                assert!(seen.contains(&rig.link_down().await.serial));
            }
            until("it is tried in vain", || rig.wires.stats(HOST).dial_failures > failures + 3)
                .await;
        }
        assert_eq!(rig.wires.stats(HOST).dialled, 9);
    });
}

/// Semantics 41, guarantees 4.2: sixteen connections try a dead host as one would, never two at
/// a time, and come back one after the other.
#[test]
fn a_host_that_comes_back_meets_no_herd() {
    run(async {
        const CONNECTIONS: u32 = 16;
        const WAIT_MS: u64 = 40;
        let (listener, address) = host();
        let rig = Rig::new(1_024);
        let (reconnect_ms_min, reconnect_ms_max) = (WAIT_MS, WAIT_MS);
        let config = DialConfig {
            connections: CONNECTIONS,
            reconnect_ms_min,
            reconnect_ms_max,
            ..dial_config(address)
        };
        rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
        // The host says something on each, so that none of them counts as a failure.
        let mut live = Vec::new();
        for _ in 0..CONNECTIONS {
            live.push(Peer(listener.accept().await.unwrap().0));
        }
        for _ in 0..CONNECTIONS {
            rig.link_up().await;
        }
        for peer in &mut live {
            peer.write(&rig.wire(&config.framing, &echo(1))).await;
            rig.received().await;
        }
        drop((listener, live));
        for _ in 0..CONNECTIONS {
            rig.link_down().await;
        }
        // While it is dead: so many attempts as one task makes, a random wait before each.
        let (start, before) = (Instant::now(), rig.wires.stats(HOST).dial_failures);
        let tried = || rig.wires.stats(HOST).dial_failures - before;
        until("it is tried in vain", || tried() >= 20).await;
        let (tries, waited) = (tried(), start.elapsed());
        // The waits are half of the bound in the mean. They come from a seed, so that this is no
        // matter of luck; sixteen tasks on their own would need a sixteenth of the time.
        let least = Duration::from_millis(WAIT_MS / 4) * u32::try_from(tries).unwrap();
        assert!(waited >= least, "{tries} attempts in {waited:?}");
        // When it is back: as many connections as there were, one after the other, none twice.
        let listener = host_at(address);
        let (mut live, start) = (Vec::new(), Instant::now());
        for _ in 0..CONNECTIONS {
            live.push(listener.accept().await.unwrap().0);
        }
        let spread = start.elapsed();
        let least = Duration::from_millis(WAIT_MS / 4) * (CONNECTIONS - 1);
        assert!(spread >= least, "{CONNECTIONS} connections within {spread:?}");
        until("all are there", || rig.wires.stats(HOST).connections == u64::from(CONNECTIONS))
            .await;
        assert_eq!(rig.wires.stats(HOST).dialled, 2 * u64::from(CONNECTIONS));
    });
}

#[test]
fn a_host_that_is_not_there_yet_is_found_by_name_when_it_comes() {
    run(async {
        let (listener, address) = host();
        drop(listener);
        let rig = Rig::new(1_024);
        let destination = Destination { host: "localhost".to_owned(), port: address.port() };
        let config = DialConfig { destination, ..dial_config(address) };
        rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
        until("it is tried", || rig.wires.stats(HOST).dial_failures > 2).await;
        let listener = host_at(address);
        let _stream = listener.accept().await.unwrap();
        assert_eq!(rig.link_up().await.link, HOST);
    });
}

#[test]
fn what_was_begun_is_written_and_what_was_not_is_unsent_before_the_link_is_down() {
    run(async {
        let (rig, _listener, host, connection) = connected().await;
        rig.send(connection, &echo(1), Some(1));
        rig.wires.flush();
        rig.send(connection, &echo(2), Some(2));
        drop(host);
        let mut inputs = Vec::new();
        while !matches!(inputs.last(), Some(Input::LinkDown(_))) {
            inputs.push(rig.input().await);
        }
        rig.send(connection, &echo(3), Some(3));
        inputs.push(rig.input().await);
        let unsent = |number| Input::Unsent { tag: tag(number), why: Unsent::Closed };
        let expected = [Input::Written(tag(1)), unsent(2), Input::LinkDown(connection), unsent(3)];
        assert_eq!(format!("{inputs:?}"), format!("{expected:?}"));
    });
}

#[test]
fn nothing_goes_out_for_a_connection_that_is_not_known() {
    run(async {
        let rig = Rig::new(8);
        rig.send(ConnectionId { link: HOST, serial: 0 }, &echo(1), Some(1));
        rig.send(ConnectionId { link: HOST, serial: 0 }, &echo(2), None);
        assert!(matches!(rig.input().await, Input::Unsent { why: Unsent::Closed, .. }));
        assert!(rig.wires.poll_input().is_none());
    });
}

#[test]
fn a_message_that_the_dialect_cannot_say_is_unsent_and_the_next_is_sent() {
    run(async {
        let (rig, _listener, mut host, connection) = connected().await;
        rig.send(connection, &long_echo(1, 1_000), Some(1));
        rig.send(connection, &echo(2), Some(2));
        rig.wires.flush();
        let unsent = Input::Unsent { tag: tag(1), why: Unsent::Unencodable };
        assert_eq!(format!("{:?}", rig.input().await), format!("{unsent:?}"));
        assert!(matches!(rig.input().await, Input::Written(written) if written == tag(2)));
        assert!(host.read_frame().await.windows(6).any(|part| part == b"000002"));
    });
}

#[test]
fn a_turn_is_one_write() {
    run(async {
        let (rig, _listener, host, connection) = connected().await;
        for number in 1..=50 {
            rig.send(connection, &echo(number), None);
        }
        assert_eq!(rig.wires.stats(HOST).bytes_out, 0, "nothing before the end of the turn");
        rig.wires.flush();
        let all = rig.wires.stats(HOST).bytes_out;
        let mut bytes = vec![0; 65_536];
        host.0.readable().await.unwrap();
        let count = host.0.try_read(&mut bytes).unwrap();
        assert_eq!(count as u64, all, "all of it is there");
        assert_eq!(rig.wires.stats(HOST).frames_out, 50);
    });
}

#[test]
fn a_peer_says_how_it_ended() {
    run(async {
        let (rig, listener, host, _) = connected().await;
        drop(host);
        rig.link_down().await;
        assert_eq!(rig.wires.stats(HOST).closed(CloseReason::PeerClosed), 1);

        let mut host = Peer(listener.accept().await.unwrap().0);
        rig.link_up().await;
        host.write(&[0, 40, 1]).await;
        drop(host);
        rig.link_down().await;
        assert_eq!(rig.wires.stats(HOST).closed(CloseReason::CutFrame), 1);

        let host = Peer(listener.accept().await.unwrap().0);
        rig.link_up().await;
        host.0.set_zero_linger().unwrap();
        drop(host);
        rig.link_down().await;
        assert_eq!(rig.wires.stats(HOST).closed(CloseReason::Reset), 1);
    });
}

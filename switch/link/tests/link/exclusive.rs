//! Hosts that take one request at a time: raw sockets that answer, answer late, cut, refuse and
//! say what nobody asked.

use crate::rig::{HOST, Peer, Rig, answer_to, dial_config, echo, run, stan, tag};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use veksel_codecs::{Framing, Message, ResponseCode, field};
use veksel_config::{DialConfig, ExclusiveConfig};
use veksel_core::plan::ConnectionId;
use veksel_core::time::Tick;
use veksel_core::{Input, Unsent};

fn exclusive() -> ExclusiveConfig {
    ExclusiveConfig {
        institution: "123456".to_owned(),
        sign_on: false,
        answer_ms: 5_000,
        idle_ms: 0,
        wait_ms: 5_000,
        waiting_max: 16,
    }
}

/// A pool of so many sockets, and the host they lead to.
struct Bank {
    rig: Rig,
    listener: TcpListener,
    pool: ConnectionId,
}

impl Bank {
    async fn new(connections: u32, exclusive: ExclusiveConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rig = Rig::new(1_024);
        let base = dial_config(listener.local_addr().unwrap());
        let config = DialConfig { connections, exclusive: Some(exclusive), ..base };
        rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
        let pool = rig.link_up().await;
        Self { rig, listener, pool }
    }

    fn send(&self, number: u64) {
        self.rig.send(self.pool, &echo(number), Some(number));
    }

    /// The same; it is given up so many milliseconds from now.
    fn send_until(&self, number: u64, ms: u64) {
        let now = Tick(u64::try_from(self.rig.origin.elapsed().as_nanos()).unwrap());
        let expires = Some(now.after_ms(ms));
        self.rig.wires.send(self.pool, &echo(number), Some(tag(number)), expires);
    }

    async fn accept(&self) -> Peer {
        let accept = tokio::time::timeout(Duration::from_secs(10), self.listener.accept());
        Peer(accept.await.expect("a connection in time").unwrap().0)
    }

    async fn request(&self, peer: &mut Peer) -> Message {
        let mut message = Message::default();
        self.rig.codec.decode_into(&peer.read_frame().await, &mut message).unwrap();
        message
    }

    async fn answer(&self, peer: &mut Peer, answer: &Message) {
        peer.write(&self.rig.wire(&Framing::binary2(), answer)).await;
    }

    async fn written(&self, number: u64) {
        match self.rig.input().await {
            Input::Written(told) => assert_eq!(told, tag(number)),
            other => panic!("not Written: {other:?}"),
        }
    }

    async fn unsent(&self) -> (u64, Unsent) {
        match self.rig.input().await {
            Input::Unsent { tag, why } => (tag.txn.0, why),
            other => panic!("not Unsent: {other:?}"),
        }
    }

    async fn lost(&self, number: u64) {
        match self.rig.input().await {
            Input::Lost(told) => assert_eq!(told, tag(number)),
            other => panic!("not Lost: {other:?}"),
        }
    }

    /// A request and its answer over this socket.
    async fn serve(&self, peer: &mut Peer, number: u64) {
        let request = self.request(peer).await;
        assert_eq!(stan(&request), number);
        self.written(number).await;
        self.answer(peer, &answer_to(&request)).await;
        let (connection, message) = self.rig.received().await;
        assert_eq!((connection, stan(&message)), (self.pool, number));
    }

    /// Nobody has connected.
    async fn is_quiet(&self) -> bool {
        let wait = Duration::from_millis(50);
        tokio::time::timeout(wait, self.listener.accept()).await.is_err()
    }
}

#[test]
fn each_request_has_the_socket_for_itself_and_they_go_in_order() {
    run(async {
        let bank = Bank::new(1, exclusive()).await;
        assert!(bank.is_quiet().await, "a socket is made when it is needed");
        for number in 1..=5 {
            bank.send(number);
        }
        let mut peer = bank.accept().await;
        for number in 1..=5 {
            let request = bank.request(&mut peer).await;
            assert_eq!(stan(&request), number);
            bank.written(number).await;
            let mut more = [0; 1];
            let next = tokio::time::timeout(Duration::from_millis(20), peer.0.peek(&mut more));
            assert!(next.await.is_err(), "the next waits for the answer to this one");
            bank.answer(&mut peer, &answer_to(&request)).await;
            assert_eq!(stan(&bank.rig.received().await.1), number);
        }
        assert!(bank.is_quiet().await);
        assert_eq!(bank.rig.wires.stats(HOST).connections, 1);
    });
}

#[test]
fn that_nobody_listens_reaches_the_request_at_once() {
    run(async {
        let Bank { rig, listener, pool } = Bank::new(2, exclusive()).await;
        drop(listener);
        for number in 1..=3 {
            rig.send(pool, &echo(number), Some(number));
            match rig.input().await {
                Input::Unsent { tag: told, why: Unsent::Unreachable } => {
                    assert_eq!(told, tag(number));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(rig.wires.stats(HOST).dial_failures, 3, "each request tried for itself");
    });
}

/// Switch semantics 24, 31: the answer may come later, and the next request must not take it.
#[test]
fn a_socket_on_which_an_answer_is_due_is_never_used_again() {
    run(async {
        let bank = Bank::new(1, exclusive()).await;
        bank.send_until(1, 100);
        let mut slow = bank.accept().await;
        let late = bank.request(&mut slow).await;
        bank.written(1).await;
        // Its time is over; the one that waits goes over another socket.
        bank.send(2);
        let mut fresh = bank.accept().await;
        // The host may not have noticed that nobody listens any more.
        let bytes = bank.rig.wire(&Framing::binary2(), &answer_to(&late));
        let _ = slow.0.try_write(&bytes);
        bank.serve(&mut fresh, 2).await;
        bank.send(3);
        bank.serve(&mut fresh, 3).await;
        assert_eq!(slow.read_to_end().await, b"", "it was closed");
        assert!(bank.rig.wires.poll_input().is_none(), "the late answer is nobody's");
        assert_eq!(bank.rig.wires.stats(HOST).connections, 1);
    });
}

#[test]
fn what_was_written_and_cut_is_lost_and_the_next_has_a_new_socket() {
    run(async {
        let bank = Bank::new(1, exclusive()).await;
        bank.send(1);
        let mut peer = bank.accept().await;
        bank.request(&mut peer).await;
        drop(peer);
        bank.written(1).await;
        bank.lost(1).await;
        bank.send(2);
        let mut peer = bank.accept().await;
        bank.serve(&mut peer, 2).await;
    });
}

#[test]
fn a_socket_that_its_host_closed_or_spoke_on_meanwhile_is_not_used() {
    run(async {
        let bank = Bank::new(1, exclusive()).await;
        bank.send(1);
        let mut peer = bank.accept().await;
        bank.serve(&mut peer, 1).await;
        peer.end().await;
        bank.send(2);
        let mut peer = bank.accept().await;
        bank.serve(&mut peer, 2).await;
        // A second answer to the same request, which nobody waits for.
        bank.answer(&mut peer, &answer_to(&echo(2))).await;
        bank.send(3);
        let mut fresh = bank.accept().await;
        bank.serve(&mut fresh, 3).await;
        assert!(bank.rig.wires.poll_input().is_none());
    });
}

#[test]
fn a_host_that_is_out_of_step_is_not_believed() {
    run(async {
        let bank = Bank::new(1, exclusive()).await;
        bank.send(1);
        let mut peer = bank.accept().await;
        bank.request(&mut peer).await;
        bank.written(1).await;
        bank.answer(&mut peer, &answer_to(&echo(99))).await;
        assert_eq!(stan(&bank.rig.received().await.1), 99, "the engine may say what it was");
        bank.lost(1).await;
        assert_eq!(peer.read_to_end().await, b"");
        bank.send(2);
        let mut peer = bank.accept().await;
        bank.serve(&mut peer, 2).await;
    });
}

#[test]
fn each_socket_signs_on_before_it_carries_anything() {
    run(async {
        let bank = Bank::new(2, ExclusiveConfig { sign_on: true, ..exclusive() }).await;
        bank.send(1);
        bank.send(2);
        for _ in 0..2 {
            let mut peer = bank.accept().await;
            let request = bank.request(&mut peer).await;
            assert_eq!(request.get(field::NETWORK_CODE), Some(1));
            bank.answer(&mut peer, &answer_to(&request)).await;
            let request = bank.request(&mut peer).await;
            assert_eq!(request.get(field::NETWORK_CODE), Some(301));
            bank.written(stan(&request)).await;
            bank.answer(&mut peer, &answer_to(&request)).await;
            bank.rig.received().await;
        }
        assert_eq!(bank.rig.wires.stats(HOST).dialled, 2, "and once only");
    });
}

#[test]
fn a_refused_sign_on_is_no_connection() {
    run(async {
        let bank = Bank::new(1, ExclusiveConfig { sign_on: true, ..exclusive() }).await;
        for (number, code) in [(1, "05"), (2, "00")] {
            bank.send(number);
            let mut peer = bank.accept().await;
            let request = bank.request(&mut peer).await;
            let mut answer = answer_to(&request);
            answer.set(field::RESPONSE_CODE, ResponseCode::parse(code).unwrap());
            bank.answer(&mut peer, &answer).await;
            if code == "05" {
                assert_eq!(bank.unsent().await, (number, Unsent::Unreachable));
                assert_eq!(peer.read_to_end().await, b"");
            } else {
                bank.serve(&mut peer, number).await;
            }
        }
    });
}

#[test]
fn no_more_wait_than_may_and_none_longer() {
    run(async {
        let config = ExclusiveConfig { waiting_max: 2, wait_ms: 50, ..exclusive() };
        let bank = Bank::new(1, config).await;
        for number in 1..=3 {
            bank.send(number);
        }
        assert_eq!(bank.unsent().await, (3, Unsent::Full), "at once");
        let mut peer = bank.accept().await;
        let request = bank.request(&mut peer).await;
        bank.written(1).await;
        assert_eq!(bank.unsent().await, (2, Unsent::Full), "it waited long enough");
        bank.answer(&mut peer, &answer_to(&request)).await;
        bank.rig.received().await;
        bank.send(4);
        bank.serve(&mut peer, 4).await;
    });
}

#[test]
fn an_idle_socket_is_not_trusted_for_ever() {
    run(async {
        let bank = Bank::new(1, ExclusiveConfig { idle_ms: 30, ..exclusive() }).await;
        bank.send(1);
        let mut old = bank.accept().await;
        bank.serve(&mut old, 1).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
        bank.send(2);
        let mut fresh = bank.accept().await;
        bank.serve(&mut fresh, 2).await;
        assert_eq!(old.read_to_end().await, b"");
    });
}

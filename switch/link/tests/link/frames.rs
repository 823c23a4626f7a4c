//! Bytes to inputs and back: cuts, framings, headers, what is no message.

use crate::rig::{
    CHANNEL, HOST, Rig, answer_to, dial_config, echo, listen_config, run, stan, until,
};
use std::rc::Rc;
use veksel_codecs::{
    BASE1_WIDTH, Framing, Header, KeepAlive, LengthForm, Message, Mti, Refusal, field,
};
use veksel_config::ListenConfig;
use veksel_core::Input;
use veksel_link::CloseReason;

/// Semantics 1.
#[test]
fn a_frame_may_be_cut_anywhere() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, _) = rig.peer().await;
        let length = rig.wire(&Framing::binary2(), &echo(1)).len();
        let mut sent = 0;
        for cut in 1..length {
            let bytes = rig.wire(&Framing::binary2(), &echo(cut as u64));
            peer.write(&bytes[..cut]).await;
            sent += cut as u64;
            until("the first part is read", || rig.stats().bytes_in == sent).await;
            assert!(rig.wires.poll_input().is_none(), "half a frame is no message");
            assert_eq!(rig.stats().buffered, cut as u64);
            peer.write(&bytes[cut..]).await;
            sent += (length - cut) as u64;
            let (connection, message) = rig.received().await;
            assert_eq!(message, echo(cut as u64), "cut at {cut}");
            rig.answer(connection, &message);
            assert_eq!(peer.read_frame().await.get(..4), Some(&b"0810"[..]));
        }
        assert_eq!(rig.stats().buffered, 0);
    });
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, _) = rig.peer().await;
        for (count, byte) in (1..).zip(rig.wire(&Framing::binary2(), &echo(5))) {
            peer.write(&[byte]).await;
            until("the byte is read", || rig.stats().bytes_in == count).await;
        }
        assert_eq!(rig.received().await.1, echo(5));
    });
}

#[test]
fn many_frames_may_come_at_once() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, _) = rig.peer().await;
        let mut bytes: Vec<u8> =
            (1..=3).flat_map(|stan| rig.wire(&Framing::binary2(), &echo(stan))).collect();
        let rest = bytes.split_off(bytes.len() - 9);
        peer.write(&bytes).await;
        for number in 1..=2 {
            assert_eq!(stan(&rig.received().await.1), number);
        }
        peer.write(&rest).await;
        assert_eq!(stan(&rig.received().await.1), 3);
    });
}

fn framings() -> Vec<Framing> {
    let base1: [u8; BASE1_WIDTH] = core::array::from_fn(|at| if at == 0 { 22 } else { 0 });
    let headers = [
        Header::None,
        Header::Fixed(b"ISO".to_vec()),
        Header::Tpdu([0x60, 0, 1, 0, 2]),
        Header::Base1(base1),
    ];
    let mut framings = Vec::new();
    for length in LengthForm::ALL {
        for header in &headers {
            for (counts_itself, counts_header) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let header = header.clone();
                let common = Framing::binary2();
                let counts_trailer = counts_itself;
                // No byte of these messages is one of this trailer.
                let trailer = match length {
                    LengthForm::None => vec![0xFE],
                    _ if counts_trailer => vec![3],
                    _ => Vec::new(),
                };
                let (marker, reserved) = match counts_header {
                    true => (vec![0xD0, 0x4A], vec![0, 0]),
                    false => (Vec::new(), Vec::new()),
                };
                framings.push(Framing {
                    length,
                    counts_itself,
                    counts_header,
                    counts_trailer,
                    marker,
                    reserved,
                    header,
                    trailer,
                    ..common
                });
            }
        }
    }
    framings
}

/// One shard on both ends of the wire.
#[test]
fn every_framing_carries_requests_and_answers() {
    run(async {
        for framing in framings() {
            let rig = Rig::listening(&ListenConfig { framing: framing.clone(), ..listen_config() });
            let dial =
                veksel_config::DialConfig { framing: framing.clone(), ..dial_config(rig.address) };
            rig.wires.dial(HOST, &dial, Rc::clone(&rig.codec)).unwrap();
            let ends = [rig.link_up().await, rig.link_up().await];
            let dialled = ends.into_iter().find(|end| end.link == HOST).unwrap();
            rig.send(dialled, &echo(9), None);
            rig.wires.flush();
            let (accepted, request) = rig.received().await;
            assert_eq!((accepted.link, &request), (CHANNEL, &echo(9)), "{framing:?}");
            rig.answer(accepted, &request);
            let (connection, answer) = rig.received().await;
            assert_eq!((connection, answer), (dialled, answer_to(&echo(9))), "{framing:?}");
        }
    });
}

/// Semantics 6.
#[test]
fn an_answer_carries_the_addresses_of_its_request_exchanged() {
    run(async {
        let header = Header::Tpdu([0x60, 9, 9, 9, 9]);
        let framing = Framing { header, counts_header: true, ..Framing::binary2() };
        let rig = Rig::listening(&ListenConfig { framing: framing.clone(), ..listen_config() });
        let (mut peer, connection) = rig.peer().await;
        let mut bytes = rig.wire(&framing, &echo(1));
        bytes[2..7].copy_from_slice(&[0x60, 0, 1, 0, 2]);
        peer.write(&bytes).await;
        let (_, request) = rig.received().await;
        rig.answer(connection, &request);
        let frame = peer.read_frame().await;
        assert_eq!(frame.get(..9), Some(&b"\x60\x00\x02\x00\x010810"[..]));

        // A request is the switch's own: it has the header of its link, whatever it was made from.
        rig.send(connection, &request, None);
        rig.wires.flush();
        let frame = peer.read_frame().await;
        assert_eq!(frame.get(..9), Some(&b"\x60\x09\x09\x09\x090800"[..]));
    });
}

/// Two connections, the stream of each cut at every byte, and pieces of both in turn.
#[test]
fn messages_that_only_their_dialect_delimits_may_be_cut_anywhere() {
    run(async {
        let bare = Framing { length: LengthForm::Message, ..Framing::binary2() };
        let rig = Rig::listening(&ListenConfig { framing: bare.clone(), ..listen_config() });
        let (mut first, one) = rig.peer().await;
        let (mut second, other) = rig.peer().await;
        let wire = |stan: u64| rig.wire(&bare, &echo(stan));
        let answer = rig.wire(&bare, &answer_to(&echo(1))).len();
        let length = wire(1).len() + wire(2).len();
        let mut sent = 0;
        for cut in 0..=length as u64 {
            let numbers = [4 * cut + 1, 4 * cut + 2, 4 * cut + 3, 4 * cut + 4];
            let [a, b, c, d] = numbers.map(wire);
            let (mine, theirs) = ([a, b].concat(), [c, d].concat());
            let at = cut as usize;
            first.write(&mine[..at]).await;
            second.write(&theirs[..length - at]).await;
            sent += length as u64;
            until("both first parts are read", || rig.stats().bytes_in == sent).await;
            first.write(&mine[at..]).await;
            second.write(&theirs[length - at..]).await;
            sent += length as u64;
            let mut seen = Vec::new();
            for _ in numbers {
                let (connection, message) = rig.received().await;
                assert_eq!(message, echo(stan(&message)), "cut at {cut}");
                rig.answer(connection, &message);
                seen.push((connection, stan(&message)));
            }
            let of = |connection| {
                let mut stans: Vec<_> = seen.iter().filter(|(id, _)| *id == connection).collect();
                stans.sort_by_key(|(_, stan)| *stan);
                stans.into_iter().map(|(_, stan)| *stan).collect::<Vec<_>>()
            };
            assert_eq!((of(one), of(other)), (numbers[..2].to_vec(), numbers[2..].to_vec()));
            for peer in [&mut first, &mut second] {
                assert_eq!(peer.read(2 * answer).await.get(..4), Some(&b"0810"[..]));
            }
        }
        assert_eq!(rig.stats().buffered, 0);
        assert_eq!(rig.stats().malformed, 0);
    });
}

/// Content that is wrong is a format error and its answer; the messages behind it are read.
#[test]
fn a_broken_message_without_a_length_does_not_end_the_connection() {
    run(async {
        let bare = Framing { length: LengthForm::Message, ..Framing::binary2() };
        let rig = Rig::listening(&ListenConfig { framing: bare.clone(), ..listen_config() });
        let (mut peer, _) = rig.peer().await;
        let mut broken = rig.wire(&bare, &echo(1));
        let place = broken.windows(10).position(|bytes| bytes == b"1120142807").unwrap();
        broken[place] = b'X';
        peer.write(&[broken, rig.wire(&bare, &echo(2))].concat()).await;
        assert!(matches!(rig.input().await, Input::Malformed { .. }));
        assert_eq!(rig.received().await.1, echo(2));
    });
}

/// Semantics 3: never an attempt to find the next frame.
#[test]
fn a_length_that_no_frame_can_have_ends_the_connection() {
    run(async {
        let ascii = Framing { length: LengthForm::Ascii4, ..Framing::binary2() };
        let short = Framing { frame_max: 100, ..Framing::binary2() };
        let reject = Framing { keep_alive: KeepAlive::Reject, ..Framing::binary2() };
        let bare = Framing { length: LengthForm::Message, ..Framing::binary2() };
        let small = Framing { frame_max: 100, ..bare.clone() };
        let cases = [
            (ascii, &b"00A9"[..]),
            (short, &[0, 101]),
            (reject, &[0, 0]),
            (bare.clone(), b"08OO"),
            // Field 2 with a length of 99.
            (bare, b"0200\x40\0\0\0\0\0\0\x0099"),
            // Field 48 with a length of 99, beyond what the link allows with what is before it.
            (small, b"0800\0\0\0\0\0\x01\0\x00099"),
        ];
        for (framing, bytes) in cases {
            let rig = Rig::listening(&ListenConfig { framing: framing.clone(), ..listen_config() });
            let (mut peer, connection) = rig.peer().await;
            peer.write(&rig.wire(&framing, &echo(1))).await;
            peer.write(bytes).await;
            peer.write(&rig.wire(&framing, &echo(2))).await;
            assert_eq!(stan(&rig.received().await.1), 1);
            assert_eq!(rig.link_down().await, connection);
            assert_eq!(rig.stats().closed(CloseReason::BadFrame), 1, "{framing:?}");
            peer.read_to_end().await;
        }
    });
}

/// Semantics 11 and 12: refused, and the link stays up.
#[test]
fn a_refused_request_is_passed_on_as_far_as_it_was_read() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        let mut broken = rig.wire(&Framing::binary2(), &echo(1));
        let place = broken.windows(10).position(|bytes| bytes == b"1120142807").unwrap();
        broken[place] = b'X';
        let mut lacking = echo(2);
        lacking.remove(field::NETWORK_CODE);
        let unknown = Message::of(Mti::known(b"0300"));
        peer.write(&broken).await;
        for message in [&lacking, &unknown, &echo(4)] {
            peer.write(&rig.wire(&Framing::binary2(), message)).await;
        }
        let Input::Malformed { message, refusal: Refusal::Format(error), .. } = rig.input().await
        else {
            panic!("a broken field");
        };
        assert_eq!((stan(&message), error.path.field.get()), (1, 7));
        let Input::Malformed { message, refusal: Refusal::Format(error), .. } = rig.input().await
        else {
            panic!("a missing field");
        };
        assert_eq!((stan(&message), error.path.field.get()), (2, 70));
        let Input::Malformed { refusal: Refusal::UnknownType, .. } = rig.input().await else {
            panic!("a type without a rule");
        };
        assert_eq!(rig.received().await, (connection, echo(4)));
        assert_eq!((rig.stats().malformed, rig.stats().unreadable), (3, 0));
    });
}

/// Semantics 12: an unknown field in an answer is ignored, a missing one is for the matcher.
#[test]
fn an_answer_is_read_and_not_checked() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        let mut answer = Message::of(Mti::known(b"0210"));
        answer.set(field::STAN, 3);
        peer.write(&rig.wire(&Framing::binary2(), &answer)).await;
        assert_eq!(rig.received().await, (connection, answer));
    });
}

/// Semantics 10.
#[test]
fn too_many_frames_that_say_nothing_end_the_connection() {
    run(async {
        let config = ListenConfig { malformed_max: 3, ..listen_config() };
        let rig = Rig::listening(&config);
        let (mut peer, connection) = rig.peer().await;
        for _ in 0..3 {
            peer.write(b"\x00\x06GET / ").await;
            let Input::Malformed { message, .. } = rig.input().await else {
                panic!("no message type");
            };
            assert_eq!(message.mti(), Mti::NONE);
        }
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        assert_eq!(stan(&rig.received().await.1), 1);
        peer.write(b"\x00\x06GET / ").await;
        assert!(matches!(rig.input().await, Input::Malformed { .. }));
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(rig.stats().closed(CloseReason::Malformed), 1);
        assert_eq!(rig.stats().unreadable, 4);
    });
}

/// Semantics 4.
#[test]
fn empty_frames_are_ignored_or_sent_back() {
    run(async {
        for (keep_alive, echoes) in [(KeepAlive::Ignore, 0), (KeepAlive::Echo, 3)] {
            let framing = Framing { keep_alive, ..Framing::binary2() };
            let rig = Rig::listening(&ListenConfig { framing, ..listen_config() });
            let (mut peer, connection) = rig.peer().await;
            peer.write(&[0; 6]).await;
            assert_eq!(peer.read(echoes * 2).await, vec![0; echoes * 2]);
            peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
            let (_, request) = rig.received().await;
            rig.answer(connection, &request);
            assert_eq!(peer.read_frame().await.get(..4), Some(&b"0810"[..]));
            assert_eq!(rig.stats().keep_alives, 3);
        }
    });
}

#[test]
fn a_flood_of_empty_frames_ends_the_connection() {
    run(async {
        for keep_alive in [KeepAlive::Ignore, KeepAlive::Echo] {
            let framing = Framing { keep_alive, ..Framing::binary2() };
            let rig = Rig::listening(&ListenConfig { framing, ..listen_config() });
            let (mut peer, connection) = rig.peer().await;
            peer.write(&[0; 1_000]).await;
            assert_eq!(rig.link_down().await, connection);
            assert_eq!(rig.stats().closed(CloseReason::KeepAlives), 1);
        }
    });
}

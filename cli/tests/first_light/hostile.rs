//! Peers that break the rules: what they get, what they cost, and that others do not notice.

use crate::stage::{PATIENCE, Rig, until};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};
use veksel_codecs::Framing;

/// Connections of one kind.
const MANY: usize = 200;

/// What they may cost together: 16 KiB each (guarantee G9), and pages of the allocator.
const COST_MAX: u64 = 4 * 1_024 * 1_024;

/// `frame_deadline` of these tests, and what a busy machine adds.
const CLOSED: Duration = Duration::from_secs(3);

fn connect(rig: &Rig) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.ports.channels)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads until the other side closes; what came before.
fn rest(stream: &mut TcpStream, patience: Duration) -> Vec<u8> {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("not closed within {patience:?}: {error}"),
    }
}

/// So many connections that all say the same, at once.
fn crowd(rig: &Rig, says: &[u8]) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = connect(rig);
        stream.write_all(says).unwrap();
        stream
    };
    (0..MANY).map(open).collect()
}

#[test]
fn a_length_and_then_silence_cost_nothing_and_are_closed() {
    let rig = Rig::start();
    let switch = rig.switch.as_ref().unwrap();
    // What the first connections cost once is not what each costs.
    let _ = crowd(&rig, b"");
    let open = || rig.metric("veksel_link_connections", "channels");
    until("the first ones to be gone", PATIENCE, || (open() < 0.5).then_some(()));
    let before = switch.resident();
    // 65535 is more than a frame may have; 8192 is what one may have.
    for (says, kind) in [(&b"\xff\xff"[..], "65535"), (&b"\x20\x00"[..], "8192")] {
        let mut streams = crowd(&rig, says);
        let seen = Instant::now();
        let mut most = switch.resident();
        for stream in &mut streams {
            assert_eq!(rest(stream, CLOSED), b"", "{kind}");
            most = most.max(switch.resident());
        }
        let took = seen.elapsed();
        let cost = most.saturating_sub(before);
        eprintln!("{MANY} lengths of {kind}: {} KiB, closed in {took:.2?}", cost / 1_024);
        assert!(took < CLOSED, "closed after {took:?}");
        assert!(cost < COST_MAX, "{cost} bytes for {MANY} lengths of {kind}");
    }
    until("all to be gone", PATIENCE, || (open() < 0.5).then_some(()));
    let after = switch.resident();
    assert!(after.saturating_sub(before) < COST_MAX, "{before} bytes became {after}");
}

/// A message in ASCII with a binary bitmap, made without the product's code.
fn message(mti: &str, fields: &[(u8, &str)]) -> Vec<u8> {
    let bits = fields.iter().fold(0_u128, |bits, (n, _)| bits | 1 << (128 - u32::from(*n)));
    let bits = if bits & u128::from(u64::MAX) == 0 { bits } else { bits | 1 << 127 };
    let width = if bits >> 127 == 0 { 8 } else { 16 };
    let mut bytes = mti.as_bytes().to_vec();
    bytes.extend(&bits.to_be_bytes()[..width]);
    bytes.extend(fields.iter().flat_map(|(_, value)| value.bytes()));
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[..], &bytes].concat()
}

fn network(mti: &str, stan: &str) -> Vec<u8> {
    message(mti, &[(7, "0801120000"), (11, stan), (32, "06500001"), (70, "301")])
}

#[test]
fn an_answer_from_a_channel_is_never_answered() {
    let rig = Rig::start();
    let mut stream = connect(&rig);
    let dropped = rig.metric("veksel_dropped_frames_total", "");
    let mut answers: Vec<Vec<u8>> =
        ["0810", "0210", "0110", "0430"].into_iter().map(|mti| network(mti, "000001")).collect();
    // Complete in everything but its type, too.
    answers.push(message(
        "0210",
        &[
            (3, "311000"),
            (4, "000000000000"),
            (7, "0801120000"),
            (11, "000002"),
            (12, "120000"),
            (13, "0801"),
            (32, "06500001"),
            (37, "000000000002"),
            (39, "00"),
            (41, "PY000001"),
            (42, "PYTHON TERMINAL"),
            (49, "578"),
            (102, "1110000000001"),
        ],
    ));
    let count = answers.len();
    for answer in answers {
        stream.write_all(&answer).unwrap();
    }
    stream.write_all(&network("0800", "000009")).unwrap();
    // The echo is the only thing that comes back, and the connection is as good as before.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).unwrap();
        let veksel_codecs::Step::Frame { message, consumed, .. } =
            Framing::binary2().decode(&bytes[..read]).unwrap()
        else {
            panic!("not one frame: {:?}", &bytes[..read]);
        };
        assert_eq!(consumed, read, "more than one frame");
        assert_eq!(&message[..4], b"0810");
        assert!(message.windows(6).any(|digits| digits == b"000009"), "{message:?}");
        stream.write_all(&network("0800", "000009")).unwrap();
    }
    let goal = dropped + f64::from(u32::try_from(count).unwrap()) - 0.5;
    until("the drops to be counted", PATIENCE, || {
        (rig.metric("veksel_dropped_frames_total", "") > goal).then_some(())
    });
}

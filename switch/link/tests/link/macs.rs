//! MACs over real sockets (switch semantics 50).

use crate::rig::{
    CHANNEL, HOST, Peer, Rig, answer_to, dial_config, echo, listen_config, run, until,
};
use crate::watch::never;
use bytes::BytesMut;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;
use veksel_codecs::{
    Codec, Dialect, EncodeError, FieldNumber, Framing, Message, Mti, Refusal, field,
};
use veksel_config::{ListenConfig, MacAlgorithm, MacConfig, MacPadding};
use veksel_core::Input;
use veksel_link::{CloseReason, MacFault, Macs};

/// Key files that last as long as this.
struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file with a key of 16 bytes that differs from number to number.
    fn file(&self, number: u8) -> PathBuf {
        let path = self.0.path().join(format!("{number}.key"));
        let bytes: Vec<u8> = (0..16).map(|place| number ^ (place * 17)).collect();
        let key: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        never("the key of a MAC", bytes);
        fs::write(&path, key).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A link that believes keys `accept` and signs with key `make`.
    fn mac(&self, accept: &[u8], make: Option<u8>) -> MacConfig {
        MacConfig {
            algorithm: MacAlgorithm::AesCmac,
            padding: MacPadding::Bit,
            width: 8,
            accept: accept.iter().map(|number| self.file(*number)).collect(),
            make: make.map(|number| self.file(number)),
            next_accept: None,
            next_make: None,
            overlap_ms: 200,
            network: true,
            failures_max: 5,
        }
    }
}

fn codec(dialect: &str) -> Codec {
    Codec::new(Dialect::shipped(dialect).unwrap())
}

/// A purchase, with a field behind 64 or without.
fn purchase(is_long: bool) -> Message {
    let mut message = Message::of(Mti::known(b"0200"));
    message.set(field::PAN, "4111111111111111");
    message.set(field::PROCESSING_CODE, "000000");
    message.set(field::AMOUNT, 4_500);
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 7);
    message.set(field::RRN, "632516000124");
    message.set(field::TERMINAL, "ATM00017");
    if is_long {
        message.set(field::ACCOUNT, "10000000001");
    }
    message
}

fn sealed(macs: &Macs, codec: &Codec, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    macs.encode(codec, message, &mut out).unwrap();
    out.to_vec()
}

/// Those that take a key of 16 bytes.
const ALGORITHMS: [MacAlgorithm; 4] =
    [MacAlgorithm::TdesCbc, MacAlgorithm::Retail, MacAlgorithm::AesCmac, MacAlgorithm::HmacSha256];

fn framed(frame: &[u8]) -> Vec<u8> {
    let length = u16::try_from(frame.len()).unwrap();
    [&length.to_be_bytes(), frame].concat()
}

#[test]
fn no_changed_byte_is_believed_in_any_dialect_or_algorithm() {
    let keys = Keys::new();
    let mut refused = 0;
    for (dialect, _) in veksel_codecs::dialect::SHIPPED {
        let codec = codec(dialect);
        for algorithm in ALGORITHMS {
            for (is_long, padding) in [(true, MacPadding::Zeros), (false, MacPadding::Bit)] {
                let of = |config| MacConfig { algorithm, padding, ..config };
                let theirs = Macs::load(&of(keys.mac(&[], Some(1))), &codec).unwrap();
                let macs = Macs::load(&of(keys.mac(&[1], None)), &codec).unwrap();
                let whole = sealed(&theirs, &codec, &purchase(is_long));
                let mut message = Message::new();
                codec.decode_into(&whole, &mut message).unwrap();
                let place = if is_long { field::MAC_SECOND } else { field::MAC_FIRST };
                assert!(message.has(place), "{dialect}");
                assert_eq!(macs.check(&message), Ok(()), "{dialect} {algorithm:?}");
                for place in 0..whole.len() {
                    for change in [0x01, 0x20, 0x80] {
                        let mut changed = whole.clone();
                        changed[place] ^= change;
                        // The hexadecimal characters of a MAC mean the same in either case.
                        let is_case = change == 0x20 && changed[place].is_ascii_hexdigit();
                        let is_read = codec.decode_into(&changed, &mut message).is_ok();
                        let is_believed = is_read && macs.check(&message).is_ok();
                        let is_same = is_case && place + 16 >= whole.len();
                        assert!(!is_believed || is_same, "{dialect} {place} {change:02X}");
                        refused += usize::from(!is_believed);
                    }
                }
            }
        }
    }
    assert!(refused > 10_000, "only {refused}");
}

#[test]
fn a_message_without_its_mac_or_with_something_behind_it_is_refused() {
    let keys = Keys::new();
    let codec = codec("cbs-ascii-bin");
    let macs = Macs::load(&keys.mac(&[1], None), &codec).unwrap();
    let check = |message: &Message| {
        let (mut out, mut read) = (BytesMut::new(), Message::new());
        codec.encode(message, &mut out).unwrap();
        codec.decode_into(&out, &mut read).unwrap();
        macs.check(&read)
    };
    let mut message = purchase(true);
    assert_eq!(check(&message), Err(MacFault::Missing));
    message.set(field::MAC_FIRST, &[7; 8]);
    assert_eq!(check(&message), Err(MacFault::NotLast));
    message.set(field::MAC_SECOND, &[7; 8]);
    assert_eq!(check(&message), Err(MacFault::Wrong));
}

#[test]
fn a_key_is_changed_with_an_overlap_and_an_older_one_is_over() {
    let keys = Keys::new();
    let codec = codec("cbs-ascii-bin");
    let checked = |accept: &[u8], make: u8| {
        let macs = Macs::load(&keys.mac(&[], Some(make)), &codec).unwrap();
        let frame = sealed(&macs, &codec, &purchase(true));
        let mut message = Message::new();
        codec.decode_into(&frame, &mut message).unwrap();
        Macs::load(&keys.mac(accept, None), &codec).unwrap().check(&message)
    };
    assert_eq!(checked(&[1], 1), Ok(()));
    assert_eq!(checked(&[2, 1], 1), Ok(()));
    assert_eq!(checked(&[2, 1], 2), Ok(()));
    assert_eq!(checked(&[2], 1), Err(MacFault::Wrong));
    assert_eq!(checked(&[], 1), Ok(()), "without keys nothing is checked");
    let values = |config| Macs::load(&config, &codec).unwrap().check_values();
    let (accept, make) = values(keys.mac(&[2, 1], Some(3)));
    assert_eq!((accept.get(1).cloned(), accept.len()), (values(keys.mac(&[], Some(1))).1, 2));
    assert_ne!((&accept[0], Some(&accept[0])), (&accept[1], make.as_ref()));
    // What we send must not come back as the peer's.
    let shared = Macs::load(&keys.mac(&[2, 1], Some(1)), &codec).unwrap_err();
    assert!(shared.to_string().contains("each direction needs its own"), "{shared}");
}

#[test]
fn a_short_mac_is_followed_by_zeros_and_nothing_else() {
    let keys = Keys::new();
    let codec = codec("cbs-ascii-bin");
    let short = |config| Macs::load(&MacConfig { width: 4, ..config }, &codec).unwrap();
    let macs = short(keys.mac(&[1], None));
    let mut frame = sealed(&short(keys.mac(&[], Some(1))), &codec, &purchase(false));
    let mut message = Message::new();
    assert_eq!(frame.last_chunk::<4>(), Some(&[0; 4]));
    codec.decode_into(&frame, &mut message).unwrap();
    assert_eq!(macs.check(&message), Ok(()));
    *frame.last_mut().unwrap() = 1;
    codec.decode_into(&frame, &mut message).unwrap();
    assert_eq!(macs.check(&message), Err(MacFault::Wrong));
}

/// A MAC protects what stands before it, so nothing can stand behind.
#[test]
fn a_field_behind_128_leaves_no_place_for_a_mac() {
    let keys = Keys::new();
    let codec = codec("network-session");
    let macs = Macs::load(&keys.mac(&[], Some(1)), &codec).unwrap();
    let beyond = codec.dialect().fields().find(|(number, _)| number.get() > 128).unwrap();
    let mut message = purchase(true);
    message.set_text(beyond.0, "1");
    let mut out = BytesMut::from(&b"before"[..]);
    let error = macs.encode(&codec, &message, &mut out).unwrap_err();
    assert!(matches!(error, EncodeError::Field { path, .. } if path.field == beyond.0));
    assert_eq!(&out[..], b"before");
}

#[test]
fn a_dialect_without_the_field_cannot_have_macs() {
    let text = "name = \"small\"\ntitle = \"small\"\n[encoding]\nmti = \"ascii\"\n\
                bitmap = \"binary\"\ndigits = \"ascii\"\nlength = \"ascii\"\n\
                [fields]\n11 = { name = \"trace\", format = \"n6\" }\n";
    let codec = Codec::new(Dialect::parse(text).unwrap());
    let error = Macs::load(&Keys::new().mac(&[1], None), &codec).unwrap_err().to_string();
    assert_eq!(error, "dialect small does not define field 64 as b8, which a MAC needs");
}

/// On its way in a message loses its MAC, which says nothing on the next link; one that is wrong
/// is told from one that is right, and so many of them end the connection.
#[test]
fn a_listener_checks_and_signs() {
    run(async {
        let keys = Keys::new();
        let mac = Some(keys.mac(&[1], Some(2)));
        let rig = Rig::listening(&ListenConfig { mac, ..listen_config() });
        let ours = Macs::load(&keys.mac(&[2], Some(1)), &rig.codec).unwrap();
        let (mut peer, connection) = rig.peer().await;
        peer.write(&framed(&sealed(&ours, &rig.codec, &echo(1)))).await;
        assert_eq!(rig.received().await, (connection, echo(1)));
        rig.answer(connection, &echo(1));
        let mut answer = Message::new();
        rig.codec.decode_into(&peer.read_frame().await, &mut answer).unwrap();
        assert_eq!(ours.check(&answer), Ok(()));
        answer.remove(field::MAC_SECOND);
        assert_eq!(answer, answer_to(&echo(1)));
        // What cannot be read is nobody's; and what brings a value for the field keeps it.
        let mut zeros = answer_to(&echo(1));
        zeros.set(field::MAC_FIRST, &[0; 8]);
        rig.send(connection, &zeros, None);
        rig.wires.flush();
        assert_eq!(framed(&peer.read_frame().await), rig.wire(&Framing::binary2(), &zeros));
        let mut cut = sealed(&ours, &rig.codec, &echo(1));
        cut.pop();
        peer.write(&framed(&cut)).await;
        let unreadable = rig.input().await;
        assert!(matches!(unreadable, Input::Malformed { refusal: Refusal::Unauthentic, .. }));
        for stan in 2..7 {
            peer.write(&rig.wire(&Framing::binary2(), &echo(stan))).await;
            let Input::Malformed { refusal, message, .. } = rig.input().await else {
                panic!("believed without a MAC");
            };
            assert_eq!((refusal, message), (Refusal::Unauthentic, echo(stan)));
        }
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(rig.stats().unauthentic, 6);
        assert_eq!(rig.stats().closed(CloseReason::Unauthentic), 1);
    });
}

#[test]
fn network_management_may_go_without() {
    run(async {
        let keys = Keys::new();
        let mac = Some(MacConfig { network: false, ..keys.mac(&[1], Some(2)) });
        let rig = Rig::listening(&ListenConfig { mac, ..listen_config() });
        let (mut peer, connection) = rig.peer().await;
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        assert_eq!(rig.received().await, (connection, echo(1)));
        rig.answer(connection, &echo(1));
        let answer = rig.wire(&Framing::binary2(), &answer_to(&echo(1)));
        assert_eq!(framed(&peer.read_frame().await), answer);
        peer.write(&rig.wire(&Framing::binary2(), &purchase(true))).await;
        let refused = rig.input().await;
        assert!(matches!(refused, Input::Malformed { refusal: Refusal::Unauthentic, .. }));
    });
}

#[test]
fn a_mac_is_taken_off_where_none_is_checked() {
    run(async {
        let rig = Rig::listening(&listen_config());
        let (mut peer, connection) = rig.peer().await;
        for number in [64, 128] {
            let mut message = echo(1);
            message.set_binary(FieldNumber::new(number).unwrap(), &[7; 8]);
            peer.write(&rig.wire(&Framing::binary2(), &message)).await;
            assert_eq!(rig.received().await, (connection, echo(1)));
        }
    });
}

#[test]
fn a_host_is_asked_with_a_mac_and_believed_with_one() {
    run(async {
        let keys = Keys::new();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let rig = Rig::new(64);
        let config = dial_config(listener.local_addr().unwrap());
        let config = veksel_config::DialConfig { mac: Some(keys.mac(&[2], Some(1))), ..config };
        rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
        let mut host = Peer(listener.accept().await.unwrap().0);
        let connection = rig.link_up().await;
        let ours = Macs::load(&keys.mac(&[1], Some(2)), &rig.codec).unwrap();
        rig.send(connection, &purchase(true), None);
        rig.wires.flush();
        let mut request = Message::new();
        rig.codec.decode_into(&host.read_frame().await, &mut request).unwrap();
        assert_eq!(ours.check(&request), Ok(()));
        let answer = answer_to(&purchase(true));
        host.write(&framed(&sealed(&ours, &rig.codec, &answer))).await;
        assert_eq!(rig.received().await, (connection, answer.clone()));
        host.write(&rig.wire(&Framing::binary2(), &answer)).await;
        let refused = rig.input().await;
        assert!(matches!(refused, Input::Malformed { refusal: Refusal::Unauthentic, .. }));
    });
}

#[test]
fn keys_that_cannot_be_used_are_said_at_the_start() {
    run(async {
        let rig = Rig::new(64);
        let mac = Some(MacConfig { accept: vec!["/nowhere".into()], ..Keys::new().mac(&[], None) });
        let config = ListenConfig { mac, ..listen_config() };
        let error = rig.wires.listen(CHANNEL, &config, Rc::clone(&rig.codec)).unwrap_err();
        assert!(error.to_string().starts_with("key file /nowhere cannot be read"), "{error}");
    });
}

/// A change of keys: from then on both of the peer's keys are good until the overlap is over, and
/// what is written bears the new one. Reading the same files again changes nothing back.
#[test]
fn keys_change_with_an_overlap_and_stay_changed() {
    run(async {
        let keys = Keys::new();
        let next = |config: MacConfig| MacConfig {
            next_accept: Some(keys.file(3)),
            next_make: Some(keys.file(4)),
            ..config
        };
        let config = next(keys.mac(&[1], Some(2)));
        let mac = Some(config.clone());
        let rig = Rig::listening(&ListenConfig { mac, ..listen_config() });
        let old = Macs::load(&keys.mac(&[2], Some(1)), &rig.codec).unwrap();
        let new = Macs::load(&keys.mac(&[4], Some(3)), &rig.codec).unwrap();
        let value = |number: u8| {
            let macs = Macs::load(&keys.mac(&[number], None), &rig.codec).unwrap();
            macs.check_values().0.remove(0)
        };
        let (mut peer, connection) = rig.peer().await;
        assert!(!rig.wires.accept_next_key(CHANNEL, "000000"), "a check value of no key");
        assert!(!rig.wires.accept_next_key(CHANNEL, &value(1)), "that key is in use");
        peer.write(&framed(&sealed(&new, &rig.codec, &echo(1)))).await;
        assert!(matches!(rig.input().await, Input::Malformed { .. }), "not yet");
        assert!(rig.wires.accept_next_key(CHANNEL, &value(3).to_lowercase()));
        for (stan, macs) in [(2, &old), (3, &new)] {
            peer.write(&framed(&sealed(macs, &rig.codec, &echo(stan)))).await;
            assert_eq!(rig.received().await, (connection, echo(stan)));
        }
        let answered = |rig: &Rig, stan| {
            rig.answer(connection, &echo(stan));
        };
        let read = |bytes: Vec<u8>| {
            let mut answer = Message::new();
            rig.codec.decode_into(&bytes, &mut answer).unwrap();
            answer
        };
        answered(&rig, 2);
        assert_eq!(old.check(&read(peer.read_frame().await)), Ok(()), "the answer to the change");
        rig.wires.make_with_next_key(CHANNEL);
        answered(&rig, 3);
        assert_eq!(new.check(&read(peer.read_frame().await)), Ok(()));
        // The files are read again and say what they said before.
        let renewal = rig.wires.prepare_keys(CHANNEL, Some(&config)).unwrap().unwrap();
        rig.wires.renew(renewal).unwrap();
        peer.write(&framed(&sealed(&new, &rig.codec, &echo(4)))).await;
        assert_eq!(rig.received().await, (connection, echo(4)));
        answered(&rig, 4);
        assert_eq!(new.check(&read(peer.read_frame().await)), Ok(()), "it stays changed");
        until("the old key to be forgotten", || rig.wires.accepted_keys(CHANNEL) == 1).await;
        peer.write(&framed(&sealed(&old, &rig.codec, &echo(5)))).await;
        assert!(matches!(rig.input().await, Input::Malformed { .. }), "the overlap is over");
        // Its answer may have been lost: the same again is answered the same and changes nothing.
        assert!(rig.wires.accept_next_key(CHANNEL, &value(3)), "it is the key in use");
        assert_eq!(rig.wires.accepted_keys(CHANNEL), 1);
        assert!(!rig.wires.accept_next_key(CHANNEL, "000000"), "there is no further key");
        // What the change led to, as the operator then writes it down.
        let settled = keys.mac(&[3], Some(4));
        let renewal = rig.wires.prepare_keys(CHANNEL, Some(&settled)).unwrap().unwrap();
        assert_eq!(renewal.keys(), None, "nothing differs");
    });
}

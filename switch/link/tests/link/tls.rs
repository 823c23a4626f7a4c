//! TLS over real sockets with real certificates (guarantees 5.1, 5.2, G14): who gets in, who does
//! not, and that of those who do not no byte comes any further.

use crate::pki::{Authority, Pair, Wish};
use crate::rig::{
    CHANNEL, HOST, Peer, Rig, answer_to, dial_config, echo, listen_config, long_echo, run, tag,
    until,
};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use veksel_codecs::Framing;
use veksel_config::{Clients, DialTls, Identities, Identity, ListenConfig, ListenTls, San};
use veksel_core::plan::{ConnectionId, LinkId, ParticipantId};
use veksel_core::{Input, Unsent};
use veksel_link::{CloseReason, HandshakeFault, TlsError, check_dial, check_listen};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

const ATM: ParticipantId = ParticipantId(3);
const POS: ParticipantId = ParticipantId(5);

fn client(
    authority: &Authority,
    own: Option<&Pair>,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        Some(own) => {
            builder.with_client_auth_cert(own.chain.clone(), own.secret.clone_key()).unwrap()
        }
        None => builder.with_no_client_auth(),
    })
}

async fn connect(config: &Arc<ClientConfig>, to: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from("switch.example").unwrap();
    tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

/// A peer that shakes hands, sends a request, and hears that it is not wanted: by an alert, in the
/// handshake or after it, or by the end of the connection.
async fn is_refused(config: &Arc<ClientConfig>, to: SocketAddr, frame: &[u8]) -> String {
    let mut stream = match connect(config, to).await {
        Ok(stream) => stream,
        Err(error) => return error.to_string(),
    };
    let written = stream.write_all(frame).await;
    let mut bytes = [0; 64];
    match stream.read(&mut bytes).await {
        Ok(0) => format!("the end; {written:?}"),
        Ok(count) => panic!("an answer of {count} bytes"),
        Err(error) => error.to_string(),
    }
}

fn listening(tls: ListenTls, identities: Option<Identities>) -> ListenConfig {
    ListenConfig { tls: Some(tls), identities, ..listen_config() }
}

fn identities(atm: &[&Pair], uri: &str) -> Option<Identities> {
    let pins = atm.iter().map(|pair| pair.pin).collect();
    let atm = Identity { participant: ATM, pins, sans: Vec::new() };
    let sans = vec![San::Uri(uri.to_owned())];
    let pos = Identity { participant: POS, pins: Vec::new(), sans };
    Some(Identities { known: vec![atm, pos], without: None })
}

async fn identified(rig: &Rig) -> (ConnectionId, ParticipantId) {
    let up = rig.link_up().await;
    match rig.input().await {
        Input::Identified { connection, participant } => {
            assert_eq!(connection, up);
            (connection, participant)
        }
        other => panic!("not Identified: {other:?}"),
    }
}

/// The matrix: nobody whose certificate is not wholly right gets a byte to the parser.
#[test]
fn no_byte_of_a_peer_without_the_right_certificate_is_read() {
    run(async {
        let authority = Authority::new("test CA");
        let elsewhere = Authority::new("another CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let good = authority.sign("atm", &Wish::client("urn:atm"));
        let wish = Wish::client("urn:atm");
        let with = |years, usage| Wish { years, usage, ..wish.clone() };
        let usage = wish.usage.clone();
        let revoked = authority.sign("revoked", &wish);
        let expired = authority.sign("expired", &with((2001, 2002), usage.clone()));
        let early = authority.sign("early", &with((2089, 2090), usage));
        let server_auth = Some(ExtendedKeyUsagePurpose::ServerAuth);
        let misused = authority.sign("misused", &with((2020, 2090), server_auth));
        let stranger = authority.sign("stranger", &Wish::client("urn:nobody"));
        let of_itself = authority.self_signed("itself", &wish);
        let foreign = elsewhere.sign("foreign", &wish);
        let crls = vec![authority.revoke(&[&revoked], 2090)];
        let tls = ListenTls { crls, ..authority.listen(&own) };
        // Every pin is known, so that the certificate itself must be what is refused.
        let all = [&good, &revoked, &expired, &early, &misused, &of_itself, &foreign];
        let matrix = [
            ("none", None, HandshakeFault::NoCertificate),
            ("self-signed", Some(&of_itself), HandshakeFault::Certificate),
            ("wrong CA", Some(&foreign), HandshakeFault::Certificate),
            ("expired", Some(&expired), HandshakeFault::Certificate),
            ("not yet valid", Some(&early), HandshakeFault::Certificate),
            ("revoked", Some(&revoked), HandshakeFault::Certificate),
            ("wrong usage", Some(&misused), HandshakeFault::Certificate),
            ("nobody's", Some(&stranger), HandshakeFault::Stranger),
        ];
        for version in VERSIONS {
            let rig = Rig::listening(&listening(tls.clone(), identities(&all, "urn:pos")));
            let frame = rig.wire(&Framing::binary2(), &echo(1));
            for (place, (name, shown, fault)) in matrix.iter().enumerate() {
                let before = rig.stats().handshake_fault(*fault);
                is_refused(&client(&authority, *shown, version), rig.address, &frame).await;
                let count = || rig.stats().handshake_faults.iter().sum::<u64>();
                until(name, || count() == place as u64 + 1).await;
                let stats = rig.stats();
                assert_eq!(stats.handshake_fault(*fault), before + 1, "{name}: {stats:?}");
                assert_eq!((stats.accepted, stats.connections), (0, 0), "{name}");
                assert_eq!((stats.bytes_in, stats.frames_in, stats.malformed), (0, 0, 0), "{name}");
                let input = rig.wires.poll_input();
                assert!(input.is_none(), "{name}: {input:?}");
            }
            // And the right one does get in.
            let config = client(&authority, Some(&good), version);
            let mut peer = connect(&config, rig.address).await.unwrap();
            peer.write_all(&frame).await.unwrap();
            assert_eq!(identified(&rig).await.1, ATM);
            assert_eq!(rig.received().await.1, echo(1));
            assert_eq!((rig.stats().handshakes, rig.stats().frames_in), (1, 1));
        }
    });
}

/// A hello of TLS 1.1, as RFC 4346 7.4.1.2 writes it.
fn old_hello() -> Vec<u8> {
    let suites = [0xC0, 0x13, 0x00, 0x2F];
    let body = [&[3, 2][..], &[7; 32], &[0], &[0, 4], &suites, &[1, 0]].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [&[1, 0][..], &length, &body].concat();
    let length = u16::try_from(handshake.len()).unwrap().to_be_bytes();
    [&[22, 3, 1][..], &length, &handshake].concat()
}

#[test]
fn who_speaks_no_tls_or_an_older_one_is_refused() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = authority.listen(&own);
        let rig = Rig::listening(&listening(tls, identities(&[], "urn:pos")));
        let frame = rig.wire(&Framing::binary2(), &echo(1));
        for (place, bytes) in
            [frame, old_hello(), b"GET / HTTP/1.1\r\n\r\n".to_vec()].into_iter().enumerate()
        {
            let mut peer = Peer::connect(rig.address).await;
            peer.write(&bytes).await;
            let answer = peer.read_to_end().await;
            // At most an alert: a record of type 21.
            assert!(answer.is_empty() || answer.starts_with(&[21, 3]), "{answer:?}");
            let faults = || rig.stats().handshake_fault(HandshakeFault::Protocol);
            until("the fault", || faults() == place as u64 + 1).await;
        }
        assert_eq!((rig.stats().accepted, rig.stats().bytes_in), (0, 0));
        assert!(rig.wires.poll_input().is_none());
    });
}

#[test]
fn a_participant_is_known_by_either_pin_or_by_a_whole_name() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let old = authority.sign("old", &Wish::client("urn:whatever"));
        let new = authority.sign("new", &Wish::client("urn:whatever"));
        let named = authority.sign("named", &Wish::client("urn:pos"));
        let longer = authority.sign("longer", &Wish::client("urn:pos:more"));
        let tls = authority.listen(&own);
        let rig = Rig::listening(&listening(tls, identities(&[&old, &new], "urn:pos")));
        for (pair, expected) in [(&old, ATM), (&new, ATM), (&named, POS)] {
            let config = client(&authority, Some(pair), VERSIONS[1]);
            let peer = connect(&config, rig.address).await.unwrap();
            assert_eq!(identified(&rig).await.1, expected);
            drop(peer);
            rig.link_down().await;
        }
        is_refused(&client(&authority, Some(&longer), VERSIONS[1]), rig.address, b"x").await;
        let strangers = || rig.stats().handshake_fault(HandshakeFault::Stranger);
        until("the fault", || strangers() == 1).await;
    });
}

/// One certificate that fits two participants says nothing of which one it is.
#[test]
fn a_certificate_of_two_participants_is_of_neither() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let both = authority.sign("both", &Wish::client("urn:pos"));
        let tls = authority.listen(&own);
        let rig = Rig::listening(&listening(tls, identities(&[&both], "urn:pos")));
        is_refused(&client(&authority, Some(&both), VERSIONS[1]), rig.address, b"x").await;
        let strangers = || rig.stats().handshake_fault(HandshakeFault::Stranger);
        until("the fault", || strangers() == 1).await;
        assert_eq!(rig.stats().accepted, 0);
    });
}

#[test]
fn where_certificates_are_optional_a_peer_without_one_is_whom_the_listener_says() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let good = authority.sign("pos", &Wish::client("urn:pos"));
        let stranger = authority.sign("stranger", &Wish::client("urn:nobody"));
        let tls = ListenTls { clients: Clients::Optional, ..authority.listen(&own) };
        let known = Identities { without: Some(ATM), ..identities(&[], "urn:pos").unwrap() };
        let rig = Rig::listening(&listening(tls, Some(known)));
        for (shown, expected) in [(None, ATM), (Some(&good), POS)] {
            let peer = connect(&client(&authority, shown, VERSIONS[1]), rig.address).await.unwrap();
            assert_eq!(identified(&rig).await.1, expected);
            drop(peer);
            rig.link_down().await;
        }
        is_refused(&client(&authority, Some(&stranger), VERSIONS[1]), rig.address, b"x").await;
        let strangers = || rig.stats().handshake_fault(HandshakeFault::Stranger);
        until("the fault", || strangers() == 1).await;
    });
}

/// No ticket is given and no session is kept, so that every connection shows its certificate.
#[test]
fn nothing_is_resumed() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let good = authority.sign("pos", &Wish::client("urn:pos"));
        for version in VERSIONS {
            let tls = authority.listen(&own);
            let rig = Rig::listening(&listening(tls, identities(&[], "urn:pos")));
            // One configuration for all, which would keep what it is given.
            let config = client(&authority, Some(&good), version);
            for number in 0..3 {
                let mut peer = connect(&config, rig.address).await.unwrap();
                let (connection, _) = identified(&rig).await;
                peer.write_all(&rig.wire(&Framing::binary2(), &echo(1))).await.unwrap();
                let (_, request) = rig.received().await;
                rig.answer(connection, &request);
                let mut answer = [0; 2];
                peer.read_exact(&mut answer).await.unwrap();
                let (_, session) = peer.get_ref();
                let kind = session.handshake_kind();
                assert_eq!(kind, Some(rustls::HandshakeKind::Full), "{version:?} {number}");
                drop(peer);
                rig.link_down().await;
            }
        }
    });
}

/// More than a record and than the socket takes at once, both ways, and a clean end.
#[test]
fn much_goes_through_whole_and_ends_with_a_goodbye() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = ListenTls { clients: Clients::None, ..authority.listen(&own) };
        let config =
            ListenConfig { in_flight_max: 10_000, outbound_max: 64 << 20, ..listening(tls, None) };
        for version in VERSIONS {
            let rig = Rig::listening(&config);
            let mut peer = connect(&client(&authority, None, version), rig.address).await.unwrap();
            let connection = rig.link_up().await;
            let count = 3_000;
            let framing = Framing::binary2();
            let mut sent = Vec::new();
            let mut expected = Vec::new();
            for stan in 1..=count {
                let request = long_echo(stan, 900);
                sent.extend(rig.wire(&framing, &request));
                expected.extend(rig.wire(&framing, &answer_to(&request)));
            }
            let whole = expected.len();
            let talk = tokio::task::spawn_local(async move {
                peer.write_all(&sent).await.unwrap();
                // Nothing is read for a while, so that answers wait for the socket.
                tokio::time::sleep(Duration::from_millis(50)).await;
                let mut answers = vec![0; whole];
                peer.read_exact(&mut answers).await.unwrap();
                assert!(answers == expected, "answers differ");
                peer
            });
            for _ in 1..=count {
                let (_, request) = rig.received().await;
                rig.answer(connection, &request);
            }
            let mut peer = talk.await.unwrap();
            rig.wires.close(connection, veksel_core::Closing::Echo);
            rig.wires.flush();
            assert_eq!(rig.link_down().await, connection);
            // Without the goodbye this is an error.
            assert_eq!(peer.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(rig.stats().frames_out, count);
        }
    });
}

/// As on plain connections: the end of a channel's stream is not the end of its interest.
#[test]
fn a_channel_that_said_goodbye_still_gets_its_answer() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = ListenTls { clients: Clients::None, ..authority.listen(&own) };
        let rig = Rig::listening(&listening(tls, None));
        let config = client(&authority, None, VERSIONS[1]);
        let mut peer = connect(&config, rig.address).await.unwrap();
        let connection = rig.link_up().await;
        peer.write_all(&rig.wire(&Framing::binary2(), &echo(1))).await.unwrap();
        peer.shutdown().await.unwrap();
        let (_, request) = rig.received().await;
        rig.answer(connection, &request);
        let mut answers = Vec::new();
        peer.read_to_end(&mut answers).await.unwrap();
        assert_eq!(answers, rig.wire(&Framing::binary2(), &answer_to(&echo(1))));
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(rig.stats().closed(CloseReason::PeerClosed), 1);
    });
}

/// As on plain connections: who asks and does not read is closed, and its memory is bounded.
#[test]
fn a_peer_that_does_not_read_is_closed() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = ListenTls { clients: Clients::None, ..authority.listen(&own) };
        let outbound_max = 128 * 1_024;
        let rig = Rig::listening(&ListenConfig { outbound_max, ..listening(tls, None) });
        let config = client(&authority, None, VERSIONS[1]);
        let _peer = connect(&config, rig.address).await.unwrap();
        let connection = rig.link_up().await;
        let answer = answer_to(&long_echo(1, 900));
        let mut most = 0;
        while rig.stats().connections > 0 {
            for _ in 0..64 {
                rig.send(connection, &answer, None);
            }
            rig.wires.flush();
            most = most.max(rig.stats().buffered);
            tokio::task::yield_now().await;
            assert!(rig.stats().frames_out < 100_000, "nobody stops it");
        }
        assert!(most <= u64::from(outbound_max) + 2_048, "{most}");
        assert_eq!(rig.stats().closed(CloseReason::NotReading), 1);
    });
}

/// A record that is begun and not finished is a frame that is not: the same deadline holds.
#[test]
fn a_peer_that_drips_a_record_is_closed() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = ListenTls { clients: Clients::None, ..authority.listen(&own) };
        let rig = Rig::listening(&ListenConfig { frame_deadline_ms: 300, ..listening(tls, None) });
        let config = client(&authority, None, VERSIONS[1]);
        let mut peer = connect(&config, rig.address).await.unwrap();
        let connection = rig.link_up().await;
        // A whole frame first, so that what follows is about the record alone.
        peer.write_all(&rig.wire(&Framing::binary2(), &echo(1))).await.unwrap();
        let (_, request) = rig.received().await;
        rig.answer(connection, &request);
        let (socket, _) = peer.get_mut();
        socket.write_all(&[23, 3, 3, 0x40, 0]).await.unwrap();
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(rig.stats().closed(CloseReason::FrameDeadline), 1);
        drop(peer);
        // And one that is quiet between two records stays.
        let mut peer = connect(&config, rig.address).await.unwrap();
        let connection = rig.link_up().await;
        peer.write_all(&rig.wire(&Framing::binary2(), &echo(2))).await.unwrap();
        let (_, request) = rig.received().await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        rig.answer(connection, &request);
        let mut answer = [0; 2];
        peer.read_exact(&mut answer).await.unwrap();
        assert_eq!(rig.stats().connections, 1);
    });
}

#[test]
fn what_is_no_tls_any_more_ends_the_connection() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = ListenTls { clients: Clients::None, ..authority.listen(&own) };
        let rig = Rig::listening(&listening(tls, None));
        let config = client(&authority, None, VERSIONS[1]);
        let mut peer = connect(&config, rig.address).await.unwrap();
        let connection = rig.link_up().await;
        let (socket, _) = peer.get_mut();
        socket.write_all(&[23, 3, 3, 0, 20]).await.unwrap();
        socket.write_all(&[7; 20]).await.unwrap();
        assert_eq!(rig.link_down().await, connection);
        assert_eq!(rig.stats().closed(CloseReason::BadRecord), 1);
        assert_eq!(rig.stats().frames_in, 0);
    });
}

/// Silent peers take all handshakes of a listener; they are given up, the next one comes in, and
/// in the meantime nobody else waits.
#[test]
fn silent_peers_hold_up_neither_others_nor_the_shard() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let tls = ListenTls { handshake_ms: 400, handshakes_max: 2, ..authority.listen(&own) };
        let tls = ListenTls { clients: Clients::None, ..tls };
        let rig = Rig::listening(&listening(tls, None));
        let plain = rig.wires.listen(HOST, &listen_config(), Rc::clone(&rig.codec)).unwrap();
        let mut silent = Vec::new();
        for _ in 0..5 {
            silent.push(Peer::connect(rig.address).await);
        }
        let config = client(&authority, None, VERSIONS[1]);
        let address = rig.address;
        let late = tokio::task::spawn_local(async move { connect(&config, address).await });
        let mut peer = Peer::connect(plain).await;
        let connection = rig.link_up().await;
        assert_eq!(connection.link, HOST, "the plain listener does not wait for handshakes");
        peer.write(&rig.wire(&Framing::binary2(), &echo(1))).await;
        assert_eq!(rig.received().await.1, echo(1));
        assert_eq!(rig.stats().handshakes, 0);
        let _stream = late.await.unwrap().unwrap();
        assert_eq!(rig.link_up().await.link, CHANNEL);
        let stats = rig.stats();
        assert!(stats.handshake_fault(HandshakeFault::Timeout) >= 3, "{stats:?}");
        assert_eq!(stats.handshakes, 1);
    });
}

#[test]
fn a_network_that_may_not_connect_does_not() {
    run(async {
        let elsewhere = |text: &str| {
            let file = format!(
                "[[participant]]\nname = \"a\"\n[[listener]]\nname = \"a\"\n\
                 listen = \"127.0.0.1:8583\"\nparticipant = \"a\"\nallow = {text}\n\
                 [[group]]\nname = \"g\"\nconnect = [\"127.0.0.1:1\"]\n\
                 [[route]]\nname = \"r\"\ngroup = \"g\"\n"
            );
            let config = veksel_config::load_switch(veksel_config::Source::text("t", file));
            match config.unwrap().sockets.swap_remove(0) {
                veksel_config::SocketConfig::Listen(listen) => listen.allow,
                _ => panic!("not a listener"),
            }
        };
        for (text, is_in) in [
            ("[\"10.0.0.0/8\"]", false),
            ("[]", false),
            ("[\"127.0.0.0/8\"]", true),
            ("[\"*\"]", true),
        ] {
            let rig = Rig::listening(&ListenConfig { allow: elsewhere(text), ..listen_config() });
            let mut peer = Peer::connect(rig.address).await;
            if is_in {
                rig.link_up().await;
            } else {
                assert!(peer.read_to_end().await.is_empty());
                assert_eq!(rig.stats().forbidden, 1, "{text}");
                assert_eq!(rig.stats().accepted, 0, "{text}");
            }
        }
    });
}

/// A certificate is taken back: nobody gets in by it any more, and who is in stays. A file that
/// cannot be used changes nothing and says why.
#[test]
fn files_are_read_again_without_a_restart_and_whole_or_not_at_all() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let good = authority.sign("pos", &Wish::client("urn:pos"));
        let other = authority.sign("other", &Wish::client("urn:other"));
        let crls = vec![authority.revoke(&[&other], 2090)];
        let tls = ListenTls { crls, ..authority.listen(&own) };
        let rig = Rig::listening(&listening(tls, identities(&[], "urn:pos")));
        let config = client(&authority, Some(&good), VERSIONS[1]);
        let mut first = connect(&config, rig.address).await.unwrap();
        let (connection, _) = identified(&rig).await;
        let certificates = rig.wires.certificates();
        assert_eq!(certificates.renew().unwrap(), 0, "nothing is new");

        // The key goes, and a new list comes: neither is used.
        let key = fs::read(&own.key).unwrap();
        fs::write(&own.key, "nothing").unwrap();
        authority.revoke(&[&good], 2090);
        let unusable = certificates.renew().unwrap_err();
        let said: Vec<String> = unusable.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("switch.key holds no private key in PEM"), "{}", said[0]);
        drop(connect(&config, rig.address).await.unwrap());
        identified(&rig).await;
        rig.link_down().await;

        fs::write(&own.key, key).unwrap();
        assert_eq!(certificates.renew().unwrap(), 1);
        is_refused(&config, rig.address, b"x").await;
        let refused = || rig.stats().handshake_fault(HandshakeFault::Certificate);
        until("the fault", || refused() == 1).await;
        first.write_all(&rig.wire(&Framing::binary2(), &echo(1))).await.unwrap();
        assert_eq!(rig.received().await, (connection, echo(1)));
    });
}

/// With a list that is over nothing can be told, so nobody gets in.
#[test]
fn a_revocation_list_that_is_over_lets_nobody_in() {
    run(async {
        let authority = Authority::new("test CA");
        let own = authority.sign("switch", &Wish::server("switch.example"));
        let good = authority.sign("pos", &Wish::client("urn:pos"));
        let crls = vec![authority.revoke(&[], 2022)];
        let tls = ListenTls { crls, ..authority.listen(&own) };
        let rig = Rig::listening(&listening(tls, identities(&[], "urn:pos")));
        is_refused(&client(&authority, Some(&good), VERSIONS[1]), rig.address, b"x").await;
        let refused = || rig.stats().handshake_fault(HandshakeFault::Certificate);
        until("the fault", || refused() == 1).await;
    });
}

#[test]
fn files_that_cannot_be_used_say_which_and_why() {
    let authority = Authority::new("test CA");
    let own = authority.sign("switch", &Wish::server("switch.example"));
    let other = authority.sign("other", &Wish::server("other.example"));
    let tls = authority.listen(&own);
    let said = |tls: &ListenTls| check_listen(tls).unwrap_err().to_string();
    check_listen(&tls).unwrap();
    let wrong = said(&ListenTls { key: other.key, ..tls.clone() });
    assert!(wrong.contains("is not that of the certificate in"), "{wrong}");
    let wrong = said(&ListenTls { key: own.certificate.clone(), ..tls.clone() });
    assert!(wrong.contains("may be read by others") || wrong.contains("private key"), "{wrong}");
    let wrong = said(&ListenTls { ca: vec![own.key.clone()], ..tls.clone() });
    assert!(wrong.contains("switch.key holds no certificate in PEM: there is none"), "{wrong}");
    let wrong = said(&ListenTls { crls: vec![own.certificate.clone()], ..tls.clone() });
    assert!(wrong.contains("holds no revocation list in PEM"), "{wrong}");
    let gone = authority.folder().join("gone.pem");
    let error = check_listen(&ListenTls { certificate: gone, ..tls.clone() }).unwrap_err();
    assert!(matches!(error, TlsError::Read { .. }), "{error}");
    fs::set_permissions(&own.key, Permissions::from_mode(0o644)).unwrap();
    let error = check_listen(&tls).unwrap_err();
    assert!(matches!(error, TlsError::Exposed { mode: 0o644, .. }), "{error}");
    let error = check_dial(&authority.dial(), "not a name").unwrap_err();
    assert!(matches!(error, TlsError::Name { .. }), "{error}");
}

/// What a host must be before anything is sent to it, and whether it is.
#[test]
fn a_host_is_believed_by_its_ca_and_name_or_by_its_pin() {
    run(async {
        let authority = Authority::new("test CA");
        let elsewhere = Authority::new("another CA");
        let good = authority.sign("host", &Wish::server("127.0.0.1"));
        let misnamed = authority.sign("misnamed", &Wish::server("10.0.0.1"));
        let usage = Some(ExtendedKeyUsagePurpose::ServerAuth);
        let old = Wish { years: (2001, 2002), usage, ..Wish::server("127.0.0.1") };
        let expired = authority.sign("expired", &old);
        let itself = authority.self_signed("itself", &Wish::server("10.0.0.9"));
        let dated = authority.self_signed("dated", &old);
        let pinned =
            |pair: &Pair| DialTls { ca: Vec::new(), pins: vec![pair.pin], ..authority.dial() };
        let both = |pair: &Pair| DialTls { pins: vec![pair.pin], ..authority.dial() };
        let named = DialTls { name: Some("10.0.0.1".to_owned()), ..authority.dial() };
        let cases = [
            ("its CA and name", &good, authority.dial(), true),
            ("another CA", &good, elsewhere.dial(), false),
            ("another name", &misnamed, authority.dial(), false),
            ("the name that was configured", &misnamed, named, true),
            ("expired", &expired, authority.dial(), false),
            ("self-signed", &itself, authority.dial(), false),
            ("self-signed, pinned", &itself, pinned(&itself), true),
            ("another pin", &itself, pinned(&good), false),
            ("pinned and expired", &dated, pinned(&dated), false),
            ("its CA and pin", &good, both(&good), true),
            ("its CA and another pin", &good, both(&misnamed), false),
        ];
        for (name, shown, tls, is_believed) in cases {
            let listen = ListenTls { clients: Clients::None, ..authority.listen(shown) };
            let rig = Rig::listening(&listening(listen, None));
            let config = veksel_config::DialConfig { tls: Some(tls), ..dial_config(rig.address) };
            rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
            let host = || rig.wires.stats(HOST);
            if is_believed {
                until(name, || host().dialled > 0).await;
                assert_eq!(host().handshake_faults.iter().sum::<u64>(), 0, "{name}");
            } else {
                until(name, || host().handshake_fault(HandshakeFault::Certificate) > 0).await;
                assert_eq!((host().dialled, host().bytes_out), (0, 0), "{name}");
            }
            rig.wires.shutdown(Duration::ZERO).await;
        }
    });
}

/// Both sides show who they are, and a request goes there and back.
#[test]
fn a_host_link_shows_its_certificate() {
    run(async {
        let authority = Authority::new("test CA");
        let host = authority.sign("host", &Wish::server("127.0.0.1"));
        let own = authority.sign("switch", &Wish::client("urn:pos"));
        let listen = authority.listen(&host);
        let rig = Rig::listening(&listening(listen, identities(&[], "urn:pos")));
        let tls = DialTls { own: Some((own.certificate, own.key)), ..authority.dial() };
        let config = veksel_config::DialConfig { tls: Some(tls), ..dial_config(rig.address) };
        rig.wires.dial(HOST, &config, Rc::clone(&rig.codec)).unwrap();
        let (mut near, mut far) = (None, None);
        while near.is_none() || far.is_none() {
            match rig.input().await {
                Input::LinkUp(connection) if connection.link == HOST => near = Some(connection),
                Input::LinkUp(_) => {}
                Input::Identified { connection, participant } => {
                    assert_eq!(participant, POS);
                    far = Some(connection);
                }
                other => panic!("{other:?}"),
            }
        }
        let (near, far) = (near.unwrap(), far.unwrap());
        rig.send(near, &echo(1), None);
        rig.wires.flush();
        assert_eq!(rig.received().await, (far, echo(1)));
        rig.answer(far, &echo(1));
        assert_eq!(rig.received().await, (near, answer_to(&echo(1))));
    });
}

/// A pool of a host that takes one request at a time shakes hands on each of its sockets before
/// it carries anything, and uses a session again.
#[test]
fn lent_connections_are_encrypted_too() {
    run(async {
        let authority = Authority::new("test CA");
        let elsewhere = Authority::new("another CA");
        let host = authority.sign("host", &Wish::server("127.0.0.1"));
        let listen = ListenTls { clients: Clients::None, ..authority.listen(&host) };
        let rig = Rig::listening(&listening(listen, None));
        let exclusive = veksel_config::ExclusiveConfig {
            institution: "123456".to_owned(),
            sign_on: false,
            answer_ms: 5_000,
            idle_ms: 0,
            wait_ms: 5_000,
            waiting_max: 16,
        };
        let lend = |tls| veksel_config::DialConfig {
            tls: Some(tls),
            connections: 1,
            exclusive: Some(exclusive.clone()),
            ..dial_config(rig.address)
        };
        rig.wires.dial(HOST, &lend(authority.dial()), Rc::clone(&rig.codec)).unwrap();
        let pool = rig.link_up().await;
        let mut far = None;
        for number in 1..=2 {
            rig.send(pool, &echo(number), Some(number));
            let (mut is_written, mut is_answered) = (false, false);
            while !(is_written && is_answered) {
                match rig.input().await {
                    Input::LinkUp(connection) => far = Some(connection),
                    Input::Written(written) => is_written = written == tag(number),
                    Input::Received { connection, message } if Some(connection) == far => {
                        rig.answer(connection, &message);
                    }
                    Input::Received { connection, message } => {
                        assert_eq!((connection, message), (pool, answer_to(&echo(number))));
                        is_answered = true;
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        let stats = rig.wires.stats(HOST);
        assert_eq!((stats.dialled, stats.handshakes), (1, 1));

        // A host that nobody vouches for gets no byte of the message.
        let stranger = LinkId(HOST.0 + 1);
        rig.wires.dial(stranger, &lend(elsewhere.dial()), Rc::clone(&rig.codec)).unwrap();
        let pool = rig.link_up().await;
        rig.send(pool, &echo(3), Some(3));
        loop {
            match rig.input().await {
                Input::Unsent { tag: unsent, why } => {
                    assert_eq!((unsent, why), (tag(3), Unsent::Unreachable));
                    break;
                }
                Input::LinkUp(_) | Input::LinkDown(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(rig.wires.stats(stranger).bytes_out, 0);
    });
}

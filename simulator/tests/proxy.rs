//! What the proxy does to frames, one fault at a time.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]

#[path = "../../cli/tests/canary/watch.rs"]
mod watch;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use veksel_simulator::proxy::{self, Faults, Injected, ProxyConfig, RunningProxy};
use watch::{search, search_shown, watch};

const PATIENCE: Duration = Duration::from_secs(20);

fn frame(number: u16) -> Vec<u8> {
    let body = number.to_string().repeat(3);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&length[..], body.as_bytes()].concat()
}

fn frames(numbers: impl IntoIterator<Item = u16>) -> Vec<u8> {
    numbers.into_iter().flat_map(frame).collect()
}

/// Reads to the end of the connection, however it comes.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    bytes
}

/// A proxy in front of a program for one connection.
fn before(
    faults: Faults,
    seed: u64,
    program: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static,
) -> (RunningProxy, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let far = thread::spawn(move || program(listener.accept().unwrap().0));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (proxy::start(ProxyConfig { listen, to, seed, faults }).unwrap(), far)
}

/// What arrives at the destination of these bytes, and what the proxy says it did.
fn requests(faults: Faults, seed: u64, bytes: &[u8]) -> (Vec<u8>, Injected) {
    let (proxy, far) = before(faults, seed, |mut stream| rest(&mut stream));
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    // The proxy may have cut the connection before everything was written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let arrived = far.join().unwrap();
    (arrived, stop(proxy))
}

/// What arrives of these bytes when the destination sends them.
fn answers(faults: Faults, seed: u64, bytes: &[u8]) -> (Vec<u8>, Injected) {
    let bytes = bytes.to_vec();
    let (proxy, far) = before(faults, seed, move |mut stream| {
        let _ = stream.write_all(&bytes);
        Vec::new()
    });
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    let arrived = rest(&mut stream);
    far.join().unwrap();
    (arrived, stop(proxy))
}

/// Its log has nothing of what went through it, nor has what it says of itself.
fn stop(proxy: RunningProxy) -> Injected {
    search_shown("a proxy", &proxy);
    let injected = proxy.stop();
    search("what a proxy did", format!("{injected} {injected:?}"));
    injected
}

#[test]
fn without_faults_it_is_not_noticed() {
    let _watch = watch();
    let bytes = frames(0..500);
    let (arrived, injected) = requests(Faults::NONE, 1, &bytes);
    assert_eq!(arrived, bytes);
    assert_eq!(injected, Injected { connections: 1, frames: 500, ..Injected::default() });
    assert_eq!(answers(Faults::NONE, 1, &bytes).0, bytes);
    // The longest frame there is, and one of length zero.
    let longest = [&[0xff, 0xff][..], &vec![7; 65_535], &[0, 0]].concat();
    assert_eq!(requests(Faults::NONE, 1, &longest).0, longest);
}

#[test]
fn slices_and_delays_change_no_byte() {
    let _watch = watch();
    let bytes = frames(0..50);
    let faults = Faults { slice: 1_000, ..Faults::NONE };
    let (arrived, injected) = requests(faults, 1, &bytes);
    assert_eq!((arrived, injected.sliced), (bytes.clone(), 50));
    let delay_max = Duration::from_millis(10);
    let faults = Faults { delay: 1_000, delay_max, ..Faults::NONE };
    let start = Instant::now();
    let (arrived, injected) = requests(faults, 1, &bytes);
    assert_eq!((arrived, injected.delayed), (bytes, 50));
    assert!(start.elapsed() > delay_max * 10, "{:?}", start.elapsed());
}

#[test]
fn a_connection_is_cut_within_a_frame() {
    let _watch = watch();
    let bytes = frames(1_000..1_500);
    let faults = Faults { drop: 50, ..Faults::NONE };
    for seed in 0..8 {
        let (arrived, injected) = requests(faults, seed, &bytes);
        assert!(arrived.len() < bytes.len() && bytes.starts_with(&arrived), "seed {seed}");
        assert_eq!(injected.dropped, 1);
    }
}

#[test]
fn a_blackhole_swallows_whole_frames_and_nothing_else() {
    let _watch = watch();
    let bytes = frames(1_000..1_500);
    let blackhole_max = Duration::from_micros(200);
    let faults = Faults { blackhole: 20, blackhole_max, ..Faults::NONE };
    let (arrived, injected) = requests(faults, 1, &bytes);
    assert_eq!((bytes.len() - arrived.len()) as u64, injected.swallowed * 14);
    assert!(injected.swallowed > 0 && !arrived.is_empty());
    let faults = Faults { blackhole: 1_000, blackhole_max: PATIENCE, ..Faults::NONE };
    assert_eq!(answers(faults, 1, &bytes).0, b"");
}

#[test]
fn only_answers_are_doubled_and_swapped() {
    let _watch = watch();
    let bytes = frames(0..10);
    let faults = Faults { duplicate: 1_000, ..Faults::NONE };
    let twice = frames((0..10).flat_map(|number| [number, number]));
    assert_eq!(answers(faults, 1, &bytes).0, twice);
    assert_eq!(requests(faults, 1, &bytes).0, bytes);
    let faults = Faults { swap: 1_000, ..Faults::NONE };
    let swapped = frames([1, 0, 3, 2, 5, 4, 7, 6, 9, 8]);
    let (arrived, injected) = answers(faults, 1, &bytes);
    assert_eq!((arrived, injected.swapped), (swapped, 5));
    assert_eq!(requests(faults, 1, &bytes).0, bytes);
    // One that nothing follows is held back for a moment and not lost.
    assert_eq!(answers(faults, 1, &frame(7)).0, frame(7));
}

#[test]
fn corruption_turns_one_bit_of_a_message() {
    let _watch = watch();
    let bytes = frames(1_000..1_100);
    let faults = Faults { corrupt: 1_000, ..Faults::NONE };
    let (arrived, injected) = requests(faults, 1, &bytes);
    assert_eq!((arrived.len(), injected.corrupted), (bytes.len(), 100));
    let turned = |(a, b): (&[u8], &[u8])| -> u32 {
        a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
    };
    let pairs = || arrived.chunks(14).zip(bytes.chunks(14));
    assert!(pairs().all(|pair| turned(pair) == 1));
    assert!(pairs().all(|(a, b)| a[..2] == b[..2]), "a length was touched");
}

#[test]
fn a_card_that_goes_through_is_told_to_nobody() {
    let _watch = watch();
    let card = b"4111111111111111";
    let frame = [&u16::try_from(card.len()).unwrap().to_be_bytes()[..], card].concat();
    for faults in [
        Faults::NONE,
        Faults { slice: 1_000, ..Faults::NONE },
        Faults { drop: 1_000, ..Faults::NONE },
        Faults { duplicate: 1_000, ..Faults::NONE },
        Faults { corrupt: 1_000, ..Faults::NONE },
    ] {
        requests(faults, 1, &frame);
        answers(faults, 1, &frame);
    }
}

#[test]
fn the_seed_decides_what_happens() {
    let _watch = watch();
    let bytes = frames(0..400);
    let faults = Faults { slice: 100, corrupt: 100, drop: 3, ..Faults::NONE };
    let run = |seed| requests(faults, seed, &bytes);
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0, run(4).0);
}

#[test]
fn a_destination_that_is_not_there_closes_the_connection() {
    let _watch = watch();
    let to = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = ProxyConfig { listen, to, seed: 1, faults: Faults::NONE };
    let proxy = proxy::start(config).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(rest(&mut stream), b"");
    assert!(proxy::start(ProxyConfig { listen: proxy.address(), ..config }).is_err());
    assert_eq!(stop(proxy), Injected::default());
    assert!(TcpStream::connect_timeout(&to, PATIENCE).is_err());
}

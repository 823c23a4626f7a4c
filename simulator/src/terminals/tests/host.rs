//! A host of the tests: answers what it is sent, or does something wrong on request.
//!
//! It has a thread of its own, remembers what it saw, and dies with all its connections.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use veksel_codecs::{
    Codec, Dialect, FieldNumber, FrameError, Framing, Message, Mti, ResponseCode, Step, field,
};

/// What to do with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Answer,
    Decline,
    Silent,
    Twice,
    OtherAmount,
    OtherTerminal,
    /// An answer, and one to a request that was never sent.
    Stranger,
    /// An answer, and a frame that is no message.
    Garbage,
    /// An answer, and how some payment ended.
    Advise,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) stan: String,
    pub(super) rrn: String,
    pub(super) terminal: String,
    pub(super) minor: u64,
    pub(super) is_approved: bool,
    /// What the seed decides: DE2, 3, 4, 18, 48, 49, 60, 102 and 103.
    pub(super) content: Vec<Option<String>>,
}

/// What a host saw and did.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) requests: Vec<Seen>,
    pub(super) sign_ons: u64,
    pub(super) refused: u64,
    pub(super) declined: u64,
    pub(super) silent: u64,
    pub(super) twice: u64,
    pub(super) contradicted: u64,
    pub(super) strange: u64,
    /// Advices that were said to be known.
    pub(super) known: u64,
}

pub(super) struct Host {
    port: u16,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<dyn Fn(u64) -> Act + Send + Sync>,
    sign_on: ResponseCode,
    report: Mutex<Report>,
    connections: AtomicUsize,
}

impl Host {
    /// `script` gets the number of the request, from 0. Port 0 lets the system choose.
    pub(super) fn start(port: u16, script: impl Fn(u64) -> Act + Send + Sync + 'static) -> Self {
        Self::spawn(port, ResponseCode::APPROVED, Box::new(script))
    }

    /// Refuses every sign-on.
    pub(super) fn refusing() -> Self {
        Self::spawn(0, ResponseCode::HOST_UNAVAILABLE, Box::new(|_| Act::Answer))
    }

    fn spawn(
        port: u16,
        sign_on: ResponseCode,
        script: Box<dyn Fn(u64) -> Act + Send + Sync>,
    ) -> Self {
        let (report, connections) = (Mutex::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { script, sign_on, report, connections });
        let (stop, stopped) = oneshot::channel::<()>();
        let (listening, address) = sync_channel(1);
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async move {
                let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
                listening.send(listener.local_addr().unwrap().port()).unwrap();
                tokio::select! {
                    () = accept(listener, of_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port: address.recv().unwrap(), stop, thread, shared }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    pub(super) fn stop(self) -> Report {
        let _ = self.stop.send(());
        self.thread.join().unwrap();
        self.shared.report.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let codec = Rc::new(Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap()));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (shared, codec) = (Arc::clone(&shared), Rc::clone(&codec));
        shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_local(async move {
            serve(stream, &shared, &codec).await;
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared, codec: &Codec) {
    let framing = Framing::binary2();
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    let mut request = Message::new();
    loop {
        while let Step::Frame { message, consumed, .. } = framing.decode(&input).unwrap() {
            codec.decode_into(message, &mut request).unwrap();
            input.advance(consumed);
            let mut write = |message: &[u8]| {
                let append = |out: &mut BytesMut| {
                    out.extend_from_slice(message);
                    Ok::<(), FrameError>(())
                };
                framing.encode(&[], &mut out, append).unwrap();
            };
            react(&request, shared, codec, &mut write);
        }
        if stream.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
        if !matches!(stream.read_buf(&mut input).await, Ok(1..)) {
            return;
        }
    }
}

fn react(request: &Message, shared: &Shared, codec: &Codec, write: &mut dyn FnMut(&[u8])) {
    let mut send = |message: &Message| {
        let mut bytes = BytesMut::new();
        codec.encode(message, &mut bytes).unwrap();
        write(&bytes);
    };
    let mut report = shared.report.lock().unwrap();
    if request.mti() == Mti::known(b"0630") {
        assert_eq!(request.get(field::RESPONSE_CODE), Some(ResponseCode::APPROVED));
        report.known += 1;
        return;
    }
    let mut answer = request.clone();
    answer.set_mti(request.mti().response().unwrap());
    if request.mti() == Mti::known(b"0800") {
        report.sign_ons += 1;
        answer.set(field::RESPONSE_CODE, shared.sign_on);
        return send(&answer);
    }
    report.refused += u64::from(codec.check(request, true).is_err());
    answer.retain(codec.rule(request).unwrap().answer.echo);
    answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    let act = (shared.script)(report.requests.len() as u64);
    report.requests.push(seen(request, act));
    match act {
        Act::Answer => send(&answer),
        Act::Silent => report.silent += 1,
        Act::Decline => {
            report.declined += 1;
            answer.set(field::RESPONSE_CODE, ResponseCode::INSUFFICIENT_FUNDS);
            send(&answer);
        }
        Act::Twice => {
            report.twice += 1;
            send(&answer);
            send(&answer);
        }
        Act::OtherAmount => {
            report.contradicted += 1;
            answer.set(field::AMOUNT, request.get(field::AMOUNT).unwrap() + 1);
            send(&answer);
        }
        Act::OtherTerminal => {
            report.contradicted += 1;
            answer.set(field::TERMINAL, "ELSEWHER");
            send(&answer);
        }
        Act::Stranger => {
            report.strange += 1;
            send(&answer);
            answer.set(field::RRN, "ZZZZZZZZZZZZ");
            answer.set(field::STAN, 999_999);
            send(&answer);
        }
        Act::Advise => {
            send(&answer);
            answer.set_mti(Mti::known(b"0620"));
            answer.set(field::RESPONSE_CODE, ResponseCode::INSUFFICIENT_FUNDS);
            send(&answer);
        }
        Act::Garbage => {
            report.strange += 1;
            send(&answer);
            write(b"0210 and nothing that could be a bitmap");
        }
    }
}

fn seen(request: &Message, act: Act) -> Seen {
    let text = |number| {
        let raw = request.expose(FieldNumber::new(number).unwrap());
        raw.map(|raw| raw.text().unwrap().to_string())
    };
    Seen {
        stan: text(11).unwrap(),
        rrn: text(37).unwrap(),
        terminal: text(41).unwrap(),
        minor: request.get(field::AMOUNT).unwrap(),
        is_approved: !matches!(act, Act::Decline | Act::Silent),
        content: [2, 3, 4, 18, 48, 49, 60, 102, 103].map(text).to_vec(),
    }
}

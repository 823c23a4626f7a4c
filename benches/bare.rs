//! The bare forwarder: what moving frames costs when nothing is done to them.
//!
//! One thread, tokio. Every whole frame of a read gets a number of its own at a fixed place and
//! goes to the next of four connections to the host; an answer is led back by that number. All
//! connections are read before any is written, and each is written once. No checks, no limits, no
//! deadlines, no figures: the floor for everything that forwards over sockets.

use crate::frames::{STAN, put, stan};
use crate::host::{READ_MAX, each_frame, serve};
use crate::{Failure, part};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// Connections to the host.
const UPSTREAM: usize = 4;
/// Numbers given out before they start over.
const NUMBERS: usize = 1 << 16;

/// Where a request came from.
#[derive(Clone, Copy)]
struct Origin {
    connection: usize,
    stan: [u8; 6],
}

/// A connection on its way out.
struct Out {
    stream: OwnedWriteHalf,
    bytes: RefCell<Vec<u8>>,
    is_dirty: Cell<bool>,
}

struct Forwarder {
    outs: RefCell<Vec<Rc<Out>>>,
    dirty: RefCell<Vec<Rc<Out>>>,
    wake: Notify,
    origins: RefCell<Vec<Origin>>,
    next: Cell<usize>,
}

pub(crate) fn play(arguments: &[String]) -> Result<(), Failure> {
    let host: SocketAddr = part::argument(arguments, 0)?;
    serve(move |listener| async move {
        let forwarder = Rc::new(Forwarder {
            outs: RefCell::default(),
            dirty: RefCell::default(),
            wake: Notify::new(),
            origins: RefCell::new(vec![Origin { connection: 0, stan: [0; 6] }; NUMBERS]),
            next: Cell::new(0),
        });
        for _ in 0..UPSTREAM {
            let Ok(stream) = TcpStream::connect(host).await else { return };
            let (reader, _) = forwarder.open(stream);
            tokio::task::spawn_local(Rc::clone(&forwarder).bring_back(reader));
        }
        tokio::task::spawn_local(Rc::clone(&forwarder).flush());
        while let Ok((stream, _)) = listener.accept().await {
            let (reader, place) = forwarder.open(stream);
            tokio::task::spawn_local(Rc::clone(&forwarder).take_in(reader, place));
        }
    })
}

impl Forwarder {
    fn open(&self, stream: TcpStream) -> (OwnedReadHalf, usize) {
        let _ = stream.set_nodelay(true);
        let (reader, stream) = stream.into_split();
        let out = Out { stream, bytes: RefCell::default(), is_dirty: Cell::new(false) };
        let mut outs = self.outs.borrow_mut();
        outs.push(Rc::new(out));
        (reader, outs.len() - 1)
    }

    /// Requests, from a channel to the host.
    async fn take_in(self: Rc<Self>, mut reader: OwnedReadHalf, connection: usize) {
        let mut held = Vec::with_capacity(READ_MAX);
        while matches!(reader.read_buf(&mut held).await, Ok(1..)) {
            let (outs, mut origins) = (self.outs.borrow(), self.origins.borrow_mut());
            each_frame(&mut held, |frame| {
                let number = (self.next.get() + 1) % NUMBERS;
                self.next.set(number);
                let mut stan = [0; 6];
                stan.copy_from_slice(&frame[STAN..STAN + 6]);
                origins[number] = Origin { connection, stan };
                let mut new = [0; 6];
                put(&mut new, number as u64);
                self.push(&outs[number % UPSTREAM], frame, new);
            });
            held.reserve(READ_MAX);
        }
    }

    /// Answers, from the host to where their requests came from.
    async fn bring_back(self: Rc<Self>, mut reader: OwnedReadHalf) {
        let mut held = Vec::with_capacity(READ_MAX);
        while matches!(reader.read_buf(&mut held).await, Ok(1..)) {
            let (outs, origins) = (self.outs.borrow(), self.origins.borrow());
            each_frame(&mut held, |frame| {
                let Origin { connection, stan } = origins[stan(frame) as usize % NUMBERS];
                self.push(&outs[connection], frame, stan);
            });
            held.reserve(READ_MAX);
        }
    }

    fn push(&self, out: &Rc<Out>, frame: &[u8], stan: [u8; 6]) {
        let mut bytes = out.bytes.borrow_mut();
        let at = bytes.len() + STAN;
        bytes.extend_from_slice(frame);
        bytes[at..at + 6].copy_from_slice(&stan);
        if !out.is_dirty.replace(true) {
            self.dirty.borrow_mut().push(Rc::clone(out));
            self.wake.notify_one();
        }
    }

    /// Takes its turn after all connections that are ready, and writes each once.
    async fn flush(self: Rc<Self>) {
        loop {
            self.wake.notified().await;
            let mut dirty = self.dirty.take();
            for out in dirty.drain(..) {
                out.is_dirty.set(false);
                let mut bytes = out.bytes.take();
                let mut written = 0;
                while written < bytes.len() {
                    match out.stream.try_write(&bytes[written..]) {
                        Ok(count) => written += count,
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                            let _ = out.stream.writable().await;
                        }
                        // A channel that left takes its answers with it.
                        Err(_) => break,
                    }
                }
                bytes.drain(..written);
                // What came while this waited stands behind it.
                let mut new = out.bytes.borrow_mut();
                if new.is_empty() {
                    bytes.clear();
                    *new = bytes;
                }
            }
            if self.dirty.borrow().is_empty() {
                *self.dirty.borrow_mut() = dirty;
            }
        }
    }
}

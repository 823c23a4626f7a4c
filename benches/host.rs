//! A host that approves everything and remembers nothing: every whole frame of a read is answered
//! 00 in one write. It asks for no sign-on.

use crate::frames::{answer, whole};
use crate::{Failure, part};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

/// Bytes of one read.
pub(crate) const READ_MAX: usize = 64 * 1024;

pub(crate) fn play() -> Result<(), Failure> {
    serve(|listener| async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(converse(stream));
        }
    })
}

/// `ms`: answers like the other, but so many milliseconds later.
pub(crate) fn play_slow(arguments: &[String]) -> Result<(), Failure> {
    let takes = Duration::from_millis(part::argument(arguments, 0)?);
    serve(move |listener| async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(converse_slowly(stream, takes));
        }
    })
}

async fn converse_slowly(mut stream: TcpStream, takes: Duration) {
    let (mut held, mut due) = (Vec::with_capacity(READ_MAX), VecDeque::new());
    let _ = stream.set_nodelay(true);
    loop {
        let next = due.front().map(|(at, _): &(Instant, Vec<u8>)| *at);
        let wait = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = stream.read_buf(&mut held) => {
                if !matches!(read, Ok(1..)) {
                    return;
                }
                let mut out = Vec::new();
                each_frame(&mut held, |frame| answer(frame, &mut out));
                due.push_back((Instant::now() + takes, out));
                held.reserve(READ_MAX);
            }
            () = wait => {
                let Some((_, out)) = due.pop_front() else { continue };
                if stream.write_all(&out).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Listens on a thread of its own with one single-threaded runtime, until standard input ends.
pub(crate) fn serve<F>(body: impl FnOnce(TcpListener) -> F + Send + 'static) -> Result<(), Failure>
where
    F: Future<Output = ()>,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("serve".into()).spawn(move || {
        LocalSet::new().block_on(&runtime, async {
            if let Ok(listener) = TcpListener::from_std(listener) {
                body(listener).await;
            }
        });
    })?;
    part::work(&address.to_string())
}

/// Takes whole frames from the front of `held`.
pub(crate) fn each_frame(held: &mut Vec<u8>, mut take: impl FnMut(&[u8])) {
    let mut rest = held.as_slice();
    while let Some(length) = whole(rest) {
        let (frame, after) = rest.split_at(length);
        take(frame);
        rest = after;
    }
    let taken = held.len() - rest.len();
    held.drain(..taken);
}

async fn converse(mut stream: TcpStream) {
    let (mut held, mut out) = (Vec::with_capacity(READ_MAX), Vec::with_capacity(READ_MAX));
    let _ = stream.set_nodelay(true);
    while matches!(stream.read_buf(&mut held).await, Ok(1..)) {
        each_frame(&mut held, |frame| answer(frame, &mut out));
        if stream.write_all(&out).await.is_err() {
            return;
        }
        out.clear();
        if held.capacity() - held.len() < READ_MAX / 4 {
            held.reserve(READ_MAX);
        }
    }
}

//! A connection that is listened to while somebody works on a request of it, so that whoever hangs
//! up is noticed whatever they sent before.
//!
//! hyper notices the end of a connection only while nothing stands in its buffer: a line end after
//! a body, which RFC 9112 2.2 lets pass, or the next request hides it for as long as the work
//! takes. So hyper reads as long as there is a head or a body to come, and from then until there is
//! an answer this reads in its place:
//!
//! | stage | who reads | until |
//! |---|---|---|
//! | `Open` | hyper | a request has its head |
//! | `InHand` | hyper | its body is here |
//! | `Listened` | [`Line::poll_hung_up`] | the answer begins, or the peer is gone |
//!
//! What comes in the last stage is kept for hyper, up to a bound. What is more is thrown away, and
//! then the connection ends after the requests that were kept whole: a client sends the others
//! again (RFC 9112 9.3.2). Not to read on would be to go deaf again.
//!
//! The end of what a peer sends is a hang-up, also of one that closed only its half and still
//! reads: over TCP the two are the same until something is written.

use axum::body::Bytes;
use bytes::BytesMut;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are kept of what comes while a request is worked on.
pub(super) const KEPT_MAX: usize = 64 * 1_024;

/// Bytes that are thrown away beyond. Who sends more counts as gone.
pub(super) const THROWN_MAX: usize = 16 * 1_024 * 1_024;

/// Bytes that are read at one time.
const PIECE: usize = 4 * 1_024;

/// A connection. Copies are the same one, and all belong to one task: hyper has one, the body of a
/// request another, and whoever serves the connection listens with a third.
pub(super) struct Line<S>(Arc<Mutex<State<S>>>);

struct State<S> {
    stream: S,
    stage: Stage,
    /// Read, and not given to hyper yet.
    kept: BytesMut,
    /// How much was read and will never be given to it.
    thrown: usize,
    /// Whether hyper may be able to read on, and may not know it: it waits for the socket to have
    /// something, and what it waits for was kept.
    is_stirred: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    InHand,
    Listened,
}

impl<S> Clone for Line<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Line<S> {
    pub(super) fn new(stream: S) -> Self {
        let (kept, thrown, is_stirred) = (BytesMut::new(), 0, false);
        Self(Arc::new(Mutex::new(State { stream, stage: Stage::Open, kept, thrown, is_stirred })))
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Work on a request begins, and lasts as long as what this gives.
    pub(super) fn take_in_hand(&self, body: Incoming) -> (InHand<S>, Whole<S>) {
        self.state().stage = Stage::InHand;
        let body = Whole { body, line: self.clone() };
        body.look();
        (InHand(self.clone()), body)
    }
}

impl<S: AsyncRead + Unpin> Line<S> {
    /// Ready once the peer has gone while somebody works for it. To be polled after whatever may
    /// change the stage, in the same task.
    pub(super) fn poll_hung_up(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.stage != Stage::Listened {
            let has_more = !state.kept.is_empty() || state.thrown > 0;
            if std::mem::take(&mut state.is_stirred) && has_more {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        while state.thrown <= THROWN_MAX {
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut state.stream).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => state.keep(piece.filled()),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }
}

impl<S> State<S> {
    fn keep(&mut self, bytes: &[u8]) {
        // Nothing after a gap.
        let room = if self.thrown == 0 { KEPT_MAX.saturating_sub(self.kept.len()) } else { 0 };
        let (kept, thrown) = bytes.split_at(room.min(bytes.len()));
        self.kept.extend_from_slice(kept);
        self.thrown = self.thrown.saturating_add(thrown.len());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.stage == Stage::Listened {
            // The task is woken all the same: who listens has asked for it.
            return Poll::Pending;
        }
        if !state.kept.is_empty() {
            let most = state.kept.len().min(into.remaining());
            into.put_slice(&state.kept.split_to(most));
            return Poll::Ready(Ok(()));
        }
        if state.thrown > 0 {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut state.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> Line<S> {
    fn write(
        &self,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let written = ready!(write(Pin::new(&mut state.stream)));
        state.is_stirred = true;
        Poll::Ready(written)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.state().stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.state().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.state().stream).poll_shutdown(cx)
    }
}

/// Work on a request. Dropping it ends it.
pub(super) struct InHand<S>(Line<S>);

impl<S> Drop for InHand<S> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.stage, state.is_stirred) = (Stage::Open, true);
    }
}

/// The body of a request, which tells its line when it is all here.
pub(super) struct Whole<S> {
    body: Incoming,
    line: Line<S>,
}

impl<S> Whole<S> {
    fn look(&self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&self) {
        let mut state = self.line.state();
        if state.stage == Stage::InHand {
            state.stage = Stage::Listened;
        }
    }
}

impl<S> Body for Whole<S> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.end(),
            Some(Ok(_)) => self.look(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;

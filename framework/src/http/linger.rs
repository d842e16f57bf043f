//! Closing of a connection without the loss of its last answer.
//!
//! An early answer, such as 413, is sent while the client still sends. Closing then would make the system discard the
//! answer together with the unread bytes (RFC 9112, 9.6). So the connection is first shut down for writing; bytes that
//! still arrive are read and dropped for a moment.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// Connection whose shutdown waits until the client is done too, or for `limit`, or until `stop`.
pub(super) struct Lingering<S> {
    stream: S,
    limit: Duration,
    stop: CancellationToken,
    /// End of the wait for the client; set once this side is shut down.
    enough: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, limit: Duration, stop: CancellationToken) -> Self {
        Self { stream, limit, stop, enough: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, limit, stop, enough } = &mut *self;
        if enough.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        }
        let enough = enough.get_or_insert_with(|| {
            let (limit, stop) = (sleep(*limit), stop.clone().cancelled_owned());
            Box::pin(async move {
                tokio::select! {
                    () = limit => {}
                    () = stop => {}
                }
            })
        });
        let mut dropped = [0; 4096];
        // Polled in each turn, so that a client that never stops sending is disconnected too.
        while enough.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut dropped);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

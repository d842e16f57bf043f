//! Closing of a connection without the loss of its last answer.
//!
//! An early answer, such as 413, is sent while the client still sends. Closing then would make the system discard the
//! answer together with the unread bytes (RFC 9112, 9.6). So the connection is first shut down for writing; bytes that
//! still arrive are read and dropped for a moment.

use std::{pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Shuts a connection down, then waits until the client is done too, or for `limit`, or until `stop`.
pub(super) async fn close(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    limit: Duration,
    stop: &CancellationToken,
) {
    let mut stream = pin!(stream);
    if stream.shutdown().await.is_ok() {
        // The limit also ends a client that never stops sending.
        let _ = stop.run_until_cancelled(timeout(limit, copy(&mut stream, &mut sink()))).await;
    }
}

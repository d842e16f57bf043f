//! Line that the meters are on.

use std::{future::Future, io};

use tokio::time::{Instant, timeout_at};
use transport::Connection;

/// Line that the meters are on: a level converter's port, or a simulated one.
pub(crate) trait Line: Send {
    /// Sends all of `bytes`, and returns when the last one is on the line.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Waits for bytes until `deadline` and reads those that are there. Returns their number, 0 if none came.
    fn read(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Changes the speed.
    fn set_baud(&mut self, baud: u32) -> io::Result<()>;
}

impl Line for Connection {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        Self::send(self, bytes).await
    }

    async fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        match timeout_at(deadline, Self::read(self, buffer)).await {
            Ok(read) => read,
            Err(_) => Ok(0),
        }
    }

    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        Self::set_baud(self, baud)
    }
}

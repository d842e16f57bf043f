//! HTTP.
use crate::{Commands, Server, Store};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
/// The API.
pub struct Api;
impl Api {
    /// New.
    pub fn new(_store: Arc<Store>, _commands: Commands, _server: &Server, _simulated: bool) -> Self {
        Self
    }
}
/// Serves.
pub async fn serve(_listener: tokio::net::TcpListener, _api: Api, stop: CancellationToken) {
    stop.cancelled().await
}

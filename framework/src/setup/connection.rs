//! Tests of connections to the remote servers of publishers.

use std::time::Duration;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{AnyPublisher, ConfiguredPublisher, PublishError};

/// Longest test of a connection.
const LIMIT: Duration = Duration::from_secs(15);

/// Returns the names in a table of a text: in `publishers`, or in `sources`.
pub(super) fn names_in(key: &str, text: &str) -> Vec<String> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    match table.get_ref().get(key).map(Spanned::get_ref) {
        Some(DeValue::Table(sections)) => sections.keys().map(|key| key.get_ref().to_string()).collect(),
        _ => Vec::new(),
    }
}

/// Connects to the remote server of a publisher as the publisher would, on a thread of its own, and returns the server's
/// answer for people. Nothing is delivered.
///
/// # Errors
/// Returns the reason why the publisher could deliver nothing.
pub async fn test_connection(
    mut publisher: ConfiguredPublisher<AnyPublisher>,
) -> Result<String, PublishError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        let result = runtime.block_on(async {
            tokio::time::timeout(LIMIT, publisher.publisher.test()).await.unwrap_or_else(|_| {
                Err(PublishError::unavailable(format!(
                    "the server did not answer within {} s",
                    LIMIT.as_secs()
                )))
            })
        });
        let _ = answer.send(result);
        runtime.block_on(publisher.publisher.close());
        drop(publisher);
        runtime.shutdown_background();
    };
    let failed = || PublishError::unavailable("the test ended without an answer");
    std::thread::Builder::new().name("test".to_owned()).spawn(run).map_err(|_| failed())?;
    answered.await.unwrap_or_else(|_| Err(failed()))
}

//! A publisher of either kind: of records, or of history.

use std::fmt;

use crate::{HistoryPublisher, PublishError, Publisher};

/// Publisher of a configuration.
pub enum AnyPublisher {
    /// It gets each record, from a cursor in the journal's log.
    Records(Box<dyn Publisher>),
    /// It brings its server up to date with the journal's hours.
    History(Box<dyn HistoryPublisher>),
}

impl fmt::Debug for AnyPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records(_) => "Records",
            Self::History(_) => "History",
        })
    }
}

impl AnyPublisher {
    /// Returns what two publishers cannot share, in words.
    pub fn exclusive(&self) -> Vec<String> {
        match self {
            Self::Records(publisher) => publisher.exclusive(),
            Self::History(publisher) => publisher.exclusive(),
        }
    }

    /// Finds out whether the remote server would take anything.
    ///
    /// # Errors
    /// Returns the reason for which nothing could be delivered, and what the person can do.
    pub async fn test(&mut self) -> Result<String, PublishError> {
        match self {
            Self::Records(publisher) => publisher.test().await,
            Self::History(publisher) => publisher.test().await,
        }
    }

    /// Closes the connection.
    pub async fn close(&mut self) {
        match self {
            Self::Records(publisher) => publisher.close().await,
            Self::History(publisher) => publisher.close().await,
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for dyn super::Publisher {}
    impl Sealed for dyn super::HistoryPublisher {}
}

/// Kind of publisher that a plugin builds: `dyn Publisher` or `dyn HistoryPublisher`.
pub trait PublisherKind: sealed::Sealed {
    /// Whether it gets whole hours of the journal, and no records.
    const IS_OF_HISTORY: bool;

    /// Returns it as one of either kind.
    fn into_any(self: Box<Self>) -> AnyPublisher;

    /// Returns one of this kind; `None` if it is of the other.
    fn of(any: AnyPublisher) -> Option<Box<Self>>;
}

impl PublisherKind for dyn Publisher {
    const IS_OF_HISTORY: bool = false;

    fn into_any(self: Box<Self>) -> AnyPublisher {
        AnyPublisher::Records(self)
    }

    fn of(any: AnyPublisher) -> Option<Box<Self>> {
        match any {
            AnyPublisher::Records(publisher) => Some(publisher),
            AnyPublisher::History(_) => None,
        }
    }
}

impl PublisherKind for dyn HistoryPublisher {
    const IS_OF_HISTORY: bool = true;

    fn into_any(self: Box<Self>) -> AnyPublisher {
        AnyPublisher::History(self)
    }

    fn of(any: AnyPublisher) -> Option<Box<Self>> {
        match any {
            AnyPublisher::Records(_) => None,
            AnyPublisher::History(publisher) => Some(publisher),
        }
    }
}

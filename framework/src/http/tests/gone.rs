//! Clients that disconnect while their answer is computed.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::journal::{
    ReadError,
    testing::{Household, at, named, sample},
};

#[tokio::test]
async fn a_walk_through_the_journal_ends_when_its_client_has_disconnected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    let time = at("2026-11-01T12:00:00Z");
    household.store(&named("grid", "E", "kWh"), "1.8.0", &[sample(time, 12_500)], &[]);
    let store = Setup::default().store;
    let costs = Arc::new(crate::Costs::new(household.open(&path), Arc::default()));
    let history = Arc::new(super::super::history::History::new(costs, store));
    let (begun, ended) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let of_walk = (Arc::clone(&begun), Arc::clone(&ended));
    // A bill of a year walks so through its quarter-hours; this one has no end.
    let routes = history.route(
        "walk",
        |_| Ok(()),
        move |(), view, _, _| {
            let edges = [0, 900];
            of_walk.0.store(true, Ordering::Relaxed);
            loop {
                let series = view.find("grid", "E", None);
                let amounts = series.and_then(|series| series.consumption_between(&edges, true));
                if let Err(error) = amounts {
                    of_walk.1.store(matches!(error, ReadError::Unwanted), Ordering::Relaxed);
                    return Err(error);
                }
            }
        },
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let access = Setup::default().api().access();
    let routes = routes.or(warp::any().map(warp::reply::Response::default)).unify();
    let served = tokio::spawn(super::super::serve_routes(listener, routes, access, stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /walk HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until(&begun).await;
    assert!(!ended.load(Ordering::Relaxed));
    drop(client);
    until(&ended).await;
    stop.cancel();
    served.await.unwrap();
}

async fn until(flag: &AtomicBool) {
    let wait = async {
        while !flag.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // A client that has closed may still read, as far as the server sees, so that the limit of a request ends the walk.
    tokio::time::timeout(Duration::from_secs(60), wait).await.expect("in time");
}

//! The short ways to make a source.

use std::{
    future::{pending, ready},
    io,
    time::Duration,
};

use futures_util::{FutureExt as _, stream};

use crate::{AcquireError, Batch, Mode, Reading, Source};

fn batch(n: i64) -> Batch {
    Batch::now(vec![Reading::number("n", n)])
}

fn shown(acquired: Result<Option<Batch>, AcquireError>) -> String {
    match acquired {
        Ok(Some(batch)) => serde_json::to_string(&batch.readings[0].value).unwrap(),
        Ok(None) => "nothing".to_owned(),
        Err(error) => crate::with_causes(&error),
    }
}

#[tokio::test]
async fn a_closure_that_blocks_is_a_source() {
    let mut n = 0;
    let mut source = Source::blocking(move || {
        n += 1;
        match n {
            1 => Ok(Some(batch(1))),
            2 => Ok(None),
            3 => Err(io::Error::from(io::ErrorKind::NotFound))?,
            4 => panic!("a bug"),
            n => Ok(Some(batch(n))),
        }
    })
    .acquisition;
    source.open().await.unwrap();
    for expected in ["1", "nothing", " is not available: entity not found"] {
        assert_eq!(shown(source.acquire().await), expected);
    }
    let panicked = crate::panic::caught(source.acquire()).await.unwrap_err();
    assert_eq!((panicked.as_str(), &*shown(source.acquire().await)), ("a bug", "5"));
}

#[tokio::test]
async fn a_closure_that_still_blocks_is_waited_for_and_never_run_twice() {
    let (go, gone) = std::sync::mpsc::channel();
    let mut runs = 0;
    let mut source = Source::blocking(move || {
        runs += 1;
        gone.recv().unwrap();
        Ok(Some(batch(runs)))
    })
    .acquisition;
    for _ in 0..3 {
        assert!(source.acquire().now_or_never().is_none());
    }
    go.send(()).unwrap();
    assert_eq!(shown(source.acquire().await), "1");
    go.send(()).unwrap();
    assert_eq!(shown(source.acquire().await), "2");
}

#[tokio::test]
async fn a_stream_of_batches_is_a_source_that_is_opened_again() {
    let mut opened = 0;
    let source = Source::stream(move || {
        opened += 1;
        let items = [Ok(batch(opened)), Err(AcquireError::malformed("noise"))];
        ready(Ok(stream::iter(items)))
    });
    assert_eq!(source.mode, Some(Mode::Push), "it is never polled");
    let mut source = source.acquisition;
    for expected in ["1", "2"] {
        source.open().await.unwrap();
        assert_eq!(shown(source.acquire().await), expected);
        assert_eq!(shown(source.acquire().await), "noise");
        let ended = source.acquire().await.unwrap_err();
        assert!(matches!(ended, AcquireError::Unavailable { .. }), "{ended:?}");
        source.close().await;
    }
    let mut missing = Source::stream(|| async {
        Err::<stream::Empty<_>, _>(io::Error::from(io::ErrorKind::ConnectionRefused).into())
    });
    assert_eq!(
        shown(missing.acquisition.open().await.map(|()| None)),
        " is not available: connection refused"
    );
    let mut silent = Source::stream(|| async { Ok(stream::once(pending())) }).acquisition;
    silent.open().await.unwrap();
    assert!(silent.acquire().now_or_never().is_none());
}

#[tokio::test]
async fn a_source_may_have_commands_only() {
    let source = Source::commands_only();
    assert_eq!(source.mode, Some(Mode::Push), "it is never polled");
    let mut source = source.acquisition;
    source.open().await.unwrap();
    assert_eq!(shown(source.acquire().await), "nothing");
    assert!(source.acquire().now_or_never().is_none());
}

#[test]
fn errors_have_short_constructors() {
    let chain = |error: AcquireError| crate::with_causes(&error.of_device("/dev/x"));
    let busy = AcquireError::unavailable("429 Too Many Requests").retry_after(Duration::from_secs(60));
    assert!(
        matches!(busy, AcquireError::Unavailable { retry_after: Some(pause), .. } if pause.as_secs() == 60)
    );
    for (error, expected) in [
        (busy, "/dev/x is not available: 429 Too Many Requests"),
        (io::Error::from(io::ErrorKind::NotFound).into(), "/dev/x is not available: entity not found"),
        (AcquireError::silent(Duration::from_secs(5)), "nothing arrived from /dev/x for 5s"),
        (AcquireError::silent(Duration::from_micros(1_462_500)), "nothing arrived from /dev/x for 1.5s"),
        (AcquireError::silent(Duration::from_millis(30_499)), "nothing arrived from /dev/x for 30s"),
        (AcquireError::silent(Duration::from_millis(20)), "nothing arrived from /dev/x for 20ms"),
        (AcquireError::malformed("noise"), "noise"),
        (AcquireError::misconfigured("write `plugin = \"x\"`"), "write `plugin = \"x\"`"),
        (AcquireError::fatal("no such kernel"), "no such kernel"),
    ] {
        assert_eq!(chain(error), expected);
    }
}

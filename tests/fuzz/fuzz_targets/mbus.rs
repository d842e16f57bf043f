//! Arbitrary bytes into `plugin = "mbus"`: frames, headers, records, names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mbus::{Order, Record, Records, frame, members, naming};
use plugin_mbus as _;
use telegram::{Keys, protocols};

fuzz_target!(|bytes: &[u8]| {
    for protocol in protocols().into_iter().filter(|protocol| protocol.kind == "mbus") {
        (protocol.decode)(bytes, &Keys::default(), &mut drop);
        if let Some(Ok(hidden)) = protocol.anonymise.map(|anonymise| anonymise(bytes, &Keys::PUBLIC)) {
            assert_eq!(hidden.bytes.len(), bytes.len());
        }
    }
    // Most bytes have no right checksum: the records are reached without one.
    for order in [Order::LowFirst, Order::HighFirst] {
        Records::new(bytes, order).filter_map(Result::ok).for_each(|record| show(&record));
    }
    let _ = frame::find(bytes);
});

/// What is shown of a record must not panic either.
fn show(record: &Record<'_>) {
    for device_type in [None, Some(2), Some(4)] {
        let _ = members::reading(record, device_type);
        let _ = naming::name(record, device_type);
    }
    let _ = members::of_record(record);
}

//! Meters on a bus behind a real pseudo terminal.

use std::path::Path;

use framework::{AcquireError, Batch, testing};
use plugin_mbus::Mbus;
use simulator::{
    Pty,
    mbus::{MbusBus, MbusConverter, MbusMeter, five_meters, water_records},
};

/// Reads once with this configuration.
async fn read(config: &str) -> Result<Option<Batch>, AcquireError> {
    let mut source = testing::source::<Mbus>(config, Path::new("/nonexistent")).acquisition;
    source.open().await?;
    let batch = source.acquire().await;
    source.close().await;
    batch
}

fn section(port: &Path, keys: &str) -> String {
    format!("[sources.m]\nplugin = \"mbus\"\nport = \"{}\"\n{keys}", port.display())
}

fn shown(batch: &Batch, name: &str) -> String {
    let reading = batch.get(name).unwrap_or_else(|| panic!("{name} in {batch:?}"));
    serde_json::to_string(&reading.value).unwrap()
}

#[tokio::test]
async fn five_meters_of_one_bus_are_read_whatever_they_do() {
    let converter = five_meters().unwrap();
    let config = section(
        converter.port(),
        "[sources.m.meters.slow]\naddress = 1\n\
         [sources.m.meters.left]\nsecondary = \"10000002\"\n\
         [sources.m.meters.right]\nsecondary = \"10000003-TST-01-07\"\n\
         [sources.m.meters.shaky]\naddress = 3\n\
         [sources.m.meters.long]\naddress = 4\n",
    );
    let batch = read(&config).await.unwrap().unwrap();
    for (name, expected) in [
        ("slow_energy", "12345.0"),
        ("left_volume", "111.222"),
        ("right_volume", "333.444"),
        ("shaky_volume", "555.666"),
        ("long_energy", "98765.0"),
        ("long_power", "1500"),
    ] {
        assert_eq!(shown(&batch, name), expected, "{name}");
    }
}

#[tokio::test]
async fn sources_of_two_threads_share_the_bus() {
    let converter = five_meters().unwrap();
    let configs = ["address = 4", "secondary = \"10000002\"", "secondary = \"10000003\""]
        .map(|keys| section(converter.port(), keys));
    // A runtime each, as in the program.
    let threads = configs.map(|config| {
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut source = testing::source::<Mbus>(&config, Path::new("/nonexistent")).acquisition;
                source.open().await.unwrap();
                let mut batches = Vec::new();
                for _ in 0..3 {
                    batches.extend(source.acquire().await.unwrap());
                }
                source.close().await;
                batches
            })
        })
    });
    let batches = threads.map(|thread| thread.join().unwrap());
    assert_eq!(shown(&batches[0][0], "energy"), "98765.0");
    assert_eq!(shown(&batches[1][0], "volume"), "111.222");
    assert_eq!(shown(&batches[2][0], "volume"), "333.444");
}

#[tokio::test]
async fn a_converter_that_was_unplugged_is_looked_for_often() {
    let error = read(&section(Path::new("/dev/no-such-port"), "address = 1\n")).await.unwrap_err();
    let AcquireError::Unavailable { device, retry_within: Some(pause), .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!((&*device, pause.as_secs()), ("/dev/no-such-port", 2));
}

#[tokio::test]
async fn a_meter_that_speaks_slower_is_told_to_change_its_speed() {
    let mut meter = MbusMeter::new(7, 0x77, 7, water_records(7007));
    meter.baud = Some(2400);
    let converter = MbusConverter::start(Pty::open().unwrap(), MbusBus::new([meter])).unwrap();
    let config = section(converter.port(), "[sources.m.meters.fast]\naddress = 7\nbaud = 9600\n");
    let batch = read(&config).await.unwrap().unwrap();
    assert_eq!(shown(&batch, "fast_volume"), "7.007");
    converter.change(|bus| assert_eq!(bus.meters()[0].baud, Some(9600)));
}

#[tokio::test]
async fn a_silent_bus_is_told_of_as_silence_and_a_collision_as_damage() {
    let converter = five_meters().unwrap();
    let silent = read(&section(converter.port(), "address = 99\n")).await.unwrap_err();
    assert!(matches!(silent, AcquireError::Silent { .. }), "{silent:?}");
    let collision = read(&section(converter.port(), "address = 2\n")).await.unwrap_err();
    let AcquireError::Malformed { reason } = collision else { panic!("{collision:?}") };
    assert!(reason.contains("if two meters have this address"), "{reason}");
    assert!(reason.contains("are `baud`, the parity (8E1) and the wiring right?"), "{reason}");
}

#[tokio::test]
async fn all_meters_whose_answers_are_damaged_are_named() {
    let converter = five_meters().unwrap();
    let keys = "[sources.m.meters.left]\naddress = 2\n[sources.m.meters.right]\naddress = 254\n";
    let AcquireError::Malformed { reason } = read(&section(converter.port(), keys)).await.unwrap_err() else {
        panic!("expected damage");
    };
    assert!(reason.starts_with("left, right cannot be read: its answers are damaged"), "{reason}");
}

#[tokio::test]
async fn a_counter_that_jumps_is_left_out_and_believed_once_the_meter_insists() {
    let converter = MbusConverter::start(
        Pty::open().unwrap(),
        MbusBus::new([MbusMeter::new(7, 0x77, 7, water_records(4000))]),
    )
    .unwrap();
    let config = section(converter.port(), "[sources.m.meters.cold]\naddress = 7\n");
    let mut source = testing::source::<Mbus>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    let mut shown = Vec::new();
    for litres in [4000, 3900, 4001, 99_999_999, 4002, 7, 7, 8] {
        converter.change(|bus| bus.meters()[0].parts = vec![water_records(litres)]);
        let batch = source.acquire().await.unwrap().unwrap();
        let volume = batch.get("cold_volume").map(|reading| serde_json::to_string(&reading.value).unwrap());
        shown.push(volume.unwrap_or_default());
    }
    source.close().await;
    assert_eq!(shown, ["4.0", "", "4.001", "", "4.002", "", "", "0.008"]);
}

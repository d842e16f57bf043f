//! Speed of decoding, judging and converting telegrams: `cargo bench -p plugin-tic`.

use plugin_tic::decoder::Decoder;
use simulator::Moment;
use telegram_testing::speed::{self, TELEGRAMS};
use test_meters::{
    tic::{self, Contract},
    uart::seven_e_one,
};

fn main() {
    for (name, telegram) in [
        ("standard, 7E1", standard as fn(u64) -> Vec<u8>),
        ("standard, without parity", |second| tic::standard(&moment(second))),
        ("historique", |second| tic::historique(&moment(second), Contract::OffPeak)),
    ] {
        speed::decode::<Decoder>(name, &(0..TELEGRAMS).flat_map(telegram).collect::<Vec<_>>());
    }
    speed::judge_and_convert::<Decoder>("standard", &standard(0));
}

fn standard(second: u64) -> Vec<u8> {
    let mut telegram = tic::standard(&moment(second));
    seven_e_one(&mut telegram);
    telegram
}

/// A moment of a household that draws 2 kW.
fn moment(second: u64) -> Moment {
    let sample = Moment::sample();
    Moment { second, import: sample.import + second as i64 * 200_000, ..sample }
}

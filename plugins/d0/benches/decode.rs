//! Speed of decoding, judging and converting telegrams: `cargo bench -p plugin-d0`.

use plugin_d0::decoder::Decoder;
use simulator::Household;
use telegram_testing::speed::{self, TELEGRAMS};
use test_meters::p1;

fn main() {
    let plain = recording(false);
    let dsmr = dsmr();
    for (name, bytes) in [("plain", &plain), ("7E1", &recording(true)), ("DSMR", &dsmr)] {
        speed::decode::<Decoder>(name, bytes);
    }
    for (name, bytes) in [("plain", &plain), ("DSMR", &dsmr)] {
        speed::judge_and_convert::<Decoder>(name, &bytes[..bytes.len() / TELEGRAMS as usize]);
    }
}

/// Telegrams in the manner of an eBZ DD3, one second apart.
fn recording(parity: bool) -> Vec<u8> {
    let mut text = String::new();
    for second in 0..TELEGRAMS {
        text.push_str(&format!(
            "/EBZ5DD32R06ETA_107\r\n\r\n\
             1-0:0.0.0*255(1EBZ0100000042)\r\n\
             1-0:96.1.0*255(1EBZ0100000042)\r\n\
             1-0:1.8.0*255(002714.{:08}*kWh)\r\n\
             1-0:2.8.0*255(000001.20600000*kWh)\r\n\
             1-0:16.7.0*255(000{}.26*W)\r\n\
             1-0:36.7.0*255(000157.64*W)\r\n\
             1-0:56.7.0*255(000015.64*W)\r\n\
             1-0:76.7.0*255(000037.98*W)\r\n\
             1-0:96.5.0*255(001C0104)\r\n\
             0-0:96.8.0*255({:08X})\r\n\
             !\r\n",
            second * 6,
            200 + second % 100,
            0x02FA_B8BF + second,
        ));
    }
    let mut bytes = text.into_bytes();
    if parity {
        bytes.iter_mut().for_each(|byte| *byte |= (byte.count_ones() as u8 & 1) << 7);
    }
    bytes
}

/// Telegrams in the manner of DSMR 5, one second apart.
fn dsmr() -> Vec<u8> {
    let mut household = Household::new(1);
    (0..TELEGRAMS).flat_map(|_| p1::telegram(&household.advance(), p1::Version::V5).into_bytes()).collect()
}

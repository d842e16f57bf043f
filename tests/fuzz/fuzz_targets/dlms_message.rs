//! Arbitrary messages, encrypted and framed as a meter does it, into `plugin = "dlms"`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_dlms::{
    Dlms,
    decoder::{Decoder, Options},
};
use simulator::dlms::{DlmsMeter, Framing};
use telegram::{Key, Keys};

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, message)) = bytes.split_first() else { return };
    let framing = [Framing::Hdlc, Framing::Mbus, Framing::Bare][usize::from(how % 3)];
    let mut meter = DlmsMeter::new(framing);
    if let Some(key) = Keys::PUBLIC.key.filter(|_| how & 4 == 0) {
        let authentication_key = Keys::PUBLIC.authentication_key.filter(|_| how & 8 == 0);
        meter = meter.encrypted(*key.reveal(), authentication_key.as_ref().map(Key::reveal).copied());
    }
    let decoder = Decoder::new(Options { keys: Keys::PUBLIC, ..Options::default() });
    // Chunks of 251 bytes.
    let line: Vec<u8> = meter.push(message).chunks(251).flat_map(|chunk| [&[250], chunk].concat()).collect();
    fuzz::meter_by::<Dlms, Decoder>(decoder, &line);
});

//! AES-128 as meters use it: CBC, CTR, CMAC and the keys derived by it.

use aes::{
    Aes128,
    cipher::{
        BlockModeDecrypt as _, BlockModeEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _,
        block_padding::NoPadding,
    },
};
use cmac::{Cmac, Mac as _};

/// Key of a meter.
pub type AesKey = [u8; 16];
/// Size of a block in bytes.
pub(super) const BLOCK: usize = 16;

/// Decrypts whole blocks in place; the rest of `data` stays as it is.
pub(super) fn decrypt_cbc(key: &AesKey, iv: &[u8; BLOCK], data: &mut [u8]) {
    let whole = data.len() - data.len() % BLOCK;
    let cipher = cbc::Decryptor::<Aes128>::new(key.into(), iv.into());
    // Whole blocks without padding always fit.
    let _ = cipher.decrypt_padded::<NoPadding>(&mut data[..whole]);
}

/// Encrypts whole blocks in place; the rest of `data` stays as it is.
pub(super) fn encrypt_cbc(key: &AesKey, iv: &[u8; BLOCK], data: &mut [u8]) {
    let whole = data.len() - data.len() % BLOCK;
    let cipher = cbc::Encryptor::<Aes128>::new(key.into(), iv.into());
    // Whole blocks without padding always fit.
    let _ = cipher.encrypt_padded::<NoPadding>(&mut data[..whole], whole);
}

/// Decrypts or encrypts in place, with a counter that begins at `counter_block`.
pub(super) fn apply_ctr(key: &AesKey, counter_block: &[u8; BLOCK], data: &mut [u8]) {
    ctr::Ctr128BE::<Aes128>::new(key.into(), counter_block.into()).apply_keystream(data);
}

/// Returns the CMAC of `parts` one after the other.
pub(super) fn cmac(key: &AesKey, parts: &[&[u8]]) -> [u8; BLOCK] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Returns the number of bytes of a message authentication code by its control byte, the MCL (EN 13757-7, clause 6.3);
/// `None` for a reserved one.
pub(super) fn mac_len(control: u8) -> Option<usize> {
    match control & 0x0F {
        3 => Some(2),
        4 => Some(4),
        5 => Some(8),
        6 => Some(12),
        7 => Some(16),
        _ => None,
    }
}

/// Use of a derived key, for telegrams from the meter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Encryption = 0x00,
    Mac = 0x01,
}

/// Returns the key that KDF-A (EN 13757-7, OMS volume 2 clause 9) derives of the meter's own. `counter` and `id` are as
/// sent.
pub(super) fn derived_key(key: &AesKey, purpose: Purpose, counter: [u8; 4], id: [u8; 4]) -> AesKey {
    cmac(key, &[&[purpose as u8], &counter, &id, &[0x07; 7]])
}

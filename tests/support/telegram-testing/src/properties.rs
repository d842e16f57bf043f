//! Properties of decoders, for every stream of bytes.

use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use telegram::Decoder;

use crate::{Found, decode};

/// Checks that the same is found, whether the bytes are cut at these places, after each byte, or nowhere.
///
/// # Errors
/// Fails when it is not.
pub fn chunks_make_no_difference<D: Decoder + Default>(
    bytes: &[u8],
    mut cuts: Vec<usize>,
) -> Result<(), TestCaseError> {
    cuts.sort_unstable();
    let at_once = decode(D::default(), bytes, &[]);
    prop_assert_eq!(&decode(D::default(), bytes, &cuts), &at_once);
    let each: Vec<_> = (0..bytes.len()).collect();
    prop_assert_eq!(&decode(D::default(), bytes, &each), &at_once);
    Ok(())
}

/// Checks that each telegram is found after the one before, and inside the stream.
///
/// # Errors
/// Fails when one is not.
pub fn offsets_rise<D: Decoder + Default>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let found = decode(D::default(), bytes, &[]);
    let offset =
        |found: &Found<_>| found.as_ref().map_or_else(|rejected| rejected.offset, |telegram| telegram.offset);
    let offsets: Vec<_> = found.iter().map(offset).collect();
    prop_assert!(offsets.is_sorted_by(|a, b| a < b), "{:?}", offsets);
    prop_assert!(offsets.iter().all(|&offset| offset < bytes.len() as u64));
    Ok(())
}

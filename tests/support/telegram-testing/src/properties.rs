//! Properties of decoders, for every stream of bytes.

#[doc(hidden)]
pub use proptest;
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use telegram::Decoder;

use crate::{Found, decode};

/// Tests these properties of a decoder with the bytes of a strategy; one that has keys is made by a third argument.
#[macro_export]
macro_rules! decoder_properties {
    ($decoder:ty, $bytes:expr) => {
        $crate::decoder_properties!($decoder, $bytes, <$decoder>::default);
    };
    ($decoder:ty, $bytes:expr, $new:expr) => {
        $crate::properties::proptest::proptest! {
            // A failure prints its input, which belongs into a test instead of a file.
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn chunks_make_no_difference(bytes in $bytes, cuts in vec(0usize..2000, 0..20)) {
                $crate::properties::chunks_make_no_difference::<$decoder>($new, &bytes, cuts)?;
            }

            #[test]
            fn offsets_rise(bytes in $bytes) {
                $crate::properties::offsets_rise::<$decoder>($new, &bytes)?;
            }
        }
    };
}

/// Checks that the same is found, whether the bytes are cut at these places, after each byte, or nowhere.
///
/// # Errors
/// Fails when it is not.
pub fn chunks_make_no_difference<D: Decoder>(
    new: impl Fn() -> D,
    bytes: &[u8],
    mut cuts: Vec<usize>,
) -> Result<(), TestCaseError> {
    cuts.sort_unstable();
    let at_once = decode(new(), bytes, &[]);
    prop_assert_eq!(&decode(new(), bytes, &cuts), &at_once);
    let each: Vec<_> = (0..bytes.len()).collect();
    prop_assert_eq!(&decode(new(), bytes, &each), &at_once);
    Ok(())
}

/// Checks that each telegram is found after the one before, and inside the stream.
///
/// # Errors
/// Fails when one is not.
pub fn offsets_rise<D: Decoder>(new: impl Fn() -> D, bytes: &[u8]) -> Result<(), TestCaseError> {
    let found = decode(new(), bytes, &[]);
    let offset =
        |found: &Found<_>| found.as_ref().map_or_else(|rejected| rejected.offset, |telegram| telegram.offset);
    let offsets: Vec<_> = found.iter().map(offset).collect();
    prop_assert!(offsets.is_sorted_by(|a, b| a < b), "{:?}", offsets);
    prop_assert!(offsets.iter().all(|&offset| offset < bytes.len() as u64));
    Ok(())
}

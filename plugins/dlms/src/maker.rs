//! Makers, by the three letters at the beginning of a system title (FLAG Association).

use crate::cipher::Title;

const MAKERS: [(&[u8; 3], &str); 18] = [
    (b"AUX", "Ningbo Sanxing (AUX)"),
    (b"AID", "Aidon"),
    (b"ADN", "Aidon"),
    (b"EGM", "Elgama"),
    (b"ELS", "Elster/Honeywell"),
    (b"EMH", "EMH"),
    (b"EMR", "Energomera"),
    (b"ESY", "EasyMeter"),
    (b"HXE", "Hexing"),
    (b"ISK", "Iskraemeco"),
    (b"ITR", "Itron"),
    (b"KAM", "Kamstrup"),
    (b"KFM", "Kaifa"),
    (b"LGZ", "Landis+Gyr"),
    (b"NES", "NES"),
    (b"SAG", "Sagemcom"),
    (b"SAC", "Sagemcom"),
    (b"ZIV", "ZIV"),
];

/// Returns the name of the maker; the letters where it is not known, `None` where there are none.
pub(crate) fn name(title: Title) -> Option<String> {
    let letters = title.first_chunk::<3>()?;
    if let Some((_, name)) = MAKERS.iter().find(|(known, _)| *known == letters) {
        return Some((*name).to_owned());
    }
    letters.iter().all(u8::is_ascii_uppercase).then(|| String::from_utf8_lossy(letters).into_owned())
}

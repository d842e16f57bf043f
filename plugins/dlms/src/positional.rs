//! Lists without codes: a table of what stands at which place.

/// Kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Clock,
}

/// Value at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) code: [u8; 6],
    kind: Kind,
    /// Scale and unit of a number.
    pub(crate) scale: Option<(i8, &'static str)>,
}

/// List of one kind of meter.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Beginning of the name in its first value.
    name: &'static str,
    pub(crate) is_kaifa: bool,
    pub(crate) columns: &'static [Column],
}

const fn number(c: u8, d: u8, scale: i8, unit: &'static str) -> Column {
    Column { code: [1, 0, c, d, 0, 255], kind: Kind::Number, scale: Some((scale, unit)) }
}

const fn text(code: [u8; 6]) -> Column {
    Column { code, kind: Kind::Text, scale: None }
}

const CLOCK: Column = Column { code: [0, 0, 1, 0, 0, 255], kind: Kind::Clock, scale: None };
const LIST_NAME: Column = text([1, 1, 0, 2, 129, 255]);
const METER_NUMBER: Column = text([0, 0, 96, 1, 0, 255]);
const METER_TYPE: Column = text([0, 0, 96, 1, 7, 255]);
/// Name of the logical device.
const DEVICE_NAME: Column = text([0, 0, 42, 0, 0, 255]);
const IMPORT: Column = number(1, 7, 0, "W");
const EXPORT: Column = number(2, 7, 0, "W");
const REACTIVE_IMPORT: Column = number(3, 7, 0, "var");
const REACTIVE_EXPORT: Column = number(4, 7, 0, "var");
const IMPORTED: Column = number(1, 8, 0, "Wh");
const EXPORTED: Column = number(2, 8, 0, "Wh");
const REACTIVE_IMPORTED: Column = number(3, 8, 0, "varh");
const REACTIVE_EXPORTED: Column = number(4, 8, 0, "varh");

/// List 1 of Kaifa's KFM_001: active power alone, every 2 s.
const KAIFA_1: Layout = Layout { name: "", is_kaifa: true, columns: &[IMPORT] };

/// Lists of Kaifa's KFM_001 with one phase: 9 values, and 14 each hour; with three: 13 and 18.
const KAIFA_ONE_PHASE: &[Column] = &[
    LIST_NAME,
    METER_NUMBER,
    METER_TYPE,
    IMPORT,
    EXPORT,
    REACTIVE_IMPORT,
    REACTIVE_EXPORT,
    number(31, 7, -3, "A"),
    number(32, 7, -1, "V"),
    CLOCK,
    IMPORTED,
    EXPORTED,
    REACTIVE_IMPORTED,
    REACTIVE_EXPORTED,
];
const KAIFA_THREE_PHASES: &[Column] = &[
    LIST_NAME,
    METER_NUMBER,
    METER_TYPE,
    IMPORT,
    EXPORT,
    REACTIVE_IMPORT,
    REACTIVE_EXPORT,
    number(31, 7, -3, "A"),
    number(51, 7, -3, "A"),
    number(71, 7, -3, "A"),
    number(32, 7, -1, "V"),
    number(52, 7, -1, "V"),
    number(72, 7, -1, "V"),
    CLOCK,
    IMPORTED,
    EXPORTED,
    REACTIVE_IMPORTED,
    REACTIVE_EXPORTED,
];

/// Angles are degrees from the voltage of L1; 400 where no current flows.
const fn angle(e: u8) -> Column {
    Column { code: [1, 0, 81, 7, e, 255], kind: Kind::Number, scale: Some((0, "°")) }
}

const LAYOUTS: &[Layout] = &[
    Layout { name: "KFM_001", is_kaifa: true, columns: KAIFA_ONE_PHASE.split_at(9).0 },
    Layout { name: "KFM_001", is_kaifa: true, columns: KAIFA_ONE_PHASE },
    Layout { name: "KFM_001", is_kaifa: true, columns: KAIFA_THREE_PHASES.split_at(13).0 },
    Layout { name: "KFM_001", is_kaifa: true, columns: KAIFA_THREE_PHASES },
    // Landis+Gyr E450 of Wiener Netze.
    Layout {
        name: "",
        is_kaifa: false,
        columns: &[
            CLOCK,
            IMPORTED,
            EXPORTED,
            REACTIVE_IMPORTED,
            REACTIVE_EXPORTED,
            IMPORT,
            EXPORT,
            REACTIVE_IMPORT,
            REACTIVE_EXPORT,
        ],
    },
    // Landis+Gyr E450 of Netz Burgenland.
    Layout {
        name: "",
        is_kaifa: false,
        columns: &[
            number(32, 7, 0, "V"),
            number(52, 7, 0, "V"),
            number(72, 7, 0, "V"),
            number(31, 7, -2, "A"),
            number(51, 7, -2, "A"),
            number(71, 7, -2, "A"),
            IMPORT,
            EXPORT,
            IMPORTED,
            EXPORTED,
            angle(40),
            angle(51),
            angle(62),
            METER_NUMBER,
        ],
    },
    // Iskraemeco AM550 in Slovenia.
    Layout {
        name: "",
        is_kaifa: false,
        columns: &[
            DEVICE_NAME,
            LIST_NAME,
            IMPORT,
            EXPORT,
            REACTIVE_IMPORT,
            REACTIVE_EXPORT,
            number(32, 7, -1, "V"),
            number(52, 7, -1, "V"),
            number(72, 7, -1, "V"),
            number(31, 7, -2, "A"),
            number(51, 7, -2, "A"),
            number(71, 7, -2, "A"),
            number(21, 7, 0, "W"),
            number(41, 7, 0, "W"),
            number(61, 7, 0, "W"),
            number(22, 7, 0, "W"),
            number(42, 7, 0, "W"),
            number(62, 7, 0, "W"),
        ],
    },
    // Iskraemeco AM550 of Elektro Celje.
    Layout {
        name: "",
        is_kaifa: false,
        columns: &[
            DEVICE_NAME,
            LIST_NAME,
            number(32, 7, -1, "V"),
            number(52, 7, -1, "V"),
            number(72, 7, -1, "V"),
            number(31, 7, -2, "A"),
            number(51, 7, -2, "A"),
            number(71, 7, -2, "A"),
            IMPORT,
            EXPORT,
            REACTIVE_IMPORT,
            REACTIVE_EXPORT,
        ],
    },
];

/// Returns the layout whose number of values and their kinds are these. A single number is one of Kaifa's lists where the
/// same line carries its other ones too.
pub(crate) fn find(
    kinds: impl Iterator<Item = Option<Kind>> + Clone,
    name: &[u8],
    is_kaifa: bool,
) -> Option<&'static Layout> {
    let fits = |layout: &Layout| {
        let columns = layout.columns.iter().map(|column| Some(column.kind));
        kinds.clone().eq(columns) && name.starts_with(layout.name.as_bytes())
    };
    LAYOUTS.iter().find(|layout| fits(layout)).or((is_kaifa && fits(&KAIFA_1)).then_some(&KAIFA_1))
}

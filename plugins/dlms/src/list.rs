//! Layout of a list: which value belongs to which code.
//!
//! | layout | shape |
//! |---|---|
//! | objects | `{code, value, {scale, unit}}`, one inside the other or side by side in any mixture |
//! | push list | an array of the codes, and after it their values in the same order |
//! | positional | values alone: what they are, the place says |

use crate::{
    axdr::{self, Item, Items},
    clock::Clock,
    positional,
    registers::{Content, Registers},
    scales::Scales,
};

/// Knowledge of earlier lists from the same line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lists {
    /// One of them was a Norwegian list of Kaifa, whose shortest has a single number.
    pub(crate) kaifa: bool,
}

/// Reads all values of a message into `registers`.
pub(crate) fn read(
    bytes: &[u8],
    items: &Items,
    written: Scales,
    lists: &mut Lists,
    registers: &mut Registers,
) {
    registers.clear();
    let list = List { bytes, items };
    if list.has_codes(0) {
        if !list.push_list(registers) {
            list.objects(0, registers);
        }
    } else if let Some(layout) = list.positional(lists) {
        for (child, column) in items.children(0).zip(layout.columns) {
            list.column(child, column, written, registers);
        }
        return;
    }
    let model = registers.text_of(|code| matches!(code, Some([1, _, 96, 1, 1, _] | [0, _, 96, 1, 7, _])));
    let scales = written.or(Scales::of(registers.first_text(), model.unwrap_or_default()));
    registers.scale_bare(|code| scales.of_code(code), is_measured);
}

/// Returns whether a code is that of something with a unit or a scale.
fn is_measured([a, b, c, d, ..]: [u8; 6]) -> bool {
    let is_counter_of_another_meter = a == 0 && b > 0 && (c, d) == (24, 2);
    a > 0 && matches!(c, 1..=81) && matches!(d, 1..=63) || is_counter_of_another_meter
}

/// Returns the code in an octet string.
fn code(item: Item, bytes: &[u8]) -> Option<[u8; 6]> {
    let code: [u8; 6] = item.content(bytes).try_into().ok()?;
    (item.tag == axdr::OCTETS && code[0] <= 9).then_some(code)
}

fn is_clock(code: [u8; 6]) -> bool {
    matches!(code, [_, _, 1, 0, 0, _])
}

struct List<'a> {
    bytes: &'a [u8],
    items: &'a Items,
}

impl List<'_> {
    fn get(&self, index: usize) -> Option<Item> {
        self.items.get(index)
    }

    /// Returns whether there is a code anywhere in the list at `index`. Its depth is limited.
    fn has_codes(&self, index: usize) -> bool {
        self.items.children(index).any(|child| {
            self.get(child).is_some_and(|item| {
                if item.is_list() { self.has_codes(child) } else { code(item, self.bytes).is_some() }
            })
        })
    }

    /// Reads a push list; returns whether it is one.
    fn push_list(&self, registers: &mut Registers) -> bool {
        let mut values = self.items.children(0);
        let Some(first) = values.next() else { return false };
        let entry = |index| -> Option<[u8; 6]> {
            let mut fields = self.items.children(index);
            let class = self.get(fields.next()?)?;
            let code = code(self.get(fields.next()?)?, self.bytes)?;
            (class.tag == axdr::UINT16).then_some(code)
        };
        let is_array = self.get(first).is_some_and(|item| item.tag == axdr::ARRAY);
        let count = self.items.children(first).count();
        if !is_array
            || !self.items.children(first).all(|index| entry(index).is_some())
            || count != 1 + values.by_ref().count()
        {
            return false;
        }
        // Its first entry is the list itself.
        let codes = self.items.children(first).skip(1).filter_map(entry);
        for (code, value) in codes.zip(self.items.children(0).skip(1)) {
            self.value(Some(code), value, registers);
        }
        true
    }

    /// Reads codes, values, and scales with units, side by side or in lists of their own.
    fn objects(&self, index: usize, registers: &mut Registers) {
        let mut pending = None;
        // A scale belongs to the value just before it, and that of nothing to nothing.
        let (mut is_after_value, mut is_after_nothing) = (false, false);
        for child in self.items.children(index) {
            let Some(item) = self.get(child) else { return };
            if item.is_list() {
                match self.scale(child) {
                    Some((scaler, unit)) if is_after_value => registers.scale_last(scaler, unit),
                    Some(_) if is_after_nothing => {}
                    _ if pending.take().is_some() => {}
                    _ => self.objects(child, registers),
                }
                (is_after_value, is_after_nothing) = (false, false);
                continue;
            }
            if item.tag == axdr::NULL {
                // It is the value of a code, or fills the place of a missing phase.
                is_after_nothing = pending.take().is_some();
                is_after_value &= !is_after_nothing;
                continue;
            }
            (is_after_value, is_after_nothing) = (false, false);
            match (pending, code(item, self.bytes)) {
                (None, Some(code)) => pending = Some(code),
                _ => {
                    let before = registers.len();
                    self.value(pending.take(), child, registers);
                    // A number that is none is left out.
                    is_after_value = registers.len() > before;
                    is_after_nothing = !is_after_value;
                }
            }
        }
    }

    /// Reads scale and unit code.
    fn scale(&self, index: usize) -> Option<(i8, u8)> {
        let mut fields = self.items.children(index).map(|index| self.get(index));
        let (scaler, unit) = (fields.next()??, fields.next()??);
        if (scaler.tag, unit.tag) != (axdr::INT8, axdr::ENUM) || fields.next().is_some() {
            return None;
        }
        let &[scaler] = scaler.content(self.bytes) else { return None };
        let &[unit] = unit.content(self.bytes) else { return None };
        Some((scaler as i8, unit))
    }

    fn value(&self, code: Option<[u8; 6]>, index: usize, registers: &mut Registers) {
        let Some(item) = self.get(index) else { return };
        if let Some(content) = Content::read(item, self.bytes, code.is_none_or(is_clock)) {
            registers.push(code, content);
        }
    }

    /// Returns the layout of a list without codes.
    fn positional(&self, lists: &mut Lists) -> Option<&'static positional::Layout> {
        let children = self.items.children(0);
        let first = self.items.children(0).next().and_then(|index| self.get(index));
        let name = first.map(|item| item.content(self.bytes)).unwrap_or_default();
        let kinds = children.map(|index| self.get(index).and_then(|item| self.kind(item)));
        let layout = positional::find(kinds, name, lists.kaifa)?;
        lists.kaifa |= layout.is_kaifa;
        Some(layout)
    }

    fn kind(&self, item: Item) -> Option<positional::Kind> {
        match item.tag {
            axdr::OCTETS | axdr::DATE_TIME if Clock::read(item.content(self.bytes)).is_some() => {
                Some(positional::Kind::Clock)
            }
            axdr::OCTETS | axdr::VISIBLE | axdr::UTF8 => Some(positional::Kind::Text),
            axdr::INT16 | axdr::UINT16 | axdr::INT32 | axdr::UINT32 | axdr::INT64 | axdr::UINT64 => {
                Some(positional::Kind::Number)
            }
            _ => None,
        }
    }

    fn column(&self, index: usize, column: &positional::Column, written: Scales, registers: &mut Registers) {
        let before = registers.len();
        self.value(Some(column.code), index, registers);
        if let Some((scale, unit)) = column.scale {
            let scale = written.of_code(column.code).map_or(scale, |(written, _)| written);
            if registers.len() > before
                && let Some((_, entry)) = registers.entries_mut().last()
            {
                entry.scale(scale, Some(unit));
            }
        }
    }
}

//! States of sources: a few bytes of each, such as the count of a pulse counter, which are written with the next sync.
//!
//! A source that must not lose its state at a power cut would sync a file of its own each minute, which costs a memory
//! card a page more each time. In the log, the state is in a page that is written anyway.

use std::collections::BTreeMap;

use crate::wal::Open;
use reading::Text;

/// States that the sources of this run saved, and those that an earlier run left.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    states: BTreeMap<Text, State>,
    /// Never changed: what a source finds when it starts.
    pub(crate) earlier: BTreeMap<Text, Vec<u8>>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    is_written: bool,
}

impl Saved {
    /// Replaces the state of a source.
    pub(crate) fn set(&mut self, section: &Text, bytes: &[u8]) {
        if let Some(state) = self.states.get_mut(section) {
            state.bytes.clear();
            state.bytes.extend_from_slice(bytes);
            state.is_written = false;
        } else {
            let state = State { bytes: bytes.to_vec(), is_written: false };
            self.states.insert(section.clone(), state);
        }
    }

    /// Takes over what was saved before the journal was open.
    pub(crate) fn take_over(&mut self, before: &mut Self) {
        self.states.append(&mut before.states);
    }

    /// Appends all of them to a segment that begins.
    pub(crate) fn begin(&mut self, open: &mut Open) {
        self.states.iter_mut().for_each(|(section, state)| state.write(section, open));
    }

    /// Appends those that were set since they were written.
    pub(crate) fn write(&mut self, open: &mut Open) {
        let new = self.states.iter_mut().filter(|(_, state)| !state.is_written);
        new.for_each(|(section, state)| state.write(section, open));
    }
}

impl State {
    fn write(&mut self, section: &Text, open: &mut Open) {
        open.state(section, &self.bytes);
        self.is_written = true;
    }
}

//! Setup of the running program: the devices of this machine, and the dialogue in a terminal.

mod dialogue;
mod machine;
mod terminal;

pub(crate) use self::{
    dialogue::{mistakes_of, run as dialogue},
    machine::Machine,
};

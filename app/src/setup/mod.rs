//! Setup of the running program: the devices of this machine.

mod machine;

pub(crate) use self::machine::Machine;

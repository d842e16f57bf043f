//! Kinds of faults and problems, for clients that explain them in another language than the program's.

use std::io;

use reading::words;
use rustix::io::Errno;

words! {
    /// Kind of a fault or problem, with its word in `/health`. Its message says the rest.
    FaultCode {
        /// The device is not there.
        DeviceMissing = "device_missing",
        /// Another program uses the device.
        DeviceBusy = "device_busy",
        /// The system does not permit it.
        NotPermitted = "not_permitted",
        /// The disk is full.
        DiskFull = "disk_full",
        /// The file system is read-only.
        ReadOnly = "read_only",
        /// The device or server cannot be reached.
        Unreachable = "unreachable",
        /// The device is there, and sends nothing.
        Silent = "silent",
        /// The device sends what cannot be read.
        Unreadable = "unreadable",
        /// The configuration does not fit the device or server: a wrong password, another meter.
        WrongConfiguration = "wrong_configuration",
        /// The server will never accept a record.
        Refused = "refused",
        /// Something is kept in memory only, as it cannot be saved.
        NotSaved = "not_saved",
        /// A count may be wrong until a person confirms it.
        Unconfirmed = "unconfirmed",
        /// A source returns without a pause, and is slowed down.
        TooFast = "too_fast",
        /// It stopped permanently: only a new configuration helps.
        Stopped = "stopped",
        /// A bug of the program or a plugin.
        Bug = "bug",
    }
}

impl From<&io::Error> for FaultCode {
    fn from(error: &io::Error) -> Self {
        // A cause that a plugin has put into an error of its own.
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
        let gone = [Errno::NODEV, Errno::NXIO].map(|errno| Some(errno.raw_os_error()));
        match error.kind() {
            _ if gone.contains(&error.raw_os_error()) => Self::DeviceMissing,
            io::ErrorKind::NotFound => Self::DeviceMissing,
            io::ErrorKind::ResourceBusy => Self::DeviceBusy,
            io::ErrorKind::PermissionDenied => Self::NotPermitted,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::InvalidInput => Self::WrongConfiguration,
            _ => inner.map_or(Self::Unreachable, Self::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_system_has_the_kind_that_a_person_can_act_on() {
        let os = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        for (error, code) in [
            (os(Errno::NODEV), FaultCode::DeviceMissing),
            (os(Errno::NOENT), FaultCode::DeviceMissing),
            (os(Errno::BUSY), FaultCode::DeviceBusy),
            (os(Errno::ACCESS), FaultCode::NotPermitted),
            (os(Errno::NOSPC), FaultCode::DiskFull),
            (os(Errno::ROFS), FaultCode::ReadOnly),
            (os(Errno::CONNREFUSED), FaultCode::Unreachable),
            (io::Error::other(os(Errno::NOENT)), FaultCode::DeviceMissing),
            (io::Error::other("the server has no time"), FaultCode::Unreachable),
        ] {
            assert_eq!(FaultCode::from(&error), code, "{error}");
        }
    }
}

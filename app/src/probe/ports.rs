//! Serial ports at which reading heads may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use transport::Port;

/// Names of such ports: USB adapters, and the pins of a Raspberry Pi.
const PREFIXES: [&str; 3] = ["ttyUSB", "ttyACM", "ttyAMA"];

/// Returns the serial ports under `dev`: by the names that stay after replugging, then those without one.
pub(crate) fn serial(dev: &Path) -> Vec<Port> {
    let lasting = files(&dev.join("serial/by-id"));
    let known: Vec<_> = lasting.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let others = files(dev).into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_serial = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        is_serial && path.canonicalize().is_ok_and(|device| !known.contains(&device))
    });
    lasting.iter().cloned().chain(others).map(Port::Serial).collect()
}

/// Returns the name of the same device under `dev/serial/by-id`.
pub(super) fn by_id(dev: &Path, port: &Path) -> Option<PathBuf> {
    let device = port.canonicalize().ok()?;
    let mut names = files(&dev.join("serial/by-id")).into_iter();
    names.find(|name| name.canonicalize().is_ok_and(|other| other == device))
}

/// Returns the name of the adapter of a port, as its maker has written it into the adapter: `FTDI FT232R USB UART`.
pub(crate) fn adapter_name(sys: &Path, port: &Path) -> Option<String> {
    let device = port.canonicalize().ok()?;
    let node = sys.join("class/tty").join(device.file_name()?).join("device").canonicalize().ok()?;
    // The tty is a child of the interface, and that one of the adapter.
    node.ancestors().take(4).find_map(|folder| {
        let read = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            let text: String = text.trim().chars().filter(|char| !char.is_control()).take(60).collect();
            Some(text).filter(|text| !text.is_empty())
        };
        let product = read("product")?;
        Some(match read("manufacturer") {
            Some(maker) if !product.starts_with(&maker) => format!("{maker} {product}"),
            _ => product,
        })
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_device_is_listed_once_by_its_lasting_name() {
        let dev = tempfile::tempdir().unwrap();
        let dev = dev.path();
        for name in ["ttyUSB0", "ttyUSB1", "ttyACM0", "ttyAMA0", "ttyS0", "tty1", "null"] {
            fs::write(dev.join(name), "").unwrap();
        }
        fs::create_dir_all(dev.join("serial/by-id")).unwrap();
        let lasting = dev.join("serial/by-id/usb-head-port0");
        symlink("../../ttyUSB1", &lasting).unwrap();
        let expected = [&lasting, &dev.join("ttyACM0"), &dev.join("ttyAMA0"), &dev.join("ttyUSB0")];
        assert_eq!(serial(dev), expected.map(|path| Port::Serial(path.clone())));
        assert_eq!(by_id(dev, &dev.join("ttyUSB1")), Some(lasting));
        assert_eq!(by_id(dev, &dev.join("ttyUSB0")), None);
        assert!(serial(&dev.join("nowhere")).is_empty());
    }
}

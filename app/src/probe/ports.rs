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

    #[test]
    fn an_adapter_has_the_name_that_its_maker_gave_it_and_a_pin_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let (dev, sys) = (folder.path().join("dev"), folder.path().join("sys"));
        let write = |path: &str, text: &str| {
            let path = sys.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        // As the kernel shows a USB adapter: the port is in an interface, and that in the device.
        for (port, texts) in [
            ("ttyUSB0", &[("manufacturer", "FTDI\n"), ("product", "FT232R USB UART\n")][..]),
            ("ttyUSB1", &[("manufacturer", "Silicon Labs"), ("product", "Silicon Labs CP2102")]),
            ("ttyACM0", &[("product", "Head\u{1b}[31m \u{7}1")]),
            ("ttyAMA0", &[("manufacturer", "nobody")]),
        ] {
            let device = format!("devices/usb1/{port}");
            texts.iter().for_each(|(name, text)| write(&format!("{device}/{name}"), text));
            write(&format!("{device}/interface/{port}/uevent"), "");
            fs::create_dir_all(sys.join("class/tty").join(port)).unwrap();
            let link = sys.join("class/tty").join(port).join("device");
            symlink(sys.join(format!("{device}/interface/{port}")), link).unwrap();
            fs::create_dir_all(&dev).unwrap();
            fs::write(dev.join(port), "").unwrap();
        }
        symlink(dev.join("ttyUSB0"), dev.join("lasting-name")).unwrap();
        for (port, expected) in [
            ("ttyUSB0", Some("FTDI FT232R USB UART")),
            ("lasting-name", Some("FTDI FT232R USB UART")),
            ("ttyUSB1", Some("Silicon Labs CP2102")),
            ("ttyACM0", Some("Head[31m 1")),
            ("ttyAMA0", None),
            ("nowhere", None),
        ] {
            assert_eq!(adapter_name(&sys, &dev.join(port)).as_deref(), expected, "{port}");
        }
    }
}

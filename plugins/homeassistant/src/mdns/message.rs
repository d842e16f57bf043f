//! Messages of multicast DNS (RFC 1035, section 4): the question, and what answers announce. Input from the network:
//! any bytes are fine.

use std::{collections::BTreeMap, net::Ipv4Addr};

/// Service of Home Assistant.
const SERVICE: &str = "_home-assistant._tcp.local";
/// Records of an answer that are looked at.
const MAX_RECORDS: usize = 100;
/// Jumps within a compressed name.
const MAX_JUMPS: usize = 16;
/// Longest name.
const MAX_NAME: usize = 255;
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const SRV: u16 = 33;

/// What a Home Assistant announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    /// What people call it.
    pub(crate) name: String,
    /// Port of its page.
    pub(crate) port: u16,
    /// Its address, if the answer has it.
    pub(crate) address: Option<Ipv4Addr>,
    /// Address of its page in its own words.
    pub(crate) internal_url: Option<String>,
    /// What tells it from another one.
    pub(crate) uuid: Option<String>,
}

/// Returns the question for each Home Assistant, with a wish for answers to the sender alone.
pub(super) fn question() -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in SERVICE.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend_from_slice(&PTR.to_be_bytes());
    message.extend_from_slice(&[0x80, 1]);
    message
}

/// Returns what a datagram announces: nothing if it is not an answer to the question.
pub(crate) fn answer(message: &[u8]) -> Vec<Announced> {
    Records::read(message).map(Records::announced).unwrap_or_default()
}

/// Records of an answer, by name in lower case.
#[derive(Debug, Default)]
struct Records {
    /// Names of the instances of the service, as they are written.
    instances: Vec<String>,
    servers: BTreeMap<String, (u16, String)>,
    texts: BTreeMap<String, BTreeMap<String, String>>,
    addresses: BTreeMap<String, Ipv4Addr>,
}

impl Records {
    fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader { message, at: 2 };
        // Only answers without an error.
        if reader.u16()? & 0x800F != 0x8000 {
            return None;
        }
        let questions = reader.u16()?;
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?];
        for _ in 0..usize::from(questions).min(MAX_RECORDS) {
            reader.name()?;
            reader.take(4)?;
        }
        let mut records = Self::default();
        let count: usize = counts.into_iter().map(usize::from).sum();
        for _ in 0..count.min(MAX_RECORDS) {
            // What was cut off takes nothing from what stands before it.
            if records.add(&mut reader).is_none() {
                break;
            }
        }
        Some(records)
    }

    fn add(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let name = reader.name()?.to_lowercase();
        let kind = reader.u16()?;
        reader.take(6)?; // class and time to live
        let length = reader.u16()?;
        let start = reader.at;
        let data = reader.take(length.into())?;
        let mut inside = Reader { message: reader.message.get(..start + data.len())?, at: start };
        match kind {
            PTR if name == SERVICE => self.instances.extend(inside.name()),
            SRV => {
                inside.take(4)?; // priority and weight
                let (port, target) = (inside.u16()?, inside.name()?.to_lowercase());
                self.servers.insert(name, (port, target));
            }
            TXT => {
                self.texts.insert(name, inside.pairs());
            }
            A => {
                let octets: [u8; 4] = data.try_into().ok()?;
                self.addresses.insert(name, octets.into());
            }
            _ => {}
        }
        Some(())
    }

    fn announced(self) -> Vec<Announced> {
        let announced = |instance: &String| {
            let key = instance.to_lowercase();
            let (port, target) = self.servers.get(&key)?;
            let text = |key: &str| {
                let texts = self.texts.get(&instance.to_lowercase())?;
                texts.get(key).filter(|text| !text.is_empty()).cloned()
            };
            let name = || instance.split('.').next().unwrap_or_default().to_owned();
            Some(Announced {
                name: text("location_name").unwrap_or_else(name),
                port: *port,
                address: self.addresses.get(target).copied(),
                internal_url: text("internal_url"),
                uuid: text("uuid"),
            })
        };
        self.instances.iter().filter_map(announced).collect()
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Reads a name, which may go on at earlier places.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut jumper = Reader { message: self.message, at: self.at };
        let mut jumps = 0;
        loop {
            let length = *jumper.take(1)?.first()?;
            if length & 0xC0 == 0xC0 {
                let low = *jumper.take(1)?.first()?;
                if jumps == 0 {
                    self.at = jumper.at;
                }
                jumps += 1;
                if jumps > MAX_JUMPS {
                    return None;
                }
                jumper.at = usize::from(u16::from_be_bytes([length & 0x3F, low]));
                continue;
            }
            if length & 0xC0 != 0 {
                return None;
            }
            if length == 0 {
                break;
            }
            let label = String::from_utf8_lossy(jumper.take(length.into())?);
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&label);
            if name.len() > MAX_NAME {
                return None;
            }
        }
        if jumps == 0 {
            self.at = jumper.at;
        }
        Some(name)
    }

    /// Reads the `key=value` of a text record.
    fn pairs(&mut self) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        while let Some(&[length]) = self.take(1) {
            let Some(text) = self.take(length.into()) else { break };
            let text = String::from_utf8_lossy(text);
            if let Some((key, value)) = text.split_once('=') {
                pairs.entry(key.to_lowercase()).or_insert_with(|| value.to_owned());
            }
        }
        pairs
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = name.to_vec();
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0x80, 1, 0, 0, 0, 120]);
        bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    /// An announcement of a Home Assistant, with compressed names.
    pub(in super::super) fn announcement(
        name: &str,
        port: u16,
        address: Option<[u8; 4]>,
        internal_url: &str,
    ) -> Vec<u8> {
        let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 2 + u8::from(address.is_some())];
        // The service stands at 12; an instance is its label and a jump there.
        let mut instance = vec![name.len() as u8];
        instance.extend_from_slice(name.as_bytes());
        instance.extend_from_slice(&[0xC0, 12]);
        message.extend(record(&labels(SERVICE), PTR, &instance));
        let host = labels("0123456789.local");
        let mut server = vec![0, 0, 0, 0];
        server.extend_from_slice(&port.to_be_bytes());
        server.extend_from_slice(&host);
        message.extend(record(&instance, SRV, &server));
        let mut text = Vec::new();
        for pair in [format!("location_name={name}"), format!("internal_url={internal_url}"), "uuid=1".into()]
        {
            text.push(pair.len() as u8);
            text.extend_from_slice(pair.as_bytes());
        }
        message.extend(record(&instance, TXT, &text));
        if let Some(address) = address {
            message.extend(record(&host, A, &address));
        }
        message
    }

    #[test]
    fn an_announcement_is_read_with_compressed_names() {
        let message = announcement("Home", 8123, Some([192, 0, 2, 5]), "http://ha.local:8123");
        let expected = Announced {
            name: "Home".into(),
            port: 8123,
            address: Some(Ipv4Addr::new(192, 0, 2, 5)),
            internal_url: Some("http://ha.local:8123".into()),
            uuid: Some("1".into()),
        };
        assert_eq!(answer(&message), [expected]);
        // A question is no answer, and a cut one announces nothing or the same.
        assert_eq!(answer(&question()), []);
        for length in 0..message.len() {
            answer(&message[..length]);
        }
    }

    #[test]
    fn a_name_that_jumps_in_circles_is_refused() {
        let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        message.extend(record(&[0xC0, 12], PTR, &[0xC0, 12]));
        assert_eq!(answer(&message), []);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), flip in 0..200_usize) {
            answer(&bytes);
            let mut message = announcement("Home", 8123, Some([192, 0, 2, 5]), "http://ha.local:8123");
            let at = flip % message.len();
            message[at] = bytes.pop().unwrap_or_default();
            message.extend(bytes);
            answer(&message);
        }
    }
}

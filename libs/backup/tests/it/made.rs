//! Backups that this program would not write.

use std::io::{Read as _, Write as _};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType, Header};

/// File of a backup: its header, and its bytes.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) header: Header,
    pub(crate) bytes: Vec<u8>,
}

impl File {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o640);
        header.set_mtime(0);
        // `set_path` refuses what a test is about.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        Self { header, bytes: bytes.to_vec() }.sized(bytes.len() as u64)
    }

    /// Announces another length.
    pub(crate) fn sized(mut self, len: u64) -> Self {
        self.header.set_size(len);
        self.header.set_cksum();
        self
    }

    pub(crate) fn of_kind(mut self, kind: EntryType) -> Self {
        self.header.set_entry_type(kind);
        self.header.set_cksum();
        self
    }

    pub(crate) fn name(&self) -> String {
        self.header.path().unwrap().to_str().unwrap().to_owned()
    }
}

/// Returns the files of a backup.
pub(crate) fn files(backup: &[u8]) -> Vec<File> {
    let mut archive = Archive::new(MultiGzDecoder::new(backup));
    let entries = archive.entries().unwrap().map(|entry| {
        let (mut entry, mut bytes) = (entry.unwrap(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        File { header: entry.header().clone(), bytes }
    });
    entries.collect()
}

/// Returns a backup with these files, as they are.
pub(crate) fn packed(files: &[File]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for file in files {
        gzip.write_all(file.header.as_bytes()).unwrap();
        gzip.write_all(&file.bytes).unwrap();
        gzip.write_all(&[0; 512][..(512 - file.bytes.len() % 512) % 512]).unwrap();
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

/// Returns a backup with these files, and with right checksums.
pub(crate) fn summed(files: &[File]) -> Vec<u8> {
    let mut files: Vec<_> = files.iter().filter(|file| file.name() != "SHA256SUMS").cloned().collect();
    let sums = files.iter().map(|file| {
        let sum: String = Sha256::digest(&file.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{sum}  {}\n", file.name())
    });
    let sums = sums.collect::<String>();
    files.push(File::new("SHA256SUMS", sums.as_bytes()));
    packed(&files)
}

/// Returns a backup whose manifest was changed.
pub(crate) fn with_manifest(backup: &[u8], change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut files = files(backup);
    let mut manifest = serde_json::from_slice(&files[0].bytes).unwrap();
    change(&mut manifest);
    files[0] = File::new("manifest.json", manifest.to_string().as_bytes());
    summed(&files)
}

//! The site's secret: 32 random bytes in a file that its owner only may read, made at the first start. Subject hashes
//! are made with it, so losing it means that cases about the same subject find each other no more.

use crate::alert::SubjectKey;
use std::fs::{self, OpenOptions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const KEY_BYTES: usize = 32;

/// Reads the key, or makes one.
pub(super) fn read_or_make(path: &Path) -> Result<SubjectKey> {
    let key = match fs::read(path) {
        Ok(key) => key,
        Err(error) if error.kind() == ErrorKind::NotFound => make(path)?,
        Err(error) => return Err(error),
    };
    if key.len() == KEY_BYTES {
        Ok(SubjectKey::new(&key))
    } else {
        Err(Error::new(ErrorKind::InvalidData, format!("has {} bytes", key.len())))
    }
}

/// Whole or not at all, whenever the power goes: under another name first, then moved.
fn make(path: &Path) -> Result<Vec<u8>> {
    let mut key = vec![0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| Error::other(error.to_string()))?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn made_once_and_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        let first = read_or_make(&path).unwrap().subject("phone:13800138000");
        assert_eq!(read_or_make(&path).unwrap().subject("phone:13800138000"), first);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"short").unwrap();
        assert!(read_or_make(&path).is_err());
    }
}

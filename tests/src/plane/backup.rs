//! A cluster that is restored to an earlier state, with the same certificates, tokens and address.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ControlPlane, PlaneError, programs};
use crate::etcd;
use crate::wait::{DEADLINE, eventually};

/// By how much a revision is raised above the last one that anybody saw.
const RAISED: u64 = 1000;

/// What a control plane held at some time.
#[derive(Debug)]
pub struct Backup {
    data: PathBuf,
}

impl ControlPlane {
    /// Keeps its data as they are now. Its servers are killed for that, and started again.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::start`], or where the data cannot be copied.
    pub fn backup(&self) -> Result<Backup, PlaneError> {
        let backup = Backup { data: self.folder().join("etcd-backup") };
        self.kill()?;
        copy(&self.folder().join(programs::ETCD_DATA), &backup.data)?;
        self.start_all()?;
        Ok(backup)
    }

    /// Puts its data back to what they were. Its resourceVersions go back, too.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::start`], or where the data cannot be copied.
    pub fn restore(&self, backup: &Backup) -> Result<(), PlaneError> {
        self.kill()?;
        copy(&backup.data, &self.folder().join(programs::ETCD_DATA))?;
        self.start_all()
    }

    /// The same with resourceVersions that are higher than any before, and no history.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::restore`], or where etcd does not answer.
    pub fn restore_raised(&self, backup: &Backup) -> Result<(), PlaneError> {
        let socket = self.folder().join(programs::ETCD_SOCKET);
        let revision = etcd::revision(&socket)? + RAISED;
        self.kill()?;
        copy(&backup.data, &self.folder().join(programs::ETCD_DATA))?;
        self.running().etcd = Some(self.commands()?.etcd().start()?);
        eventually("etcd to answer", DEADLINE, || etcd::revision(&socket))
            .map_err(|late| PlaneError::NotReset(late.to_string()))?;
        etcd::raise(&socket, revision)?;
        self.start_all()
    }
}

/// Copies a folder in the place of another.
fn copy(from: &Path, to: &Path) -> Result<(), PlaneError> {
    let failed = |action, path: &Path, source| PlaneError::File { action, path: path.to_owned(), source };
    match fs::remove_dir_all(to) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed("remove", to, source)),
        _ => {}
    }
    fs::create_dir_all(to).map_err(|source| failed("make", to, source))?;
    let entries = fs::read_dir(from).map_err(|source| failed("read", from, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| failed("read", from, source))?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &place)?;
        } else {
            fs::copy(&path, &place).map_err(|source| failed("copy", &path, source))?;
        }
    }
    Ok(())
}

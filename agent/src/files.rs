//! Files that change while the program runs: whether one is another than before.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// How often a file is looked at. Only its [`Stamp`] is read, on the machine itself.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// What is another one when a file was written, replaced, or made readable. Symbolic links are followed, since a mounted
/// Secret changes by a link that then leads elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    /// Of content, mode or owner, in seconds and nanoseconds. The time of the content alone is no sign of a file that may
    /// now be read.
    changed: (i64, i64),
}

pub(crate) fn stamp(path: &Path) -> Result<Stamp, String> {
    let facts = std::fs::metadata(path).map_err(|error| error.to_string())?;
    Ok(Stamp { inode: facts.ino(), length: facts.len(), changed: (facts.ctime(), facts.ctime_nsec()) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_stamp_tells_of_links_that_lead_elsewhere_and_of_modes() {
        let folder = std::env::temp_dir().join(format!("muster-source-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let Folder(folder) = &Folder(folder);
        let (path, link) = (folder.join("kubeconfig"), folder.join("..data"));
        symlink("..data/kubeconfig", &path).unwrap();
        assert!(stamp(&path).is_err(), "there is nothing yet");
        let mut stamps = Vec::new();
        for version in ["..1", "..2"] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("kubeconfig"), "of one length").unwrap();
            let new = folder.join("..data_tmp");
            symlink(version, &new).unwrap();
            fs::rename(&new, &link).unwrap();
            stamps.push(stamp(&path).unwrap());
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        stamps.push(stamp(&path).unwrap());
        assert!(stamps[0] != stamps[1], "the link leads elsewhere");
        assert!(stamps[1] != stamps[2], "the mode is another one");
        assert!(stamps[2] == stamp(&path).unwrap(), "nothing happened");
    }
}

//! A docker-archive: a tar of `manifest.json`, `config.json` and one layer, after the image specification of Docker,
//! version 1.2, which Docker, containerd, podman and skopeo read.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::dockerfile::Recipe;

/// Why an archive cannot be made.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A name or a size that the ustar format has no room for.
    #[error("unable to put {0} into a tar archive: the name or the content is too long")]
    TooLong(String),
}

const BLOCK: usize = 512;

/// Packs one program as an image; gives the archive and the image's id, which is the digest of its configuration.
/// No byte depends on the time, the user or the machine.
///
/// # Errors
///
/// [`ArchiveError`].
pub fn pack(
    name: &str,
    architecture: &str,
    recipe: &Recipe,
    program: &[u8],
) -> Result<(Vec<u8>, String), ArchiveError> {
    let layer = tar(&[(&recipe.destination, 0o755, program)])?;
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"User": recipe.user, "Entrypoint": recipe.entrypoint, "Labels": recipe.labels},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex_digest(&layer))]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "make image"}],
    })
    .to_string();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let archive = tar(&[
        ("config.json", 0o644, config.as_bytes()),
        ("layer.tar", 0o644, &layer),
        ("manifest.json", 0o644, manifest.as_bytes()),
    ])?;
    Ok((archive, hex_digest(config.as_bytes())))
}

/// The SHA-256 of bytes, in hex.
#[must_use]
pub fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A POSIX ustar archive of regular files that root owns, dated 1970.
fn tar(files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, ArchiveError> {
    let mut archive = Vec::new();
    for (name, mode, content) in files {
        let size = format!("{:011o}", content.len());
        if name.len() > 100 || size.len() > 11 {
            return Err(ArchiveError::TooLong((*name).to_owned()));
        }
        let mut header = [0_u8; BLOCK];
        let mode = format!("{mode:07o}");
        for (at, value) in [
            (0, *name),
            (100, mode.as_str()),
            (108, "0000000"), // uid
            (116, "0000000"), // gid
            (124, size.as_str()),
            (136, "00000000000"), // modification time
            (148, "        "),    // the checksum counts itself as blanks
            (156, "0"),           // a regular file
            (257, "ustar\x0000"),
        ] {
            header[at..at + value.len()].copy_from_slice(value.as_bytes());
        }
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::dockerfile::last_stage;

    #[test]
    fn the_archive_follows_the_dockerfile_and_the_same_input_gives_the_same_bytes() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile");
        let recipe = last_stage(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(
            (recipe.user.as_str(), recipe.entrypoint.as_slice()),
            ("65532:65532", &["/muster-agent".to_owned()][..])
        );
        let (archive, id) = pack("example/x:1", "amd64", &recipe, b"program").unwrap();
        assert_eq!((&archive, &id), (&pack("example/x:1", "amd64", &recipe, b"program").unwrap().0, &id));

        // What a reader of the format finds, by the offsets of the format.
        let mut files = Vec::new();
        let mut at = 0;
        while archive[at] != 0 {
            let text = |from: usize, to: usize| {
                String::from_utf8(archive[at + from..at + to].to_vec())
                    .unwrap()
                    .trim_end_matches(['\0', ' '])
                    .to_owned()
            };
            let size = usize::from_str_radix(&text(124, 136), 8).unwrap();
            let sum: u32 = (0..BLOCK)
                .map(|i| if (148..156).contains(&i) { 32 } else { u32::from(archive[at + i]) })
                .sum();
            assert_eq!(u32::from_str_radix(&text(148, 156), 8).unwrap(), sum);
            files.push((text(0, 100), archive[at + BLOCK..at + BLOCK + size].to_vec()));
            at += BLOCK + size.next_multiple_of(BLOCK);
        }
        assert_eq!(archive.len(), at + 2 * BLOCK);
        let [(config_name, config), (layer_name, layer), (manifest_name, manifest)] = files.as_slice() else {
            panic!("{} files", files.len())
        };
        assert_eq!([config_name, layer_name, manifest_name], ["config.json", "layer.tar", "manifest.json"]);
        assert_eq!(hex_digest(config), id);
        let config: serde_json::Value = serde_json::from_slice(config).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["example/x:1"]));
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex_digest(layer)));
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(&layer[..12], b"muster-agent");
        assert_eq!(&layer[BLOCK..BLOCK + 7], b"program");
    }

    #[test]
    fn a_name_that_does_not_fit_is_an_error() {
        assert!(tar(&[(&"x".repeat(101), 0o644, b"")]).is_err());
    }
}

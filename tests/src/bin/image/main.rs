//! `make image`: packs a static binary as a docker-archive, without a container engine.
//!
//! What the image is called stands in the manifest that runs it, what it runs and as whom in the last stage of its
//! Dockerfile: this program follows both, so that neither way of building can drift from the other. The same binary
//! gives the same bytes.

mod binary;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use muster_tests::image::{archive, dockerfile};

/// The programs that have images, with the manifest and the Dockerfile of each.
const PROGRAMS: [(&str, &str, &str); 2] = [
    ("muster-agent", "manifests/multicluster.yaml", "Dockerfile"),
    ("muster-directory", "manifests/directory.yaml", "Dockerfile.directory"),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [binary, output] = arguments.as_slice() else { bail!("usage: image BINARY OUTPUT") };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = Path::new(binary).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((_, manifest, stages)) = PROGRAMS.into_iter().find(|(known, ..)| *known == program) else {
        bail!("unable to pack {binary}: it is none of Muster's programs");
    };
    let recipe = dockerfile::last_stage(&read(&repository.join(stages))?)?;
    let name = image_name(&read(&repository.join(manifest))?)?;

    let program = fs::read(binary).with_context(|| format!("unable to read {binary}"))?;
    let architecture = binary::architecture(&program).with_context(|| format!("unable to pack {binary}"))?;
    let (bytes, id) = archive::pack(&name, architecture, &recipe, &program)?;
    fs::write(output, &bytes).with_context(|| format!("unable to write {output}"))?;
    println!(
        "{name} for linux/{architecture}\n  file   {output}\n  size   {} bytes\n  sha256 {}",
        bytes.len(),
        archive::hex_digest(&bytes)
    );
    println!(
        "  image  sha256:{id}\nload it with: docker load -i {output}   or: ctr -n k8s.io images import {output}"
    );
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("unable to read {}", path.display()))
}

/// The one image that a manifest names.
fn image_name(manifest: &str) -> Result<String> {
    let mut names = manifest.lines().filter_map(|line| line.trim_start().strip_prefix("image: "));
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name.trim().to_owned()),
        _ => bail!("unable to tell the image's name: its manifest must have one line \"image:\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_one_image_of_this_version() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (program, manifest, stages) in PROGRAMS {
            let name = image_name(&read(&root.join(manifest)).unwrap()).unwrap();
            assert!(name.ends_with(&format!("/{program}:v{}", env!("CARGO_PKG_VERSION"))), "{name}");
            let recipe = dockerfile::last_stage(&read(&root.join(stages)).unwrap()).unwrap();
            assert_eq!(recipe.destination, program);
        }
        assert!(image_name("image: a\nimage: b").is_err());
        assert!(image_name("kind: Pod").is_err());
    }
}

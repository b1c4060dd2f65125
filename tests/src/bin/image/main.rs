//! `make image`: packs a static binary as a docker-archive, without a container engine.
//!
//! What the image is called stands in `manifests/multicluster.yaml`, what it runs and as whom in the last stage of the
//! `Dockerfile`: this program follows both, so that neither way of building can drift from the other. The same binary
//! gives the same bytes.

mod archive;
mod binary;
mod dockerfile;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [binary, output] = arguments.as_slice() else { bail!("usage: image BINARY OUTPUT") };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let recipe = dockerfile::last_stage(&read(&repository.join("Dockerfile"))?)?;
    let name = image_name(&read(&repository.join("manifests/multicluster.yaml"))?)?;

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
        _ => bail!("unable to tell the image's name: multicluster.yaml must have one line \"image:\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_one_image_of_this_version() {
        let manifest =
            read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/multicluster.yaml")).unwrap();
        let name = image_name(&manifest).unwrap();
        assert!(name.ends_with(concat!("/muster-agent:v", env!("CARGO_PKG_VERSION"))), "{name}");
        assert!(image_name("image: a\nimage: b").is_err());
        assert!(image_name("kind: Pod").is_err());
    }
}

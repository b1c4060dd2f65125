//! Writes what is generated from this crate: `manifests/crds` and `docs/conditions.md`. Run by `make crds`.

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let crds = root.join("manifests/crds");
    fs::create_dir_all(&crds)?;
    for entry in fs::read_dir(&crds)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            fs::remove_file(path)?; // a kind that is no more must not leave its CRD behind
        }
    }
    for file in muster_api::crds::files()? {
        fs::write(crds.join(file.name), file.content)?;
    }
    fs::write(root.join("docs/conditions.md"), muster_api::docs::conditions_markdown())?;
    Ok(())
}

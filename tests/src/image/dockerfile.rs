//! Reading the last stage of a Dockerfile on `scratch`: the few instructions that one needs, and no other.

use std::collections::BTreeMap;

use thiserror::Error;

/// What the last stage of a Dockerfile says.
#[derive(Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Where the one file goes, without the leading slash.
    pub destination: String,
    /// The user that the image runs as: `uid:gid`.
    pub user: String,
    /// The command.
    pub entrypoint: Vec<String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// Why a Dockerfile cannot be followed.
#[derive(Debug, Error)]
pub enum DockerfileError {
    /// The last stage has a base image, whose content is not at hand.
    #[error("unable to follow the Dockerfile: its last stage must be FROM scratch")]
    Base,
    /// An instruction that is not known, or is not written as expected.
    #[error("unable to follow the Dockerfile: {0:?}")]
    Instruction(String),
    /// An instruction that the last stage lacks, or has twice.
    #[error("unable to follow the Dockerfile: its last stage must have one {0}")]
    NotOne(&'static str),
}

/// Reads the last stage: one COPY of one file, USER, ENTRYPOINT in JSON, and LABELs, one on each line.
///
/// # Errors
///
/// [`DockerfileError`].
pub fn last_stage(text: &str) -> Result<Recipe, DockerfileError> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let from = lines.iter().rposition(|line| line.starts_with("FROM ")).ok_or(DockerfileError::Base)?;
    if lines[from] != "FROM scratch" {
        return Err(DockerfileError::Base);
    }
    let (mut destinations, mut users, mut entrypoints) = (Vec::new(), Vec::new(), Vec::new());
    let mut labels = BTreeMap::new();
    for line in &lines[from + 1..] {
        let bad = || DockerfileError::Instruction((*line).to_owned());
        let (instruction, rest) = line.split_once(' ').ok_or_else(bad)?;
        match instruction {
            "COPY" => {
                let words: Vec<&str> =
                    rest.split_whitespace().filter(|word| !word.starts_with("--from=")).collect();
                let [_, destination] = words.as_slice() else { return Err(bad()) };
                let destination =
                    destination.strip_prefix('/').filter(|path| !path.contains('/')).ok_or_else(bad)?;
                destinations.push(destination.to_owned());
            }
            "USER" => users.push(rest.to_owned()),
            "ENTRYPOINT" => entrypoints.push(serde_json::from_str(rest).map_err(|_| bad())?),
            "LABEL" => {
                let (key, value) = rest.split_once('=').ok_or_else(bad)?;
                let value = serde_json::from_str(value).map_err(|_| bad())?;
                labels.insert(key.to_owned(), value);
            }
            _ => return Err(bad()),
        }
    }
    Ok(Recipe {
        destination: one(destinations, "COPY")?,
        user: one(users, "USER")?,
        entrypoint: one(entrypoints, "ENTRYPOINT")?,
        labels,
    })
}

fn one<T>(values: Vec<T>, instruction: &'static str) -> Result<T, DockerfileError> {
    <[T; 1]>::try_from(values).map(|[value]| value).map_err(|_| DockerfileError::NotOne(instruction))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "FROM rust AS build\nRUN make\n# why\nFROM scratch\nLABEL a=\"b c\"\n\
        COPY --from=build /src/a /a\nUSER 1:2\nENTRYPOINT [\"/a\"]\n";

    #[test]
    fn the_last_stage_and_no_other_counts() {
        let recipe = last_stage(GOOD).unwrap();
        assert_eq!(recipe.destination, "a");
        assert_eq!(recipe.user, "1:2");
        assert_eq!(recipe.entrypoint, ["/a"]);
        assert_eq!(recipe.labels["a"], "b c");
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        for (from, to) in [
            ("FROM scratch", "FROM alpine"),
            ("USER 1:2\n", ""),
            ("USER 1:2", "USER 1:2\nUSER 0"),
            ("USER 1:2", "RUN x"),
            ("/src/a /a", "/src/a /usr/a"),
            ("[\"/a\"]", "/a"),
        ] {
            assert!(last_stage(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }
}

//! The commands of `kubectl` that do the same, and those that messages recommend.

use std::path::PathBuf;

/// `kubectl` with the cluster that this run is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kubectl {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
}

impl Kubectl {
    pub(crate) fn new(kubeconfig: Option<PathBuf>, context: Option<String>) -> Self {
        Self { kubeconfig, context }
    }

    /// The command with these arguments, which are written as a shell reads them.
    pub(crate) fn run(&self, arguments: &str) -> String {
        let mut command = "kubectl".to_owned();
        if let Some(path) = &self.kubeconfig {
            command = format!("{command} --kubeconfig {}", quoted(&path.to_string_lossy()));
        }
        if let Some(context) = &self.context {
            command = format!("{command} --context {}", quoted(context));
        }
        format!("{command} {arguments}")
    }
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=,+%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        assert_eq!(quoted("a-b_c/d.e:f@g"), "a-b_c/d.e:f@g");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'b"), r"'a'\''b'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        let kubectl = Kubectl::new(Some("/tmp/a b".into()), Some("admin@east".into()));
        assert_eq!(kubectl.run("get mcl"), "kubectl --kubeconfig '/tmp/a b' --context admin@east get mcl");
    }
}

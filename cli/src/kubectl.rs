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
        format!("kubectl{} {arguments}", self.flags())
    }

    /// The command of this tool with these arguments. `kubectl` takes no flags in front of a plugin's name.
    pub(crate) fn muster(&self, arguments: &str) -> String {
        format!("kubectl muster {arguments}{}", self.flags())
    }

    fn flags(&self) -> String {
        let path =
            self.kubeconfig.as_ref().map(|path| format!(" --kubeconfig {}", quoted(&path.to_string_lossy())));
        let context = self.context.as_ref().map(|context| format!(" --context {}", quoted(context)));
        format!("{}{}", path.unwrap_or_default(), context.unwrap_or_default())
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
        assert_eq!(
            kubectl.muster("status"),
            "kubectl muster status --kubeconfig '/tmp/a b' --context admin@east"
        );
    }
}

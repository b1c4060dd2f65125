//! What a shell completes. `kubectl` itself completes no flags of plugins, save by a program `kubectl_complete-muster`.

use clap::CommandFactory as _;
use clap_complete::Shell as Generated;

use crate::args::{Args, Shell};
use crate::failure::Failure;
use crate::output::print;

pub(super) fn run(shell: Shell) -> Result<(), Failure> {
    let shell = match shell {
        Shell::Bash => Generated::Bash,
        Shell::Zsh => Generated::Zsh,
        Shell::Fish => Generated::Fish,
    };
    let mut command = Args::command().bin_name("kubectl-muster");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "kubectl-muster", &mut script);
    print(&String::from_utf8_lossy(&script))
}

//! `completions`: what a shell needs to complete our commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::output::print;
use super::{Exit, Failure};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The package installs those of bash, zsh and fish.

Examples:
  source <(customer-mirror completions bash)
  customer-mirror completions fish > ~/.config/fish/completions/customer-mirror.fish")]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, super::NAME, &mut script);
    // clap_complete up to 4.6.11 names a program with a hyphen in two ways in bash's script, which so completes no command's options
    // (https://github.com/clap-rs/clap/issues/6421).
    let script =
        String::from_utf8_lossy(&script).replace("customer__subcmd__mirror", "customer__mirror");
    print(&script).map(|()| Exit::Done)
}

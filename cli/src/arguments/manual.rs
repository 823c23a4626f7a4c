//! The command line of `veksel completions` and `veksel man`.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// `veksel completions`
#[derive(Args, Debug)]
#[command(after_help = "\
The package for Debian brings them already.

Examples:
  veksel completions bash > ~/.local/share/bash-completion/completions/veksel
  veksel completions zsh  > ~/.zfunc/_veksel
  veksel completions fish > ~/.config/fish/completions/veksel.fish")]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// `veksel man`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  veksel man > veksel.1 && man ./veksel.1
  veksel man --out man/                a page for every command")]
pub(crate) struct Man {
    /// Write a page for every command into this folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

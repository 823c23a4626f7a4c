//! `veksel completions` and `veksel man`: the command line described for shells and for `man`,
//! from the same place as `--help`.

use crate::arguments::{Arguments, Completions, Man};
use crate::output::{Exit, Failure, Output};
use clap::CommandFactory;
use std::io::Write;

/// Prints what a shell needs to complete commands.
///
/// # Errors
/// When nothing can be written.
pub(crate) fn completions(arguments: &Completions) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "veksel", &mut text);
    print(&text)
}

/// Prints the page of the program, or writes those of all commands.
///
/// # Errors
/// When nothing can be written.
pub(crate) fn man(arguments: &Man, output: Output) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::no("output", error.to_string());
    let Some(folder) = &arguments.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page).map_err(failed)?;
        return print(&page);
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)?;
    output.print(format!("{}\n", folder.display()))?;
    Ok(Exit::Yes)
}

fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut screen = std::io::stdout().lock();
    match screen.write_all(bytes).and_then(|()| screen.flush()) {
        // Whoever read it has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Yes),
        Err(error) => Err(Failure::no("output", error.to_string())),
        Ok(()) => Ok(Exit::Yes),
    }
}

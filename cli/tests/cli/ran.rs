//! Running the binary, and messages to give it.

use crate::stage::{program, search};
use std::io::Write;
use std::process::{Command, Stdio};

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `veksel` without input.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, b"", &[])
}

/// Runs `veksel` as cron does: no variable says who the user is.
#[track_caller]
pub(crate) fn run_as_nobody(arguments: &[&str]) -> Ran {
    let mut command = program();
    for variable in ["USER", "LOGNAME", "USERNAME"] {
        command.env_remove(variable);
    }
    run_command(&mut command, arguments, b"", &[])
}

/// Runs `veksel` with input and variables. Nothing else of this process's environment that could
/// change the output gets through. What it says has no secret in it, unless that is what it is told
/// to show.
#[track_caller]
pub(crate) fn run_with(arguments: &[&str], input: &[u8], variables: &[(&str, &str)]) -> Ran {
    run_command(&mut program(), arguments, input, variables)
}

#[track_caller]
fn run_command(
    command: &mut Command,
    arguments: &[&str],
    input: &[u8],
    variables: &[(&str, &str)],
) -> Ran {
    let mut child = command
        .args(arguments)
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A child that ended before it read everything is no mistake of the test.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    // The keys of a play are shown like any other setting of the simulator.
    let is_play = arguments.iter().any(|argument| argument.ends_with("simulator.toml"));
    let is_shown = is_play && arguments.contains(&"--resolved");
    if !is_shown && !arguments.contains(&"--unsafe") {
        search("standard output", &output.stdout);
        search("standard error", &output.stderr);
    }
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A message in ASCII with binary bitmap, made without the product's code.
pub(crate) fn message_bytes(mti: &str, fields: &[(u8, &str)]) -> Vec<u8> {
    let mut fields = fields.to_vec();
    fields.sort_by_key(|(number, _)| *number);
    let bits =
        fields.iter().fold(0u128, |bits, (number, _)| bits | 1 << (128 - u32::from(*number)));
    let has_second = bits & u128::from(u64::MAX) != 0;
    let bits = if has_second { bits | 1 << 127 } else { bits };
    let mut bytes = mti.as_bytes().to_vec();
    bytes.extend(&bits.to_be_bytes()[..if has_second { 16 } else { 8 }]);
    bytes.extend(fields.iter().flat_map(|(_, value)| value.bytes()));
    bytes
}

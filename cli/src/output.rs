//! How commands print and how they end: tables and colour for a terminal, plain text for a pipe,
//! JSON for a program.
//!
//! It knows no message and no configuration; what there is to say is the commands' business. Text
//! goes to standard output, failures to standard error. A reader that went away is no failure.

use comfy_table::{Table, presets};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use veksel_config::{Colour, Problems};

/// How a command ended, for the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done, approved or found valid.
    Yes,
    /// It was declined, failed or found invalid.
    No,
    /// The command line makes no sense.
    Usage,
    /// A configuration or dialect file is wrong; nothing was started.
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Yes => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            // Apart from 1 and 2, so that systemd can be told not to start it again.
            Exit::Configuration => 64,
        })
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// One sentence, and maybe what to do about it.
    Said {
        /// For the shell.
        exit: Exit,
        /// One word for programs.
        kind: &'static str,
        /// Lower case, no full stop.
        message: String,
        /// What to do, or where it is.
        help: Option<String>,
    },
    /// Everything that is wrong with a configuration.
    Configuration(Problems),
}

impl Failure {
    /// The answer is no.
    pub(crate) fn no(kind: &'static str, message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::No, kind, message: message.into(), help: None }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Said { exit: Exit::Usage, kind: "usage", message: message.into(), help: None }
    }

    /// A file that sets something up is wrong.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        let (exit, kind) = (Exit::Configuration, "configuration");
        Self::Said { exit, kind, message: message.into(), help: None }
    }

    /// The same failure with advice.
    pub(crate) fn help(self, text: impl Into<String>) -> Self {
        match self {
            Self::Said { exit, kind, message, .. } => {
                Self::Said { exit, kind, message, help: Some(text.into()) }
            }
            Self::Configuration(problems) => Self::Configuration(problems),
        }
    }

    /// What the shell is told.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Said { exit, .. } => *exit,
            Self::Configuration(_) => Exit::Configuration,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Said { kind, message, help, .. } => {
                json!({ "error": { "kind": kind, "message": message, "help": help } })
            }
            Self::Configuration(problems) => {
                json!({ "error": { "kind": "configuration", "problems": problems } })
            }
        }
    }

    fn text(&self, colour: Colour) -> String {
        match self {
            Self::Said { message, help, .. } => {
                let (on, off) = match colour {
                    Colour::Ansi => ("\x1b[1;31m", "\x1b[0m"),
                    Colour::Plain => ("", ""),
                };
                let help = help.iter().flat_map(|help| help.lines());
                let help: String = help.map(|line| format!("  = {line}\n")).collect();
                format!("{on}error{off}: {message}\n{help}")
            }
            Self::Configuration(problems) => problems.rendered(colour).to_string(),
        }
    }
}

/// What the reader of an output can make use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Whether a person looks at it, on a screen.
    pub(crate) is_terminal: bool,
    /// Whether the person wants colour.
    pub(crate) colour: Colour,
}

impl Look {
    /// `no_color` is the value of the variable `NO_COLOR`; empty is as good as unset
    /// (no-color.org).
    pub(crate) fn of(is_terminal: bool, no_color: Option<&str>) -> Self {
        let wanted = is_terminal && no_color.is_none_or(str::is_empty);
        Self { is_terminal, colour: if wanted { Colour::Ansi } else { Colour::Plain } }
    }
}

/// What a line says, as far as colour can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As hoped for.
    Good,
    /// Not as hoped for.
    Bad,
}

/// Standard output and standard error, as the user wants them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Of standard output.
    pub(crate) look: Look,
    errors: Look,
    /// Whether results are for programs.
    pub(crate) json: bool,
}

impl Output {
    /// The outputs of this process.
    pub(crate) fn of_process(json: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").map(|value| value.to_string_lossy().into());
        let no_color: Option<String> = no_color;
        let look = |is_terminal| Look::of(is_terminal, no_color.as_deref());
        Self {
            look: look(io::stdout().is_terminal()),
            errors: look(io::stderr().is_terminal()),
            json,
        }
    }

    /// For text that is compared in tests.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        let look = Look::of(false, None);
        Self { look, errors: look, json: false }
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// When it cannot be written, for instance to a full disk.
    pub(crate) fn print(self, text: impl AsRef<str>) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::no("output", format!("standard output cannot be written: {error}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes one JSON value: on one line for programs, over several for a person.
    ///
    /// # Errors
    /// As [`Output::print`].
    pub(crate) fn print_json(self, value: &Value) -> Result<(), Failure> {
        let text =
            if self.look.is_terminal { format!("{value:#}\n") } else { format!("{value}\n") };
        self.print(text)
    }

    /// Writes to standard error. Nobody can be told if that fails.
    pub(crate) fn warn(self, text: impl AsRef<str>) {
        let _ = io::stderr().write_all(text.as_ref().as_bytes());
    }

    /// Says what is probably not meant though it works.
    pub(crate) fn warn_of(self, problems: &Problems) {
        self.warn(problems.rendered(self.errors.colour).to_string());
    }

    /// Says why a command failed: in words, and as JSON for programs that read the output.
    pub(crate) fn fail(self, failure: &Failure) {
        self.warn(failure.text(self.errors.colour));
        if self.json {
            let _ = self.print_json(&failure.json());
        }
    }

    /// The text in the colour of its tone, if this output has colour.
    pub(crate) fn paint<'t>(self, tone: Tone, text: &'t str) -> Cow<'t, str> {
        let code = match tone {
            Tone::Good => "\x1b[32m",
            Tone::Bad => "\x1b[1;31m",
        };
        match self.look.colour {
            Colour::Ansi => Cow::Owned(format!("{code}{text}\x1b[0m")),
            Colour::Plain => Cow::Borrowed(text),
        }
    }

    /// Rows under a header: in a frame on a terminal, else in columns.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        table.set_header(header.iter().copied());
        table.add_rows(rows);
        if self.look.is_terminal {
            table.load_style(presets::UTF8_FULL_CONDENSED);
        } else {
            table.load_style(presets::NOTHING);
            for column in table.column_iter_mut() {
                column.set_padding((0, 2));
            }
        }
        let mut text = table.trim_fmt();
        text.push('\n');
        text
    }
}

/// A duration as people write it: `500ms`, `30s`, `2m`, `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| "a duration is for instance 500ms, 30s or 2m".to_owned())?;
    let duration = std::time::Duration::try_from(duration).ok();
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "it must be above zero".to_owned())
}

/// A duration as people write it, exactly.
pub(crate) fn show_duration(duration: std::time::Duration) -> String {
    let ms = duration.as_millis();
    if ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { format!("{ms} ms") }
}

/// Microseconds in milliseconds with as many decimals as anybody can use.
pub(crate) fn show_micros(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        10_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn colour_needs_a_terminal_and_no_objection() {
        for (is_terminal, no_color, colour) in [
            (true, None, Colour::Ansi),
            (true, Some(""), Colour::Ansi),
            (true, Some("1"), Colour::Plain),
            (false, None, Colour::Plain),
            (false, Some("1"), Colour::Plain),
        ] {
            let look = Look::of(is_terminal, no_color);
            assert_eq!(look, Look { is_terminal, colour });
        }
    }

    fn output(is_terminal: bool) -> Output {
        let look = Look::of(is_terminal, Some("1"));
        Output { look, errors: look, json: false }
    }

    #[test]
    fn a_pipe_gets_columns_and_a_terminal_a_frame() {
        let rows = || vec![vec!["7".to_owned(), "x".to_owned()]];
        assert_eq!(output(false).table(&["DE", "name"], rows()), "DE  name\n7   x\n");
        assert!(output(true).table(&["DE", "name"], rows()).contains("│ DE "));
        assert_eq!(output(true).paint(Tone::Bad, "no"), "no");
    }

    #[test]
    fn durations() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h30m", 5_400_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "30", "0s", "-1s", "s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(show_duration(Duration::from_secs(30)), "30 s");
        assert_eq!(show_duration(Duration::from_millis(1_500)), "1500 ms");
        let shown = [0, 1_234, 45_678, 1_234_567].map(show_micros);
        assert_eq!(shown, ["0.00 ms", "1.23 ms", "45.6 ms", "1.23 s"]);
    }
}

//! What is wrong with a configuration, for people and for programs.
//!
//! A [`Problem`] carries everything needed to show it, so it outlives the text it was found in.

use serde::Serialize;
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing starts with it.
    Error,
    /// It starts, but probably does not do what was meant.
    Warning,
}

/// One finding. As JSON it has these fields by these names, `null` where there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it stops the start.
    pub severity: Severity,
    /// The file as it was named by the caller; `None` for a variable or a flag.
    pub file: Option<String>,
    /// `env VEKSEL_…` or `flag --…` when the value came from there.
    pub source: Option<String>,
    /// Counts from 1; `None` when the whole file is meant.
    pub line: Option<usize>,
    /// In characters, counts from 1.
    pub column: Option<usize>,
    /// What is wrong: lower case, one sentence, no full stop.
    pub message: String,
    /// What to do about it, or what it clashes with.
    pub help: Option<String>,
    /// The text to point at.
    #[serde(skip)]
    pub(crate) excerpt: Option<Excerpt>,
}

/// A line of text and the part of it that is meant, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    pub(crate) start: usize,
    pub(crate) width: usize,
}

/// Everything found, errors and warnings, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

/// Whether a rendering uses ANSI colours. The caller knows if it writes to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Text only.
    Plain,
    /// With escape sequences.
    Ansi,
}

/// Problems on their way to a terminal or a log.
#[derive(Clone, Copy, Debug)]
pub struct Rendering<'p> {
    problems: &'p Problems,
    colour: Colour,
}

impl Problem {
    /// Something that a sound configuration names cannot be used: a dialect, a key. Whoever looks
    /// into files says so; this crate does not.
    #[must_use]
    pub const fn of_file(message: String) -> Self {
        Self {
            severity: Severity::Error,
            file: None,
            source: None,
            line: None,
            column: None,
            message,
            help: None,
            excerpt: None,
        }
    }
}

impl Problems {
    /// How many of them stop the start.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// How many of them do not.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.0.len() - self.errors()
    }

    /// Nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of `Display`, in colour if asked.
    #[must_use]
    pub const fn rendered(&self, colour: Colour) -> Rendering<'_> {
        Rendering { problems: self, colour }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rendered(Colour::Plain).fmt(f)
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Rendering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.0.iter().try_for_each(|problem| render(problem, self.colour, f))
    }
}

/// The escape sequences of one rendering; all empty without colour.
struct Paint {
    title: &'static str,
    strong: &'static str,
    frame: &'static str,
    off: &'static str,
}

impl Paint {
    const fn of(severity: Severity, colour: Colour) -> Self {
        match (colour, severity) {
            (Colour::Plain, _) => Self { title: "", strong: "", frame: "", off: "" },
            (Colour::Ansi, Severity::Error) => Self::ansi("\x1b[1;31m"),
            (Colour::Ansi, Severity::Warning) => Self::ansi("\x1b[1;33m"),
        }
    }

    const fn ansi(title: &'static str) -> Self {
        Self { title, strong: "\x1b[1m", frame: "\x1b[1;34m", off: "\x1b[0m" }
    }
}

fn render(problem: &Problem, colour: Colour, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Paint { title, strong, frame, off } = Paint::of(problem.severity, colour);
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(f, "{title}{severity}{off}{strong}: {}{off}", problem.message)?;
    let number = problem.line.map(|line| line.to_string()).unwrap_or_default();
    let gutter = " ".repeat(number.len().max(1));
    let place = problem.file.as_ref().or(problem.source.as_ref());
    if let Some(place) = place {
        write!(f, "{gutter}{frame}-->{off} {}", printable(place))?;
        match (problem.line, problem.column) {
            (Some(line), Some(column)) => writeln!(f, ":{line}:{column}")?,
            (Some(line), None) => writeln!(f, ":{line}")?,
            (None, _) => writeln!(f)?,
        }
    }
    let Some(excerpt) = &problem.excerpt else {
        return match &problem.help {
            Some(help) => writeln!(f, "{gutter} {frame}={off} {help}"),
            None => Ok(()),
        };
    };
    let Excerpt { text, start, width } = excerpt.cropped();
    let help = problem.help.as_deref().unwrap_or("here");
    let (pad, carets) = (" ".repeat(start), "^".repeat(width));
    writeln!(f, "{gutter} {frame}|{off}")?;
    writeln!(f, "{frame}{number:>fill$} |{off} {text}", fill = gutter.len())?;
    writeln!(f, "{gutter} {frame}|{off} {pad}{title}{carets} {help}{off}")
}

impl Excerpt {
    /// Longest text shown; the rest of a longer line is cut off around the place that is meant.
    const WIDTH_MAX: usize = 120;

    /// Fit for a terminal: no control characters, at least one caret, not too long.
    fn cropped(&self) -> Self {
        let text: Vec<char> = printable(&self.text).chars().collect();
        let start = self.start.min(text.len());
        let width = self.width.clamp(1, (text.len() - start).max(1));
        if text.len() <= Self::WIDTH_MAX {
            return Self { text: text.into_iter().collect(), start, width };
        }
        let skipped = start.saturating_sub(Self::WIDTH_MAX / 3);
        let shown: String = text.iter().skip(skipped).take(Self::WIDTH_MAX).collect();
        let width = width.min(Self::WIDTH_MAX - (start - skipped));
        let before = if skipped > 0 { "…" } else { "" };
        let after = if text.len() - skipped > Self::WIDTH_MAX { "…" } else { "" };
        let start = start - skipped + before.chars().count();
        Self { text: format!("{before}{shown}{after}"), start, width }
    }
}

/// The same number of characters, none of which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, start: usize, width: usize) -> Problems {
        Problems(vec![Problem {
            severity: Severity::Error,
            file: Some("switch.toml".to_owned()),
            source: None,
            line: Some(12),
            column: Some(start + 1),
            message: "port 8583 is used by two listeners".to_owned(),
            help: Some("already used by listener \"pos\"".to_owned()),
            excerpt: Some(Excerpt { text: text.to_owned(), start, width }),
        }])
    }

    #[test]
    fn the_style_of_the_house() {
        let expected = "\
error: port 8583 is used by two listeners
  --> switch.toml:12:8
   |
12 | port = 8583
   |        ^^^^ already used by listener \"pos\"
";
        assert_eq!(problem("port = 8583", 7, 4).to_string(), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_a_control_character_is_not_obeyed() {
        let text = format!("{}\x1b[31mHERE{}", "a".repeat(500), "b".repeat(500));
        let shown = problem(&text, 505, 4).to_string();
        assert!(!shown.contains('\x1b'));
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[4].chars().position(|c| c == '^').unwrap();
        let under: String = lines[3].chars().skip(caret).take(4).collect();
        assert_eq!(under, "HERE");
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let problems = problem("port = 8583", 7, 4);
        let mut coloured = problems.rendered(Colour::Ansi).to_string();
        for code in ["\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, problems.to_string());
    }
}

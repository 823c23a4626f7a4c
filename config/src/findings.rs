//! What the checks found so far, and the way from a value back to where it was written.

use crate::problem::{Excerpt, Problem, Problems, Severity};
use crate::settings::{Origin, Setting, Settings};
use crate::source::Source;
use crate::suggest::{listed, nearest};

/// Where a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: the default.
    Default,
    /// The value was refused and something stands in for it. Further complaints are swallowed.
    Refused,
    /// Bytes of the file.
    File { start: usize, end: usize },
    /// A variable of the environment.
    Variable { index: usize, part: Part },
    /// A flag.
    Flag { index: usize, part: Part },
}

/// Which half of `name=value` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Name,
    Value,
}

/// A checked value that remembers where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// Most problems worth showing. Whoever has more gave the wrong file.
const PROBLEMS_MAX: usize = 256;

/// The collector of one load.
pub(crate) struct Findings {
    source: Source,
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
    problems: Vec<(Place, Problem)>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) sections: usize,
}

impl<T> Found<T> {
    /// Whether the value is what somebody meant, so that comparing it with another makes sense.
    pub(crate) fn is_sound(&self) -> bool {
        self.place != Place::Refused
    }
}

impl Place {
    /// The place of the name that belongs to the value at this place.
    pub(crate) const fn of_name(self) -> Self {
        match self {
            Self::Default | Self::Refused | Self::File { .. } => self,
            Self::Variable { index, .. } => Self::Variable { index, part: Part::Name },
            Self::Flag { index, .. } => Self::Flag { index, part: Part::Name },
        }
    }

    /// This place, or the other if this is a default, which nobody can look at.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Default { other } else { self }
    }
}

impl Findings {
    pub(crate) fn new(source: Source) -> Self {
        let breaks = source.text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { source, lines, problems: Vec::new(), settings: Vec::new(), sections: 0 }
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// Gives a setting that is at its default another one, because of what other sections say.
    pub(crate) fn restate(&mut self, path: &str, value: &str) {
        let found = self.settings.iter_mut().find(|setting| setting.path == path);
        if let Some(setting) = found.filter(|setting| setting.origin == Origin::Default) {
            value.clone_into(&mut setting.value);
            setting.default = Some(value.to_owned());
        }
    }

    /// Notes something that stops the start. An empty `help` says nothing.
    pub(crate) fn error(
        &mut self,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Error, place, message.into(), help.into());
    }

    /// Notes something that is probably not meant.
    pub(crate) fn warning(
        &mut self,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Severity::Warning, place, message.into(), help.into());
    }

    /// Notes a name that stands for nothing. `kind` is how its section is written.
    pub(crate) fn unknown_name(&mut self, place: Place, kind: &str, name: &str, known: &[&str]) {
        let help = match nearest(name, known) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None if known.is_empty() => format!("there is no {kind} at all"),
            None => format!("expected one of {}", listed(known)),
        };
        self.error(place, format!("no {kind} is named \"{name}\""), help);
    }

    fn push(&mut self, severity: Severity, place: Place, message: String, help: String) {
        let is_full = self.problems.len() >= PROBLEMS_MAX;
        let is_dropped = severity == Severity::Warning || self.problems.len() > PROBLEMS_MAX;
        if place == Place::Refused || (is_full && is_dropped) {
            return;
        }
        if is_full {
            let message = format!("more than {PROBLEMS_MAX} problems, the rest is not shown");
            self.add(Severity::Error, Place::Default, message, None);
            return;
        }
        let help = Some(help).filter(|help| !help.is_empty());
        self.add(severity, place, message, help);
    }

    fn add(&mut self, severity: Severity, place: Place, message: String, help: Option<String>) {
        let mut problem = Problem {
            severity,
            file: None,
            source: None,
            line: None,
            column: None,
            message,
            help,
            excerpt: None,
        };
        match place {
            Place::Default | Place::Refused => problem.file = Some(self.source.name.clone()),
            Place::File { start, end } => {
                let (line, column, excerpt) = self.excerpt(start, end);
                problem.file = Some(self.source.name.clone());
                problem.line = Some(line);
                problem.column = Some(column);
                problem.excerpt = Some(excerpt);
            }
            Place::Variable { index, part } => {
                if let Some(given) = self.source.variables.get(index) {
                    problem.source = Some(format!("env {}", given.name));
                    problem.excerpt = Some(assignment("", &given.name, &given.value, part));
                }
            }
            Place::Flag { index, part } => {
                if let Some(given) = self.source.flags.get(index) {
                    problem.source = Some(format!("flag --{}", given.name));
                    problem.excerpt = Some(assignment("--", &given.name, &given.value, part));
                }
            }
        }
        self.problems.push((place, problem));
    }

    /// Line, column and text of bytes of the file. A span over several lines ends with its first.
    fn excerpt(&self, start: usize, end: usize) -> (usize, usize, Excerpt) {
        let text = self.source.text.as_str();
        let number = self.lines.partition_point(|line| *line <= start);
        let line_start = self.lines.get(number.saturating_sub(1)).copied().unwrap_or(0);
        let line = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let column = text.get(line_start..start).unwrap_or_default().chars().count();
        let meant = text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default();
        let width = meant.chars().count();
        (number, column + 1, Excerpt { text: line.to_owned(), start: column, width })
    }

    /// Where a value was written, in words for a help text: "line 12".
    pub(crate) fn words(&self, place: Place) -> String {
        match self.origin(place) {
            Origin::Default => "default".to_owned(),
            Origin::File { line } => format!("line {line}"),
            Origin::Environment(name) => format!("env {name}"),
            Origin::Flag(name) => format!("flag --{name}"),
        }
    }

    pub(crate) fn origin(&self, place: Place) -> Origin {
        let name = |given: Option<&crate::source::Given>| {
            given.map(|given| given.name.clone()).unwrap_or_default()
        };
        match place {
            Place::Default | Place::Refused => Origin::Default,
            Place::File { start, .. } => {
                Origin::File { line: self.lines.partition_point(|line| *line <= start) }
            }
            Place::Variable { index, .. } => {
                Origin::Environment(name(self.source.variables.get(index)))
            }
            Place::Flag { index, .. } => Origin::Flag(name(self.source.flags.get(index))),
        }
    }

    /// What a load ends with: the values it read and its warnings, or everything it found.
    pub(crate) fn into_outcome(mut self) -> Result<(Settings, Problems), Problems> {
        let settings = Settings::new(std::mem::take(&mut self.settings));
        let problems = self.into_problems();
        if problems.errors() > 0 { Err(problems) } else { Ok((settings, problems)) }
    }

    /// Everything found, in the order of the file, then the environment, then flags.
    pub(crate) fn into_problems(mut self) -> Problems {
        self.problems.sort_by_key(|(place, _)| match place {
            Place::File { start, .. } => (0, *start),
            Place::Variable { index, .. } => (1, *index),
            Place::Flag { index, .. } => (2, *index),
            Place::Default | Place::Refused => (3, 0),
        });
        let mut problems: Vec<Problem> =
            self.problems.into_iter().map(|(_, problem)| problem).collect();
        problems.dedup();
        Problems(problems)
    }
}

/// How a variable or a flag is shown. When its name is the problem its value is not: it may be a
/// secret of something else.
fn assignment(dashes: &str, name: &str, value: &str, part: Part) -> Excerpt {
    let name = format!("{dashes}{name}");
    let name_width = name.chars().count();
    match part {
        Part::Name => Excerpt { start: 0, width: name_width, text: name },
        Part::Value => Excerpt {
            start: name_width + 1,
            width: value.chars().count(),
            text: format!("{name}={value}"),
        },
    }
}

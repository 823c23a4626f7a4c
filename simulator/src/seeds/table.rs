//! Rows and cells of a seed file. It knows columns and numbers, not what they mean.
//!
//! A cell that cannot be read is a [`Problem`] and a `None`; the caller goes on to the next cell,
//! so that one pass finds everything.

use std::collections::BTreeMap;
use std::fmt;

use super::{File, Problem};

/// The records of every file that could be read, each with its line.
pub(super) type Tables = BTreeMap<File, Vec<(u64, csv::StringRecord)>>;

pub(super) fn read(texts: &[(File, String)], problems: &mut Vec<Problem>) -> Tables {
    let mut tables = Tables::new();
    for (file, text) in texts {
        let file = *file;
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let header = reader.headers().cloned().unwrap_or_default();
        if !header.iter().eq(file.columns().iter().copied()) {
            let what = format!("header must be {}", file.columns().join(","));
            problems.push(Problem { file, row: 1, what });
            continue;
        }
        let records = tables.entry(file).or_default();
        for record in reader.records() {
            match record {
                Ok(record) => {
                    let row = record.position().map_or(0, csv::Position::line);
                    records.push((row, record));
                }
                Err(error) => {
                    let row = error.position().map_or(0, csv::Position::line);
                    let what = format!("needs {} columns", file.columns().len());
                    problems.push(Problem { file, row, what });
                }
            }
        }
    }
    tables
}

/// One row being read.
pub(super) struct Row<'a> {
    pub(super) file: File,
    pub(super) row: u64,
    record: &'a csv::StringRecord,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Row<'a> {
    pub(super) fn new(
        file: File,
        row: u64,
        record: &'a csv::StringRecord,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self { file, row, record, problems }
    }

    pub(super) fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { file: self.file, row: self.row, what: what.into() });
    }

    /// Says `column: fault` when the rule does not hold.
    pub(super) fn require(&mut self, column: &str, holds: Result<(), impl fmt::Display>) {
        if let Err(fault) = holds {
            self.problem(format!("{column}: {fault}"));
        }
    }

    /// Printable ASCII, not empty, at most `length_max` bytes.
    pub(super) fn text(&mut self, column: &str, length_max: usize) -> Option<String> {
        self.cell(column, |text| {
            if text.is_empty() {
                return Err("is empty".to_owned());
            }
            if text.len() > length_max {
                return Err(format!("is longer than {length_max}"));
            }
            if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                return Err("must be printable ASCII".to_owned());
            }
            Ok(text.to_owned())
        })
    }

    /// Digits only, between the two lengths.
    pub(super) fn digits(&mut self, column: &str, lengths: [usize; 2]) -> Option<String> {
        let [least, most] = lengths;
        self.cell(column, |text| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            match is_number && (least..=most).contains(&text.len()) {
                true => Ok(text.to_owned()),
                false => Err(format!("must be {least} to {most} digits")),
            }
        })
    }

    /// One of a closed set.
    pub(super) fn one_of<T>(
        &mut self,
        column: &str,
        find: impl Fn(&str) -> Option<T>,
        names: &str,
    ) -> Option<T> {
        self.cell(column, |text| find(text).ok_or_else(|| format!("must be one of {names}")))
    }

    pub(super) fn cell<T, E: fmt::Display>(
        &mut self,
        column: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let place = self.file.columns().iter().position(|name| *name == column);
        let text = place.and_then(|place| self.record.get(place)).unwrap_or_default();
        match read(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.problem(format!("{column}: {fault}"));
                None
            }
        }
    }
}

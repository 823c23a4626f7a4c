//! The anchors file: a copy of the anchors as lines of text, beside the journal and meant to be
//! copied further. Lines are only ever appended.
//!
//! The table is the truth and the file follows it: a line that a crash kept from being written,
//! or cut short, is written at the next opportunity. A file that knows more than the journal is a
//! sign that the journal was cut, and then it is not opened.

use super::walk::anchors_after;
use super::{failed, open_private};
use crate::StoreError;
use crate::chain::Anchor;
use rusqlite::{Connection, OptionalExtension};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use veksel_core::record::RecordId;

/// The file, and how far it has come.
#[derive(Debug)]
pub(super) struct Outside {
    path: PathBuf,
    /// `None` after a failure, until the next attempt.
    file: Option<File>,
    last: RecordId,
}

impl Outside {
    /// Opens or makes the file beside this journal, and writes what is missing in it.
    pub(super) fn open(
        journal: &Path,
        connection: &Connection,
        end: RecordId,
    ) -> Result<Self, StoreError> {
        let path = anchors_path(journal);
        let (file, last) = open_at_end(&path)?;
        if let Some(last) = last {
            let sql = "SELECT id, utc, chain, signature FROM anchors WHERE id = ?1";
            let known = i64::try_from(last.record.0)
                .ok()
                .map(|id| connection.query_row(sql, [id], super::walk::anchor_of).optional());
            let known = known.transpose().map_err(failed("reading its anchors"))?.flatten();
            // Trimming takes anchors away; that of the last line is then nobody's.
            if last.record > end || known.is_some_and(|known| known != last) {
                return Err(StoreError::Cut { path, last: end, anchor: last.record });
            }
        }
        let last = last.map_or(RecordId(0), |last| last.record);
        let mut outside = Self { path, file: Some(file), last };
        outside.follow(connection)?;
        Ok(outside)
    }

    /// Whether this journal has such a file.
    pub(super) fn is_there(journal: &Path) -> bool {
        anchors_path(journal).exists()
    }

    /// Writes the anchors that the file lacks. That it cannot be written is no reason to stop:
    /// the journal holds them, and the next time they are written too.
    pub(super) fn follow(&mut self, connection: &Connection) -> Result<(), StoreError> {
        loop {
            let missing = anchors_after(connection, self.last, Some(LINES_MAX));
            let missing = missing.map_err(failed("reading its anchors"))?;
            let Some(last) = missing.last() else { return Ok(()) };
            if let Err(error) = self.append(&missing) {
                let path = self.path.display();
                tracing::warn!(%error, %path, "the anchors file cannot be written");
                self.file = None;
                return Ok(());
            }
            self.last = last.record;
            if missing.len() < LINES_MAX as usize {
                return Ok(());
            }
        }
    }

    fn append(&mut self, anchors: &[Anchor]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open_at_end(&self.path).map_err(io::Error::other)?.0,
        };
        let mut lines = String::new();
        for anchor in anchors {
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{anchor}");
        }
        file.write_all(lines.as_bytes())?;
        self.file = Some(file);
        Ok(())
    }
}

/// The anchors file of the journal in this file: `<journal>.anchors`.
#[must_use]
pub fn anchors_path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".anchors");
    name.into()
}

/// The file, ready to be appended to, and its last line. A line that was cut short goes away.
fn open_at_end(path: &Path) -> Result<(File, Option<Anchor>), StoreError> {
    let fail = |source| StoreError::Open { path: path.to_owned(), source };
    let mut file = open_private(path)?;
    let length = file.seek(SeekFrom::End(0)).map_err(fail)?;
    let start = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start)).map_err(fail)?;
    let mut tail = Vec::new();
    Read::by_ref(&mut file).take(TAIL_BYTES).read_to_end(&mut tail).map_err(fail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    let torn = u64::try_from(tail.len().saturating_sub(whole)).unwrap_or(0);
    if torn > 0 {
        file.set_len(length.saturating_sub(torn)).map_err(fail)?;
    }
    file.seek(SeekFrom::End(0)).map_err(fail)?;
    let text = String::from_utf8_lossy(tail.get(..whole).unwrap_or_default());
    let last = text.lines().next_back().map(str::parse).transpose();
    let last =
        last.map_err(|why| StoreError::Anchors { path: path.to_owned(), line: None, why })?;
    Ok((file, last))
}

/// Reads an anchors file or a copy of one. A last line without an end is not there yet.
///
/// # Errors
/// It cannot be read, or a line of it is none.
pub fn read_anchors(path: &Path) -> Result<Vec<Anchor>, StoreError> {
    let fail = |source| StoreError::Open { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(fail)?;
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let parse = |(place, line): (u64, &str)| {
        let line = line.strip_suffix('\r').unwrap_or(line).parse();
        line.map_err(|why| StoreError::Anchors { path: path.to_owned(), line: Some(place), why })
    };
    (1..).zip(lines).map(parse).collect()
}

/// More than the longest line.
const TAIL_BYTES: u64 = 4_096;
/// Anchors written at once.
const LINES_MAX: u32 = 1_000;

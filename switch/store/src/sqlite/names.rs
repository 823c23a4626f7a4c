//! Words that occur in every row, stored once and referred to by number.
//!
//! They are names from the configuration and words of closed sets (verdicts, reasons, response
//! codes), so there are few of them and they never go away. Nothing a channel can choose freely
//! may be put here.

use crate::quick::QuickMap;
use rusqlite::{Connection, params};

/// The numbers of all names so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: QuickMap<String, i64>,
}

impl Names {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut select = connection.prepare("SELECT name, id FROM names")?;
        let numbers = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        Ok(Self { numbers })
    }

    /// The number of a name, given to it within this transaction if it is new. An empty name
    /// has none.
    pub(super) fn number(&mut self, tx: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(number) = self.numbers.get(name) {
            return Ok(Some(*number));
        }
        tx.prepare_cached("INSERT INTO names (name) VALUES (?1)")?.execute(params![name])?;
        let number = tx.last_insert_rowid();
        self.numbers.insert(name.to_owned(), number);
        Ok(Some(number))
    }
}

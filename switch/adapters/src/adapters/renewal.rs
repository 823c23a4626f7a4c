//! The certificates we are known by: until when they hold, and others in their place without a
//! restart. All of them are read before any of them is used, so that a wrong file changes nothing.

use super::{AdapterError, Adapters, Bank};
use crate::berlin_group::{Seal, Seals};
use crate::executor::{Executor, Held, Known};

/// A certificate of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// Who is shown it, by the name of the configuration.
    pub provider: String,
    /// `qwac` is shown when a connection is made, `qseal` signs requests.
    pub usage: &'static str,
    /// When the first of its chain ends, in Unix seconds.
    pub not_after: i64,
}

/// What was read and is not yet used.
enum Prepared<'a> {
    Qwac(&'a Executor, Known),
    Qseal(&'a Executor, &'a Seals, Seal),
}

impl Adapters {
    /// Every certificate that is in use.
    #[must_use]
    pub fn certificates(&self) -> Vec<Certificate> {
        let mut all = Vec::new();
        for (executor, seals) in self.known() {
            all.extend(executor.held().map(|held| shown(executor, "qwac", &held)));
            all.extend(seals.map(|seals| shown(executor, "qseal", &seals.current().held)));
        }
        all
    }

    /// Reads all of them again and uses them from now on, unless `is_trial`: all, or none if one
    /// is not what it should be. What is under way ends with the one it began with. Gives those
    /// that are other ones than before.
    ///
    /// # Errors
    ///
    /// If a file is not what it should be; nothing is changed then.
    pub fn renew(&self, is_trial: bool) -> Result<Vec<Certificate>, AdapterError> {
        let mut prepared = Vec::new();
        for (executor, seals) in self.known() {
            if let Some(known) = executor.prepare()? {
                prepared.push(Prepared::Qwac(executor, known));
            }
            if let Some(seals) = seals {
                prepared.push(Prepared::Qseal(executor, seals, seals.prepare()?));
            }
        }
        let mut changed = Vec::new();
        for one in prepared {
            let (executor, usage, before, after) = match &one {
                Prepared::Qwac(executor, known) => {
                    (executor, "qwac", executor.held(), known.held.clone())
                }
                Prepared::Qseal(executor, seals, seal) => {
                    (executor, "qseal", Some(seals.current().held.clone()), seal.held.clone())
                }
            };
            if before.as_ref() == Some(&after) {
                continue;
            }
            changed.push(shown(executor, usage, &after));
            if !is_trial {
                one.apply();
            }
        }
        Ok(changed)
    }

    fn known(&self) -> impl Iterator<Item = (&Executor, Option<&Seals>)> {
        let banks = self.banks.iter().map(|bank| match bank {
            Bank::BerlinGroup(bank) => (bank.executor(), bank.seals()),
            Bank::Neonomics(bank) => (bank.executor(), None),
            Bank::DropPay(bank) => (bank.executor(), None),
        });
        banks.chain(self.kyc.iter().map(|kyc| (kyc.executor(), None)))
    }
}

impl Prepared<'_> {
    fn apply(self) {
        match self {
            Self::Qwac(executor, known) => executor.renew(known),
            Self::Qseal(_, seals, seal) => seals.renew(seal),
        }
    }
}

fn shown(executor: &Executor, usage: &'static str, held: &Held) -> Certificate {
    Certificate { provider: executor.provider().to_owned(), usage, not_after: held.not_after }
}

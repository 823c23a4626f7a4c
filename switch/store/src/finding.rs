//! What a look at the chain can find, and the report of a whole one.

use crate::chain::{ANCHOR_RECORDS, Anchor, PublicKey};
use core::fmt;
use veksel_core::record::RecordId;

/// Something that is not as it was stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where: the first record that cannot be trusted.
    pub record: RecordId,
    /// What.
    pub what: Break,
}

/// How a chain can be broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Break {
    /// The body or the chain value of the record is another.
    Changed,
    /// A number is skipped and the chain does not reach across. Numbers of refused records are
    /// skipped too, so the record after the gap may be the changed one.
    Missing {
        /// The record after the gap.
        before: RecordId,
    },
    /// It has changed places with its neighbour.
    Reordered {
        /// The neighbour.
        with: RecordId,
    },
    /// Every record fits the one before, but not what an anchor says: the chain was made anew.
    Rewritten {
        /// The anchor.
        anchor: RecordId,
    },
    /// An anchor stands after a record that is not there.
    Anchored,
    /// An anchor is not signed with this key file.
    AnchorSignature,
    /// The journal says it trimmed records here, and the signature of that is wrong.
    TrimSignature,
    /// More than [`ANCHOR_RECORDS`] records without an anchor: anchors were taken away.
    Unanchored,
    /// The journal notes that it went on after this record, or otherwise.
    End,
}

impl Break {
    /// The word that programs get.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing { .. } => "missing",
            Self::Reordered { .. } => "reordered",
            Self::Rewritten { .. } => "rewritten",
            Self::Anchored => "anchored_missing",
            Self::AnchorSignature => "anchor_signature",
            Self::TrimSignature => "trim_signature",
            Self::Unanchored => "unanchored",
            Self::End => "end",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.record.0;
        match self.what {
            Break::Changed => write!(f, "record {n} was changed"),
            Break::Missing { before } => {
                let before = before.0;
                write!(f, "record {n} is missing, or record {before} after it was changed")
            }
            Break::Reordered { with } => {
                write!(f, "record {n} and record {} have changed places", with.0)
            }
            Break::Rewritten { anchor } => write!(
                f,
                "record {n} or one of those after it, up to {}, was changed and the chain made \
                 anew: the anchor there does not fit",
                anchor.0
            ),
            Break::Anchored => write!(f, "record {n} is missing: an anchor knows it"),
            Break::AnchorSignature => {
                write!(f, "the anchor after record {n} is not signed with this key file")
            }
            Break::TrimSignature => {
                write!(f, "that record {n} was trimmed is not signed with this key file")
            }
            Break::Unanchored => write!(
                f,
                "from record {n} on more than {ANCHOR_RECORDS} records have no anchor: anchors \
                 are missing"
            ),
            Break::End => {
                write!(f, "the journal ends with record {n}, but notes another end")
            }
        }
    }
}

/// What a check of the whole journal found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Records that were read.
    pub records: u64,
    /// The last number used.
    pub last: RecordId,
    /// Anchors that fit and are signed.
    pub anchors: u64,
    /// The last of them.
    pub anchor: Option<Anchor>,
    /// Records after it. They could be cut off or made anew without this check noticing.
    pub unsigned: u64,
    /// Stretches of records that were trimmed away.
    pub gaps: u64,
    /// Anchors of the copy that stand where records were trimmed, and so could not be checked.
    pub skipped: u64,
    /// What is wrong, in the order of the records, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub found: u64,
    /// What signatures were checked with.
    pub key: PublicKey,
}

/// Findings that a report holds.
pub const FINDINGS_MAX: usize = 100;

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.found == 0
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.found = self.found.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

//! The audit trail of adapters in a test: all its rows are searched for secrets.

use crate::watch::search_then;
use veksel_adapters::{AuditSink, audit};

/// A trail that nobody else reads.
pub(crate) fn trail() -> AuditSink {
    let (sink, mut rows) = audit(1_000);
    search_then("a row of the audit trail", move || rows.try_recv().ok());
    sink
}

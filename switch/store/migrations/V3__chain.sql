-- The hash chain, which makes a change of the journal show (src/chain.rs).
--
-- records.chain: SHA-256 over the chain value of the record stored before, the number of this
--   one, and its body. marks.chain, of `record` only: the value after the last stored record.

ALTER TABLE records ADD COLUMN chain BLOB;
ALTER TABLE marks ADD COLUMN chain BLOB;

-- Signed chain values: every 1,000 records, every minute, and at a clean stop. The same lines
-- stand in the file `<journal>.anchors`, of which a copy belongs on another machine.
CREATE TABLE anchors (
    id        INTEGER PRIMARY KEY,
    utc       INTEGER NOT NULL,
    chain     BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- Where records were trimmed away: the chain value before the first and after the last of them,
-- signed, so that the chain can be followed across.
CREATE TABLE trimmed (
    first     INTEGER PRIMARY KEY,
    last      INTEGER NOT NULL,
    before    BLOB NOT NULL,
    after     BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

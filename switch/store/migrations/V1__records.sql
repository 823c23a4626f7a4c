-- The journal. `body` is the record (src/bytes.rs) and the only column that is ever read back
-- into one; the others exist for look-up and for the views, and are null where a kind has none.
--
-- kind: 1 intent, 2 outcome, 3 reversal step, 4 inquiry, 5 notice.
-- key: DE7 and DE11, then a digest of the whole duplicate key (src/index.rs). New keys land side
--   by side in the index however long the history is.
-- participant, link, route, link_group, verdict, response, reason, step: see names.
-- account: the last four characters. card: first six and last four digits.
-- card_hash: the beginning of a keyed hash; who reads it compares the card itself.

CREATE TABLE records (
    id          INTEGER PRIMARY KEY,
    txn         INTEGER,
    kind        INTEGER NOT NULL,
    utc         INTEGER NOT NULL,
    key         BLOB,
    participant INTEGER,
    link        INTEGER,
    route       INTEGER,
    link_group  INTEGER,
    mti         INTEGER,
    code        INTEGER,
    amount      INTEGER,
    currency    INTEGER,
    stan        INTEGER,
    host_stan   INTEGER,
    rrn         TEXT,
    terminal    TEXT,
    account     TEXT,
    card        TEXT,
    card_hash   INTEGER,
    verdict     INTEGER,
    response    INTEGER,
    reason      INTEGER,
    step        INTEGER,
    attempt     INTEGER,
    actual      INTEGER,
    actor       TEXT,
    action      TEXT,
    note        TEXT,
    body        BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX records_key ON records (key) WHERE key IS NOT NULL;
CREATE INDEX records_txn ON records (txn) WHERE txn IS NOT NULL;
CREATE INDEX records_rrn ON records (rrn) WHERE rrn IS NOT NULL;
CREATE INDEX records_reversal ON records (txn) WHERE kind = 3;
CREATE INDEX records_notice ON records (utc) WHERE kind = 5;

-- Hashes fall anywhere, and an index over all of them would soon touch a page of its own for
-- every card. In segments of 65,536 records only the pages of the last segment are written.
CREATE INDEX records_card ON records (id >> 16, card_hash) WHERE card_hash IS NOT NULL;

-- Words that occur in every row, once: names from the configuration, verdicts, reasons, codes.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Transactions that stay unfinished for long, and parked ones. Those that began within the last
-- records are not here; a restart reads these records instead (src/pending.rs, also for the
-- bits of stage).
CREATE TABLE pending (
    txn   INTEGER PRIMARY KEY,
    stage INTEGER NOT NULL
) STRICT;

-- The last record, the highest transaction, the latest STAN of each link group (`stan:<group>`),
-- so that a restart needs no search and trimming forgets none of them; and which key file.
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ISO 4217: the currencies with another number of decimals than two, and the names of those
-- most often met. A currency that is missing here is shown by its number, with two decimals.
CREATE TABLE currencies (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    digits INTEGER NOT NULL,
    unit   INTEGER NOT NULL
) STRICT;

INSERT INTO currencies (number, name, digits, unit) VALUES
    (36, 'AUD', 2, 100), (48, 'BHD', 3, 1000), (108, 'BIF', 0, 1), (124, 'CAD', 2, 100),
    (152, 'CLP', 0, 1), (156, 'CNY', 2, 100), (174, 'KMF', 0, 1), (203, 'CZK', 2, 100),
    (208, 'DKK', 2, 100), (262, 'DJF', 0, 1), (324, 'GNF', 0, 1), (344, 'HKD', 2, 100),
    (348, 'HUF', 2, 100), (352, 'ISK', 0, 1), (356, 'INR', 2, 100), (368, 'IQD', 3, 1000),
    (392, 'JPY', 0, 1), (400, 'JOD', 3, 1000), (410, 'KRW', 0, 1), (414, 'KWD', 3, 1000),
    (434, 'LYD', 3, 1000), (512, 'OMR', 3, 1000), (548, 'VUV', 0, 1), (554, 'NZD', 2, 100),
    (578, 'NOK', 2, 100), (600, 'PYG', 0, 1), (646, 'RWF', 0, 1), (682, 'SAR', 2, 100),
    (702, 'SGD', 2, 100), (704, 'VND', 0, 1), (710, 'ZAR', 2, 100), (752, 'SEK', 2, 100),
    (756, 'CHF', 2, 100), (764, 'THB', 2, 100), (784, 'AED', 2, 100), (788, 'TND', 3, 1000),
    (800, 'UGX', 0, 1), (826, 'GBP', 2, 100), (840, 'USD', 2, 100), (927, 'UYW', 4, 10000),
    (940, 'UYI', 0, 1), (949, 'TRY', 2, 100), (950, 'XAF', 0, 1), (952, 'XOF', 0, 1),
    (953, 'XPF', 0, 1), (978, 'EUR', 2, 100), (980, 'UAH', 2, 100), (985, 'PLN', 2, 100),
    (986, 'BRL', 2, 100), (990, 'CLF', 4, 10000);

-- Facts that outlive a request: linked accounts, customers, cached balances, payments at banks.
--
-- records.kind 6: a fact. Of payments also: link_group is the bank, response what was said to the
--   channel first, note the provider's code of its last failure, and these.
-- state, open_case: see names. reference: what the bank calls the payment. over: whether nothing
--   more will happen to it.

ALTER TABLE records ADD COLUMN state INTEGER;
ALTER TABLE records ADD COLUMN reference TEXT;
ALTER TABLE records ADD COLUMN open_case INTEGER;
ALTER TABLE records ADD COLUMN over INTEGER;

CREATE INDEX records_payment ON records (txn) WHERE kind = 6 AND txn IS NOT NULL;

-- The last record of each fact that holds and belongs to no transaction. It is read from there,
-- and never trimmed; the other columns are for the views.
-- kind: 1 linked account, 2 customer, 3 balance, 4 reads of an account. about: a digest of what it
--   is about, the same for an account's link and its balance.
-- account, iban: the last four characters.

CREATE TABLE facts (
    kind     INTEGER NOT NULL,
    about    BLOB NOT NULL,
    record   INTEGER NOT NULL UNIQUE,
    utc      INTEGER NOT NULL,
    account  TEXT,
    iban     TEXT,
    bank     TEXT,
    customer TEXT,
    currency INTEGER,
    status   TEXT,
    level    TEXT,
    at       INTEGER,
    until    INTEGER,
    PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;

-- One row per payment at a bank, also those that are over.
CREATE VIEW v_payments AS
SELECT
    g.txn AS txn,
    strftime('%Y-%m-%dT%H:%M:%S', f.utc / 1000, 'unixepoch')
        || printf('.%03dZ', f.utc % 1000) AS time,
    (SELECT name FROM names WHERE id = l.link_group) AS bank,
    (SELECT name FROM names WHERE id = l.state) AS state,
    l.reference AS reference,
    (SELECT name FROM names WHERE id = l.open_case) AS open_case,
    (SELECT name FROM names WHERE id = l.response) AS told,
    l.note AS code,
    l.over AS over,
    strftime('%Y-%m-%dT%H:%M:%S', l.utc / 1000, 'unixepoch')
        || printf('.%03dZ', l.utc % 1000) AS last_time,
    t.participant, t.amount, t.amount_minor, t.currency, t.rrn, t.terminal, t.account
FROM (
    SELECT txn, min(id) AS first, max(id) AS last
    FROM records WHERE kind = 6 AND txn IS NOT NULL GROUP BY txn
) g
JOIN records f ON f.id = g.first
JOIN records l ON l.id = g.last
LEFT JOIN v_transactions t ON t.txn = g.txn;

-- One row per linked account.
CREATE VIEW v_accounts AS
SELECT
    '****' || f.account AS account,
    f.bank AS bank,
    '****' || f.iban AS iban,
    ifnull(c.name, substr('00' || f.currency, -3)) AS currency,
    f.customer AS customer,
    f.status AS status,
    strftime('%Y-%m-%dT%H:%M:%SZ', f.until / 1000, 'unixepoch') AS until,
    strftime('%Y-%m-%dT%H:%M:%S', f.utc / 1000, 'unixepoch')
        || printf('.%03dZ', f.utc % 1000) AS time,
    strftime('%Y-%m-%dT%H:%M:%S', b.at / 1000, 'unixepoch')
        || printf('.%03dZ', b.at % 1000) AS balance_synced_at
FROM facts f
LEFT JOIN facts b ON b.kind = 3 AND b.about = f.about
LEFT JOIN currencies c ON c.number = f.currency
WHERE f.kind = 1;

-- One row per customer whose identity is or was checked.
CREATE VIEW v_customers AS
SELECT
    customer,
    status,
    level,
    strftime('%Y-%m-%dT%H:%M:%S', at / 1000, 'unixepoch')
        || printf('.%03dZ', at % 1000) AS reviewed,
    strftime('%Y-%m-%d', until / 1000, 'unixepoch') AS document_until,
    strftime('%Y-%m-%dT%H:%M:%S', utc / 1000, 'unixepoch')
        || printf('.%03dZ', utc % 1000) AS time
FROM facts WHERE kind = 2;

-- The bank's book. Amounts are integers in minor units; times are milliseconds since 1970, UTC.
-- Read the views: they join, decode and add the decimal point.

CREATE TABLE currencies (
    numeric  INTEGER PRIMARY KEY,
    alpha    TEXT NOT NULL UNIQUE,
    decimals INTEGER NOT NULL,
    scale    INTEGER NOT NULL
) STRICT;

CREATE TABLE customers (
    customer TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    phone    TEXT NOT NULL,
    email    TEXT NOT NULL,
    city     TEXT NOT NULL,
    country  TEXT NOT NULL,
    status   TEXT NOT NULL
) STRICT;

-- The bank's own accounts (GL-...) have no customer, product, status, opened, branch and iban.
CREATE TABLE accounts (
    id             INTEGER PRIMARY KEY,
    account        TEXT NOT NULL UNIQUE,
    currency       INTEGER NOT NULL REFERENCES currencies (numeric),
    gl             TEXT,
    customer       TEXT REFERENCES customers (customer),
    product        TEXT,
    status         TEXT,
    overdraft      INTEGER NOT NULL DEFAULT 0,
    opened         TEXT,
    branch         TEXT,
    iban           TEXT,
    debits_posted  INTEGER NOT NULL DEFAULT 0,
    credits_posted INTEGER NOT NULL DEFAULT 0,
    debits_pending INTEGER NOT NULL DEFAULT 0,
    CHECK ((gl IS NULL) <> (customer IS NULL))
) STRICT;
CREATE INDEX accounts_customer ON accounts (customer);

CREATE TABLE cards (
    pan     TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (account),
    expiry  TEXT NOT NULL,
    status  TEXT NOT NULL
) STRICT;

CREATE TABLE holds (
    id          INTEGER PRIMARY KEY,
    account     TEXT NOT NULL REFERENCES accounts (account),
    amount      INTEGER NOT NULL CHECK (amount > 0),
    currency    INTEGER NOT NULL REFERENCES currencies (numeric),
    state       TEXT NOT NULL CHECK (state IN ('open', 'captured', 'voided', 'expired')),
    held        INTEGER NOT NULL CHECK (held BETWEEN 0 AND amount),
    captured    INTEGER NOT NULL DEFAULT 0,
    tran_type   TEXT NOT NULL,
    narration   TEXT NOT NULL,
    utc_ms      INTEGER NOT NULL,
    expires_ms  INTEGER,
    class       INTEGER,
    transmitted TEXT,
    stan        TEXT,
    acquirer    TEXT,
    rrn         TEXT,
    terminal    TEXT,
    acceptor    TEXT
) STRICT;
CREATE INDEX holds_account ON holds (account);

CREATE TABLE transfers (
    id             INTEGER PRIMARY KEY,
    debit_account  TEXT NOT NULL REFERENCES accounts (account),
    credit_account TEXT NOT NULL REFERENCES accounts (account),
    amount         INTEGER NOT NULL CHECK (amount > 0),
    currency       INTEGER NOT NULL REFERENCES currencies (numeric),
    tran_type      TEXT NOT NULL,
    narration      TEXT NOT NULL,
    utc_ms         INTEGER NOT NULL,
    class          INTEGER,
    transmitted    TEXT,
    stan           TEXT,
    acquirer       TEXT,
    rrn            TEXT,
    terminal       TEXT,
    acceptor       TEXT,
    hold           INTEGER REFERENCES holds (id),
    reverses       INTEGER REFERENCES transfers (id),
    reversed       INTEGER NOT NULL DEFAULT 0,
    reversed_by    INTEGER REFERENCES transfers (id),
    CHECK (debit_account <> credit_account)
) STRICT;
CREATE INDEX transfers_debit ON transfers (debit_account);
CREATE INDEX transfers_credit ON transfers (credit_account);
CREATE INDEX transfers_rrn ON transfers (rrn);

-- What was answered to which message, so that it can be answered again.
CREATE TABLE replies (
    id             INTEGER PRIMARY KEY,
    class          INTEGER NOT NULL,
    transmitted    TEXT NOT NULL,
    stan           TEXT NOT NULL,
    acquirer       TEXT NOT NULL,
    rrn            TEXT NOT NULL,
    terminal       TEXT NOT NULL,
    acceptor       TEXT NOT NULL,
    digest         BLOB NOT NULL,
    utc_ms         INTEGER NOT NULL,
    outcome        TEXT NOT NULL,
    response_code  TEXT NOT NULL,
    approval       TEXT,
    amount         INTEGER,
    currency       INTEGER REFERENCES currencies (numeric),
    from_currency  INTEGER,
    from_ledger    INTEGER,
    from_held      INTEGER,
    from_overdraft INTEGER,
    to_currency    INTEGER,
    to_ledger      INTEGER,
    to_held        INTEGER,
    to_overdraft   INTEGER,
    hold           INTEGER REFERENCES holds (id),
    transfer       INTEGER REFERENCES transfers (id)
) STRICT;
CREATE INDEX replies_rrn ON replies (rrn);

-- Reversals that came before their originals.
CREATE TABLE tombstones (
    id          INTEGER PRIMARY KEY,
    class       INTEGER NOT NULL,
    transmitted TEXT NOT NULL,
    stan        TEXT NOT NULL,
    acquirer    TEXT NOT NULL,
    rrn         TEXT NOT NULL,
    terminal    TEXT NOT NULL,
    acceptor    TEXT NOT NULL,
    utc_ms      INTEGER NOT NULL
) STRICT;

CREATE TABLE billers (
    biller           TEXT PRIMARY KEY,
    name             TEXT NOT NULL,
    category         TEXT NOT NULL,
    currency         INTEGER NOT NULL REFERENCES currencies (numeric),
    reference_digits INTEGER NOT NULL
) STRICT;

CREATE TABLE banks (
    bank    TEXT PRIMARY KEY,
    bic     TEXT NOT NULL UNIQUE,
    name    TEXT NOT NULL,
    country TEXT NOT NULL,
    iin     TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE operators (
    operator TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    country  TEXT NOT NULL,
    prefix   TEXT NOT NULL UNIQUE
) STRICT;

-- Customer accounts. available = ledger - held + overdraft limit: what may be spent.
CREATE VIEW v_account AS
WITH sums AS (
    SELECT a.*, a.credits_posted - a.debits_posted AS ledger_minor,
           a.credits_posted - a.debits_posted - a.debits_pending + a.overdraft AS available_minor
    FROM accounts a WHERE a.customer IS NOT NULL
)
SELECT s.account, s.customer, p.name, s.product AS type, s.status,
       c.alpha AS currency, c.numeric AS currency_code,
       s.ledger_minor, s.debits_pending AS held_minor, s.overdraft AS overdraft_minor,
       s.available_minor,
       CASE c.decimals WHEN 0 THEN printf('%d', s.ledger_minor)
            ELSE printf('%s%d.%0*d', iif(s.ledger_minor < 0, '-', ''),
                        abs(s.ledger_minor) / c.scale, c.decimals, abs(s.ledger_minor) % c.scale)
       END AS ledger,
       CASE c.decimals WHEN 0 THEN printf('%d', s.available_minor)
            ELSE printf('%s%d.%0*d', iif(s.available_minor < 0, '-', ''),
                        abs(s.available_minor) / c.scale, c.decimals,
                        abs(s.available_minor) % c.scale)
       END AS available,
       s.opened, s.branch, s.iban
FROM sums s
JOIN currencies c ON c.numeric = s.currency
JOIN customers p ON p.customer = s.customer;

CREATE VIEW v_transfers AS
SELECT t.id, strftime('%Y-%m-%dT%H:%M:%fZ', t.utc_ms / 1000.0, 'unixepoch') AS utc,
       t.debit_account, t.credit_account,
       t.amount AS amount_minor,
       CASE c.decimals WHEN 0 THEN printf('%d', t.amount)
            ELSE printf('%d.%0*d', t.amount / c.scale, c.decimals, t.amount % c.scale)
       END AS amount,
       c.alpha AS currency, t.tran_type, t.narration, t.stan, t.rrn, t.terminal,
       t.hold, t.reverses, t.reversed, t.reversed_by, t.utc_ms
FROM transfers t
JOIN currencies c ON c.numeric = t.currency;

-- Two lines for each transfer between customers, one for the others; ORDER BY id DESC for newest.
CREATE VIEW v_statement AS
SELECT t.debit_account AS account, 'D' AS dr_cr, t.id, t.utc, t.amount_minor, t.amount, t.currency,
       t.tran_type, t.narration, t.credit_account AS other_account, t.stan, t.rrn, t.reversed_by
FROM v_transfers t WHERE t.debit_account NOT LIKE 'GL-%'
UNION ALL
SELECT t.credit_account, 'C', t.id, t.utc, t.amount_minor, t.amount, t.currency,
       t.tran_type, t.narration, t.debit_account, t.stan, t.rrn, t.reversed_by
FROM v_transfers t WHERE t.credit_account NOT LIKE 'GL-%';

-- The proof in SQL: both columns are 0 in every currency.
CREATE VIEW v_conservation AS
SELECT c.alpha AS currency,
       sum(a.credits_posted - a.debits_posted) AS sum_minor,
       (SELECT coalesce(sum(t.amount), 0) FROM transfers t WHERE t.currency = c.numeric)
           - sum(a.debits_posted) AS unexplained_minor
FROM accounts a JOIN currencies c ON c.numeric = a.currency
GROUP BY c.numeric;

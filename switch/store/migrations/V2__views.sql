-- What people look at. The names and columns here are an interface; those of the tables are not.

-- One row per transaction: payments as soon as they were about to leave, inquiries once answered.
CREATE VIEW v_transactions AS
SELECT
    txn,
    strftime('%Y-%m-%dT%H:%M:%S', utc / 1000, 'unixepoch') || printf('.%03dZ', utc % 1000) AS time,
    participant, link, route, link_group,
    substr('000' || mti, -4) AS mti,
    substr('00000' || code, -6) AS code,
    CASE
        WHEN amount IS NULL THEN NULL
        WHEN digits = 0 THEN printf('%d', amount)
        ELSE printf('%d.%0*d', amount / unit, digits, amount % unit)
    END AS amount,
    amount AS amount_minor,
    currency,
    substr('00000' || stan, -6) AS stan,
    substr('00000' || host_stan, -6) AS host_stan,
    rrn, terminal,
    '****' || account AS account,
    card, verdict, response, reason,
    CASE
        -- An advice is not undone but delivered, and a channel's reversal is only taken note of.
        WHEN verdict = 'accepted' AND step IN ('queued', 'sent') THEN 'delivering'
        WHEN verdict = 'accepted' AND step = 'settled' THEN 'delivered'
        WHEN verdict = 'accepted' AND step IS NULL THEN 'accepted'
        WHEN step IN ('queued', 'sent') THEN 'reversing'
        WHEN step = 'settled' THEN 'reversed'
        WHEN step IS NOT NULL THEN step
        WHEN verdict IS NULL THEN 'open'
        WHEN verdict = 'not_sent' THEN 'not_sent'
        WHEN verdict = 'indefinite' AND kind = 1 THEN 'reversing'
        WHEN response IN ('00', '10') THEN 'approved'
        ELSE 'declined'
    END AS state
FROM (
    SELECT
        i.txn, i.kind, i.utc, i.mti, i.code, i.amount, i.stan, i.host_stan, i.rrn, i.terminal,
        i.account, i.card,
        (SELECT name FROM names WHERE id = i.participant) AS participant,
        (SELECT name FROM names WHERE id = i.link) AS link,
        (SELECT name FROM names WHERE id = i.route) AS route,
        (SELECT name FROM names WHERE id = i.link_group) AS link_group,
        (SELECT name FROM names WHERE id = ifnull(o.verdict, i.verdict)) AS verdict,
        (SELECT name FROM names WHERE id = ifnull(o.response, i.response)) AS response,
        (SELECT name FROM names WHERE id = ifnull(o.reason, i.reason)) AS reason,
        (SELECT name FROM names WHERE id = r.step) AS step,
        ifnull(c.name, substr('00' || i.currency, -3)) AS currency,
        ifnull(c.digits, 2) AS digits,
        ifnull(c.unit, 100) AS unit
    FROM records i
    LEFT JOIN currencies c ON c.number = i.currency
    LEFT JOIN records o
        ON o.id = (SELECT max(id) FROM records WHERE txn = i.txn AND kind = 2)
    LEFT JOIN records r
        ON r.id = (SELECT max(id) FROM records WHERE txn = i.txn AND kind = 3)
    WHERE i.kind IN (1, 4) AND i.txn IS NOT NULL
);

-- One row per transaction that has ever been reversed, or is to be.
CREATE VIEW v_reversals AS
SELECT
    g.txn AS txn,
    strftime('%Y-%m-%dT%H:%M:%S', f.utc / 1000, 'unixepoch')
        || printf('.%03dZ', f.utc % 1000) AS time,
    (SELECT name FROM names WHERE id = f.reason) AS reason,
    g.attempts AS attempts,
    strftime('%Y-%m-%dT%H:%M:%S', l.utc / 1000, 'unixepoch')
        || printf('.%03dZ', l.utc % 1000) AS last_time,
    (SELECT name FROM names WHERE id = l.step) AS last_step,
    (SELECT name FROM names WHERE id = l.response) AS response,
    l.actor AS operator,
    l.note AS note,
    t.participant, t.link_group, t.mti, t.code, t.amount, t.amount_minor, t.currency,
    f.actual AS actual_minor,
    t.host_stan, t.rrn, t.terminal, t.account, t.card,
    CASE (SELECT name FROM names WHERE id = l.step)
        WHEN 'settled' THEN iif(t.verdict = 'accepted', 'delivered', 'reversed')
        WHEN 'parked' THEN 'parked'
        WHEN 'resolved' THEN 'resolved'
        ELSE iif(t.verdict = 'accepted', 'delivering', 'reversing')
    END AS state
FROM (
    SELECT txn, min(id) AS first, max(id) AS last, ifnull(max(attempt), 0) AS attempts
    FROM records WHERE kind = 3 GROUP BY txn
) g
JOIN records f ON f.id = g.first
JOIN records l ON l.id = g.last
LEFT JOIN v_transactions t ON t.txn = g.txn;

-- What was done to the switch, and by whom; reversals that a person ended are among it.
CREATE VIEW v_audit AS
SELECT
    id AS record,
    strftime('%Y-%m-%dT%H:%M:%S', utc / 1000, 'unixepoch')
        || printf('.%03dZ', utc % 1000) AS time,
    actor AS actor,
    action AS action,
    NULL AS txn,
    note AS detail
FROM records WHERE kind = 5
UNION ALL
SELECT
    id,
    strftime('%Y-%m-%dT%H:%M:%S', utc / 1000, 'unixepoch')
        || printf('.%03dZ', utc % 1000),
    actor,
    'reversal-resolved',
    txn,
    note
FROM records
WHERE kind = 3 AND step = (SELECT id FROM names WHERE name = 'resolved');

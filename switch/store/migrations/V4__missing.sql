-- marks.missing: numbers up to the last record that have none, because it was refused or trimmed.
-- The last number less these is how many records are held, without counting them.

INSERT INTO marks (name, value)
SELECT 'missing', value - (SELECT count(*) FROM records) FROM marks WHERE name = 'record';

-- Requests of callers over HTTP, found by what the caller knows them by (Intent::caller_key).
--
-- caller_key: of an intent that has one, the beginning of its key as a number; who reads it compares
--   the record. One request may be several rows, so it is not unique; and it is null in every row of
--   a channel, which costs the index nothing.

ALTER TABLE records ADD COLUMN caller_key INTEGER;

CREATE INDEX records_caller_key ON records (caller_key) WHERE caller_key IS NOT NULL;

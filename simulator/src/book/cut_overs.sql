-- When the business days ended that did not end at midnight. Books that are older than this table
-- get it when they are opened.
CREATE TABLE IF NOT EXISTS cut_overs (
    utc_ms INTEGER NOT NULL
) STRICT;

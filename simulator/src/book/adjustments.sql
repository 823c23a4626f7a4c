-- The last adjustment of each hold, as long as it can be taken back. Books that are older than this
-- table get it when they are opened.
CREATE TABLE IF NOT EXISTS adjustments (
    hold   INTEGER PRIMARY KEY REFERENCES holds (id),
    reply  INTEGER NOT NULL,
    before INTEGER NOT NULL
) STRICT;

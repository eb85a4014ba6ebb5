-- Changes that auto_approve and auto_reject have not said anything about yet: the mode of their run,
-- by which it goes where they say nothing. NULL: nobody waits for them.
ALTER TABLE changes ADD COLUMN ruling TEXT CHECK (ruling IN ('apply', 'stage'));
CREATE INDEX changes_ruling ON changes (seq) WHERE ruling IS NOT NULL;
-- What an earlier run of its batch had approved for its entity, and it differs from: JSON.
ALTER TABLE changes ADD COLUMN previous TEXT;
CREATE INDEX changes_approved ON changes (target, entity, seq) WHERE status = 'approved' AND batch IS NOT NULL;

CREATE TABLE samples (
	-- Drawn at random of what is proposed, so that looking at these says something of all.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	scope    TEXT NOT NULL,             -- batch NAME/START, or run ID
	seed     INTEGER NOT NULL,
	population INTEGER NOT NULL,        -- proposed when it was drawn
	last_seq INTEGER NOT NULL,          -- the latest of them
	digest   TEXT NOT NULL,             -- of them all
	confidence REAL NOT NULL,
	max_defect REAL NOT NULL,
	drawn_by TEXT NOT NULL,
	at       INTEGER NOT NULL
) STRICT;
CREATE INDEX samples_scope ON samples (scope, seq);
CREATE TABLE sample_items (
	sample   INTEGER NOT NULL REFERENCES samples (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	change   INTEGER NOT NULL,          -- changes.seq
	digest   TEXT,                      -- as it was drawn
	PRIMARY KEY (sample, n)
) STRICT, WITHOUT ROWID;

-- The changes of a batch on their way to their targets, or back: how far, how fast, and when it stops.
CREATE TABLE rollouts (
	batch    INTEGER PRIMARY KEY REFERENCES batches (seq) ON DELETE CASCADE,
	revert   INTEGER NOT NULL CHECK (revert IN (0, 1)),
	state    TEXT NOT NULL CHECK (state IN ('canary', 'going', 'stopped', 'done')),
	why      TEXT,                      -- stopped: in words
	canary   INTEGER NOT NULL,          -- so many first
	stop     REAL NOT NULL,             -- share of failures above which it stops
	rate_count  INTEGER NOT NULL,       -- 0: as fast as it goes
	rate_per_ms INTEGER NOT NULL,
	cursor   INTEGER NOT NULL,          -- changes.seq of the last that was looked at
	total    INTEGER NOT NULL,          -- that were there to be done when it began
	released INTEGER NOT NULL,          -- let go so far
	base     INTEGER NOT NULL,          -- of the batch that were applied (or reverted) before
	started_by TEXT,
	reason   TEXT,
	at       INTEGER NOT NULL
) STRICT;
CREATE INDEX rollouts_open ON rollouts (batch) WHERE state IN ('canary', 'going');
-- What of a batch is on its way now.
CREATE INDEX changes_going ON changes (batch)
	WHERE batch IS NOT NULL AND status IN ('approved', 'applying', 'reverting') AND held = 0;

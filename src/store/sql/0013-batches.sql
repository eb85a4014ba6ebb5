-- Batches on their way: what each was started with, where its source stands, and how far it is.
ALTER TABLE batches ADD COLUMN options TEXT;          -- JSON: limit only failed skipped trial
ALTER TABLE batches ADD COLUMN started_by TEXT;
ALTER TABLE batches ADD COLUMN event INTEGER;         -- events.seq of its start
ALTER TABLE batches ADD COLUMN source_state TEXT NOT NULL DEFAULT 'reading'
	CHECK (source_state IN ('reading', 'ended', 'broken'));
ALTER TABLE batches ADD COLUMN source_cursor TEXT;    -- in the source's own words; behind the last item
ALTER TABLE batches ADD COLUMN source_again INTEGER NOT NULL DEFAULT 0 CHECK (source_again IN (0, 1)); -- read once more from its start
ALTER TABLE batches ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0; -- entities that came more than once
-- Counts of its items by state; what is in none of them is left. Kept beside every move.
ALTER TABLE batches ADD COLUMN items INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN running INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN excused INTEGER NOT NULL DEFAULT 0; -- of skipped and failed: those that stop_after no longer counts
ALTER TABLE batches ADD COLUMN resumed INTEGER;       -- when it last began to go
ALTER TABLE batches ADD COLUMN worked_ms INTEGER NOT NULL DEFAULT 0; -- going, before that
CREATE INDEX batches_state ON batches (state, seq);

ALTER TABLE batch_items ADD COLUMN error TEXT;        -- of an item without a run
DROP INDEX batch_items_state;
CREATE INDEX batch_items_state ON batch_items (batch, state, n);

CREATE TABLE batch_notes (
	-- What was remarkable about its source, in words; the first some hundred.
	batch    INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	text     TEXT NOT NULL,
	PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;

-- How many changes of a batch stand where, whoever moves them.
CREATE TABLE batch_changes (
	batch    TEXT NOT NULL,
	status   TEXT NOT NULL,
	n        INTEGER NOT NULL,
	PRIMARY KEY (batch, status)
) STRICT, WITHOUT ROWID;
INSERT INTO batch_changes SELECT batch, status, COUNT(*) FROM changes WHERE batch IS NOT NULL GROUP BY batch, status;
CREATE TRIGGER batch_changes_insert AFTER INSERT ON changes WHEN NEW.batch IS NOT NULL BEGIN
	INSERT INTO batch_changes VALUES (NEW.batch, NEW.status, 1)
		ON CONFLICT (batch, status) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER batch_changes_update AFTER UPDATE OF status ON changes
	WHEN NEW.batch IS NOT NULL AND NEW.status <> OLD.status BEGIN
	UPDATE batch_changes SET n = n - 1 WHERE batch = OLD.batch AND status = OLD.status;
	INSERT INTO batch_changes VALUES (NEW.batch, NEW.status, 1)
		ON CONFLICT (batch, status) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER batch_changes_delete AFTER DELETE ON changes WHEN OLD.batch IS NOT NULL BEGIN
	UPDATE batch_changes SET n = n - 1 WHERE batch = OLD.batch AND status = OLD.status;
END;

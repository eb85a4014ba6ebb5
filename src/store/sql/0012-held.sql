-- Approved changes of a batch wait until it is applied: the outbox does not see what is held.
ALTER TABLE changes ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1));
DROP INDEX changes_outbox;
CREATE INDEX changes_outbox ON changes (target, seq)
	WHERE status IN ('approved', 'applying', 'reverting') AND held = 0;
DROP INDEX changes_order;
CREATE INDEX changes_order ON changes (target, entity, seq)
	WHERE entity IS NOT NULL AND status IN ('approved', 'applying', 'reverting') AND held = 0;
DROP INDEX changes_due;
CREATE INDEX changes_due ON changes (target, due)
	WHERE due IS NOT NULL AND status IN ('approved', 'applying', 'reverting') AND held = 0;

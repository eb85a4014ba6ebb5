-- Proposals whose target has not said yet whether they make sense: the mode of their run, by which they
-- go on then. NULL: nobody waits for it.
ALTER TABLE changes ADD COLUMN vetting TEXT CHECK (vetting IN ('apply', 'stage'));
CREATE INDEX changes_vetting ON changes (target, seq) WHERE vetting IS NOT NULL;
CREATE INDEX changes_vetting_run ON changes (run) WHERE vetting IS NOT NULL;
-- Why its target could not be asked; NULL: it was, or need not be.
ALTER TABLE changes ADD COLUMN unchecked TEXT;

DROP VIEW staged_changes;
CREATE VIEW staged_changes AS
SELECT c.id, r.id AS run, c.batch, c.target, c.entity, c.op, c.status, c.before, c.after, c.patch, c.confidence,
       c.reason, c.key, c.decided_by,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.decided_at / 1000.0, 'unixepoch') AS decided_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.applied_at / 1000.0, 'unixepoch') AS applied_at,
       c.error, c.decision_reason, c.partial, c.attempts, c.digest, c.receipt, c.current,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.created / 1000.0, 'unixepoch') AS created,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.reverted_at / 1000.0, 'unixepoch') AS reverted_at,
       c.unchecked
FROM changes c LEFT JOIN runs r ON r.seq = c.run;

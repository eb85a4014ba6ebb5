-- Proposals whose target has not said yet whether they make sense: the mode of their run, by which they
-- go on then. NULL: nobody waits for it.
ALTER TABLE changes ADD COLUMN vetting TEXT CHECK (vetting IN ('apply', 'stage'));
CREATE INDEX changes_vetting ON changes (target, seq) WHERE vetting IS NOT NULL;
CREATE INDEX changes_vetting_run ON changes (run) WHERE vetting IS NOT NULL;
-- Why its target could not be asked; NULL: it was, or need not be.
ALTER TABLE changes ADD COLUMN unchecked TEXT;

-- Replays: runs that repeat earlier ones in another agent, so that what both proposed can be compared.
-- What its envelope says of who and what, where that is not the run's own: JSON.
ALTER TABLE run_inputs ADD COLUMN guise TEXT;
-- What a run of a replay proposed before, and replaces.
CREATE INDEX changes_replayed ON changes (target, entity, seq)
	WHERE status = 'rejected' AND batch >= 'replay:' AND batch < 'replay;';
-- Whatever asks for it: nothing of a replay is ever applied.
CREATE TRIGGER changes_replayed_stay BEFORE UPDATE OF status ON changes
	WHEN OLD.batch >= 'replay:' AND OLD.batch < 'replay;' AND NEW.status NOT IN ('rejected', 'superseded') BEGIN
	SELECT RAISE(ABORT, 'a change of a replay is only compared');
END;
-- What was replayed is let go of batch by batch.
CREATE INDEX batches_replays ON batches (seq) WHERE name >= 'replay:' AND name < 'replay;';

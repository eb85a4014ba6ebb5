-- Lines of runs that continue one another: nobody wrote the table of the first schema.
DROP TABLE sessions;
CREATE TABLE sessions (
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	agent    TEXT NOT NULL,
	tenant   TEXT,
	name     TEXT NOT NULL,             -- as the caller, or the trigger's program, says it
	turns    INTEGER NOT NULL,          -- given out so far: the number of its latest run
	run      INTEGER,                   -- runs.seq of the latest
	checkpoint TEXT,                    -- JSON: the last one that a turn said
	created  INTEGER NOT NULL,
	used     INTEGER NOT NULL,          -- a run came, or ended
	ended    INTEGER                    -- by a person: its name is free for another
) STRICT;
CREATE UNIQUE INDEX sessions_open ON sessions (agent, name, COALESCE(tenant, '')) WHERE ended IS NULL;
CREATE INDEX sessions_used ON sessions (used);
-- Which one of its session a run is; runs.session is sessions.id.
ALTER TABLE runs ADD COLUMN turn INTEGER;
CREATE INDEX runs_session ON runs (session, seq) WHERE session IS NOT NULL;
-- Runs of one session go one at a time, as those of one entity do.
CREATE INDEX runs_session_open ON runs (session, seq) WHERE session IS NOT NULL AND status IN ('queued', 'running', 'waiting');
-- What is gathered is gathered by session.
ALTER TABLE gatherings ADD COLUMN session_name TEXT;
DROP INDEX gatherings_group;
CREATE UNIQUE INDEX gatherings_group ON gatherings
	(trigger, COALESCE(entity, ''), COALESCE(tenant, ''), COALESCE("user", ''), COALESCE(session_name, ''));

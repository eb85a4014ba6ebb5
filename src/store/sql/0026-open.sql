-- What is open of a trigger, an entity, a session is what has not ended: three words in an IN are a table that SQLite
-- builds at every row, three times for each run that is kept.
DROP INDEX runs_open;
CREATE INDEX runs_open ON runs (trigger, status, seq) WHERE ended IS NULL;
DROP INDEX runs_entity;
CREATE INDEX runs_entity ON runs (entity, seq) WHERE entity IS NOT NULL AND ended IS NULL;
DROP INDEX runs_session_open;
CREATE INDEX runs_session_open ON runs (session, seq) WHERE session IS NOT NULL AND ended IS NULL;

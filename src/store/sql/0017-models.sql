-- Breakers of models, beside those of agents and targets.
CREATE TABLE breakers_new (
	-- Breakers that are not closed: a restart does not make a sick agent, target or model well.
	scope    TEXT NOT NULL CHECK (scope IN ('agent', 'target', 'model')),
	name     TEXT NOT NULL,
	opened   INTEGER NOT NULL,
	until    INTEGER NOT NULL,          -- not before; then one is tried
	failed   INTEGER NOT NULL,          -- of total, within the window that opened it
	total    INTEGER NOT NULL,
	error    TEXT,                      -- the last failure, in words
	PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
INSERT INTO breakers_new SELECT scope, name, opened, until, failed, total, error FROM breakers;
DROP TABLE breakers;
ALTER TABLE breakers_new RENAME TO breakers;
-- The agent that a token was made for: it decides nothing that its runs asked for.
ALTER TABLE tokens ADD COLUMN agent TEXT;

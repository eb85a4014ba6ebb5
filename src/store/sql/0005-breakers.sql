CREATE TABLE breakers (
	-- Breakers that are not closed: a restart does not make a sick agent or target well.
	scope    TEXT NOT NULL CHECK (scope = 'agent' OR scope = 'target'),
	name     TEXT NOT NULL,
	opened   INTEGER NOT NULL,
	until    INTEGER NOT NULL,          -- not before; then one is tried
	failed   INTEGER NOT NULL,          -- of total, within the window that opened it
	total    INTEGER NOT NULL,
	error    TEXT,                      -- the last failure, in words
	PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
-- The agent that carried it, where it was not the run's own (fallback).
ALTER TABLE attempts ADD COLUMN agent TEXT;

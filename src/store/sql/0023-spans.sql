-- What a caller's trace was: NULL, the event began its own.
ALTER TABLE events ADD COLUMN traceparent TEXT;

CREATE TABLE spans_due (
	-- What ended and is still to be told to [telemetry] otlp_url; gone once it was taken. What a span
	-- says is read from the rows that it is about: here stands what stands nowhere else.
	seq      INTEGER PRIMARY KEY,
	run      INTEGER,                   -- runs.seq
	attempt  INTEGER,                   -- of it, that ended; 0: none
	final    INTEGER NOT NULL DEFAULT 0 CHECK (final IN (0, 1)), -- the run ended, too
	change   INTEGER,                   -- changes.seq: it was tried at its target
	back     INTEGER NOT NULL DEFAULT 0 CHECK (back IN (0, 1)), -- to be taken back
	started  INTEGER,
	ended    INTEGER,
	status   TEXT,                      -- what the change was then
	error    TEXT
) STRICT;

CREATE TABLE spans_sent (
	-- How far events were told: all up to this one.
	id       INTEGER PRIMARY KEY CHECK (id = 1),
	event    INTEGER NOT NULL           -- events.seq
) STRICT;

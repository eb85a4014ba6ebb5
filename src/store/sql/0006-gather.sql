-- What debounce and collect hold back: events that will be one run, until it is made of them.
CREATE TABLE gatherings (
	seq      INTEGER PRIMARY KEY,
	n        INTEGER NOT NULL CHECK (n >= 1), -- events
	bytes    INTEGER NOT NULL,          -- of their payloads
	due      INTEGER NOT NULL,          -- closed then, unless an event comes before
	latest   INTEGER NOT NULL,          -- closed then in any case
	wait_ms  INTEGER NOT NULL,          -- from its opening to that
	-- the run that it will be, as its first event made it; columns as in runs
	event    INTEGER NOT NULL,
	agent    TEXT NOT NULL,
	trigger  TEXT NOT NULL,
	priority INTEGER NOT NULL,
	entity   TEXT,
	tenant   TEXT,
	"user"   TEXT,
	max_attempts INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	limit_deadline_ms INTEGER NOT NULL,
	limit_steps   INTEGER NOT NULL,
	limit_tools   INTEGER NOT NULL,
	limit_tokens  INTEGER NOT NULL,
	limit_context INTEGER NOT NULL,
	limit_cost_uusd INTEGER NOT NULL,
	limit_output_bytes INTEGER NOT NULL,
	source   TEXT,
	intent   TEXT,
	mode     TEXT,
	key      TEXT,
	correlation TEXT,
	traceparent TEXT,
	trust    TEXT,                      -- the least of its events
	config_commit TEXT,
	root     TEXT,
	parent   TEXT,
	hops     INTEGER NOT NULL DEFAULT 0, -- the most of its events
	schedule TEXT,
	replay_of TEXT
) STRICT;
-- One at a time for each trigger, entity and caller.
CREATE UNIQUE INDEX gatherings_group ON gatherings
	(trigger, COALESCE(entity, ''), COALESCE(tenant, ''), COALESCE("user", ''));
CREATE INDEX gatherings_due ON gatherings (due);

CREATE TABLE gathered (
	-- Its events, in order of arrival.
	gathering INTEGER NOT NULL REFERENCES gatherings (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	event    INTEGER NOT NULL,          -- events.seq
	payload  TEXT,                      -- JSON; NULL: the event's data
	PRIMARY KEY (gathering, n)
) STRICT, WITHOUT ROWID;
-- An event goes into one, once.
CREATE UNIQUE INDEX gathered_event ON gathered (event);

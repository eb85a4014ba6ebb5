-- How each trigger was last: what a restart and the retention of events would forget.
-- Written a little later than it happens; the newest event itself is in events.
CREATE TABLE trigger_health (
	trigger    TEXT PRIMARY KEY,
	watched    INTEGER NOT NULL,        -- ms since 1970: silence counts from here at the earliest
	last_event INTEGER,                 -- ms; NULL: none yet
	error      TEXT,                    -- the last one, also when it is over
	error_at   INTEGER,
	CHECK ((error IS NULL) = (error_at IS NULL))
) STRICT, WITHOUT ROWID;

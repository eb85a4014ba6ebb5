CREATE TABLE notifications (
	-- Messages to people, each made of the notices that waited when it was put together.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,      -- the same at every try, so that its receiver knows it again
	notify   TEXT NOT NULL,             -- section [notify NAME]
	state    TEXT NOT NULL CHECK (state = 'waiting' OR state = 'sent' OR state = 'dropped'),
	attempts INTEGER NOT NULL DEFAULT 0, -- tries that failed
	created  INTEGER NOT NULL,
	due      INTEGER NOT NULL,          -- not tried before
	done_at  INTEGER,                   -- sent, or given up
	error    TEXT                       -- of the last try that failed
) STRICT;
-- One at a time for each name.
CREATE UNIQUE INDEX notifications_waiting ON notifications (notify) WHERE state = 'waiting';
CREATE INDEX notifications_notify ON notifications (notify, state, seq);
CREATE INDEX notifications_done ON notifications (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE notices (
	-- What people are told of, written in the turn of its cause; alike ones are counted in one row.
	seq      INTEGER PRIMARY KEY,
	notify   TEXT NOT NULL,
	topic    TEXT NOT NULL,             -- what is alike
	event    TEXT NOT NULL,             -- a word of the key `on`, or test
	n        INTEGER NOT NULL DEFAULT 1 CHECK (n >= 1),
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	data     TEXT NOT NULL,             -- JSON: of the first
	message  INTEGER REFERENCES notifications (seq) ON DELETE CASCADE -- NULL: it waits for one
) STRICT;
CREATE UNIQUE INDEX notices_waiting ON notices (notify, topic) WHERE message IS NULL;
CREATE INDEX notices_message ON notices (message) WHERE message IS NOT NULL;

CREATE TABLE notice_runs (
	-- Which runs a notice tells of.
	run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
	notice   INTEGER NOT NULL REFERENCES notices (seq) ON DELETE CASCADE,
	PRIMARY KEY (run, notice)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_runs_notice ON notice_runs (notice);

-- What waits in the inbox run by run.
CREATE INDEX changes_inbox ON changes (run) WHERE status = 'proposed' AND batch IS NULL;

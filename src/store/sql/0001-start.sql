-- Rouse's database: everything that was accepted, and what became of it. Schema 1.
-- SPDX-License-Identifier: MIT
--
-- To look at it:   sqlite3 -readonly /var/lib/rouse/rouse.db
--                  SELECT * FROM runs_view WHERE status = 'failed' ORDER BY created DESC LIMIT 10;
--                  SELECT * FROM staged_changes WHERE status = 'proposed';
-- Do not write to it while roused runs: one connection alone, roused's, writes and checkpoints.
--
-- Conventions. `seq` is the order of arrival and what tables refer to one another by; `id` is the
-- UUID (version 7) that the API shows. Times are milliseconds since 1970 in UTC, NULL: not yet.
-- Money is millionths of a US dollar (`_uusd`). -1 in a `limit_` column: no limit. JSON is text.
-- Words of states are SPEC's, kept by CHECKs. Rows change state by compare-and-swap alone
-- (… AND status = :from), all that one turn of the daemon writes in one transaction.
--
-- Indexes are few on the way in (events, runs, keys: tens of thousands a second), and grow at
-- their end where that can be: ids are ordered by time, the queue by seq. An index that only few
-- rows need is partial.

-- Lists of words in events and runs are written with OR: SQLite builds a table for each IN of more than two,
-- at every insert, and these two are the way in.

CREATE TABLE events (
	-- What arrived, and the word that it ended in.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	trigger  TEXT NOT NULL,             -- '': an invocation of an agent by itself
	source   TEXT NOT NULL,             -- kind of the trigger
	outcome  TEXT NOT NULL CHECK (outcome = 'ran' OR outcome = 'replayed' OR outcome = 'filtered' OR
	                               outcome = 'coalesced' OR outcome = 'skipped' OR outcome = 'shed' OR
	                               outcome = 'held' OR outcome = 'rejected' OR outcome = 'looped' OR
	                               outcome = 'paused'),
	rule     TEXT,                      -- what said so
	key      TEXT,                      -- idempotency key, as the trigger made it
	subject  TEXT,
	time     INTEGER NOT NULL,          -- of arrival
	run      INTEGER,                   -- runs.seq of its run, or of the run that it replays
	document TEXT                       -- the CloudEvent, JSON; NULL after retention.events
) STRICT;
CREATE INDEX events_trigger ON events (trigger, seq);
CREATE INDEX events_outcome ON events (outcome, seq) WHERE outcome <> 'ran';

CREATE TABLE runs (
	-- One envelope being carried out. Narrow on purpose: what is large stands in run_inputs and
	-- run_outputs, so that counting a step does not write a payload again.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	event    INTEGER,                   -- events.seq (no foreign key: it would want an index here)
	agent    TEXT NOT NULL,
	trigger  TEXT NOT NULL,
	status   TEXT NOT NULL DEFAULT 'queued'
	         CHECK (status = 'queued' OR status = 'running' OR status = 'waiting' OR
	                status = 'succeeded' OR status = 'failed' OR status = 'cancelled' OR
	                status = 'skipped'),
	ready    INTEGER NOT NULL DEFAULT 0 CHECK (ready IN (0, 1)), -- queued, due, and first of its entity
	priority INTEGER NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 2), -- high normal low
	entity   TEXT,                      -- runs of one entity go one at a time, in order of seq
	due      INTEGER,                   -- queued: not before
	attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	max_attempts INTEGER NOT NULL DEFAULT 1,
	created  INTEGER NOT NULL,
	started  INTEGER,
	ended    INTEGER,
	reason   TEXT CHECK (status <> 'failed' OR reason IN
	         ('exhausted', 'permanent', 'deadline', 'budget_steps', 'budget_tools', 'budget_tokens', 'budget_context',
	          'budget_cost', 'budget_output', 'no_effect', 'denied', 'gate_timeout', 'lost', 'invalid')),
	error    TEXT,
	dropped  INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)), -- a dead letter that someone dropped
	-- what it used, all attempts together
	active_ms INTEGER NOT NULL DEFAULT 0,
	steps    INTEGER NOT NULL DEFAULT 0,
	tools    INTEGER NOT NULL DEFAULT 0,
	input_tokens  INTEGER NOT NULL DEFAULT 0,
	output_tokens INTEGER NOT NULL DEFAULT 0,
	cache_tokens  INTEGER NOT NULL DEFAULT 0,
	context  INTEGER NOT NULL DEFAULT 0,
	cost_uusd INTEGER NOT NULL DEFAULT 0,
	output_bytes INTEGER NOT NULL DEFAULT 0,
	-- what it may use
	limit_deadline_ms INTEGER NOT NULL DEFAULT -1,
	limit_steps   INTEGER NOT NULL DEFAULT -1,
	limit_tools   INTEGER NOT NULL DEFAULT -1,
	limit_tokens  INTEGER NOT NULL DEFAULT -1,
	limit_context INTEGER NOT NULL DEFAULT -1,
	limit_cost_uusd INTEGER NOT NULL DEFAULT -1,
	limit_output_bytes INTEGER NOT NULL DEFAULT -1,
	-- the rest of its envelope
	source   TEXT,
	intent   TEXT,
	mode     TEXT CHECK (mode IN ('apply', 'stage')),
	batch    TEXT,
	tenant   TEXT,
	"user"   TEXT,
	key      TEXT,
	correlation TEXT,                   -- NULL: its own id
	traceparent TEXT,
	trust    TEXT CHECK (trust = 'untrusted' OR trust = 'authenticated' OR trust = 'trusted'),
	config_commit TEXT,
	session  TEXT,
	root     TEXT,                      -- cause: ids of events
	parent   TEXT,
	hops     INTEGER NOT NULL DEFAULT 0,
	schedule TEXT,                      -- JSON
	replay_of TEXT                      -- id of the run that this one repeats
) STRICT;
-- The queue. The next of an agent is the first of (agent, 1).
CREATE INDEX runs_queue ON runs (agent, ready, priority, seq) WHERE status = 'queued';
CREATE INDEX runs_due ON runs (due) WHERE due IS NOT NULL AND status = 'queued' AND ready = 0;
-- What is not done of a trigger (overlap policies), or of an entity (order).
CREATE INDEX runs_open ON runs (trigger, status, seq) WHERE status IN ('queued', 'running', 'waiting');
CREATE INDEX runs_entity ON runs (entity, seq) WHERE entity IS NOT NULL AND status IN ('queued', 'running', 'waiting');
CREATE INDEX runs_batch ON runs (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX runs_dead ON runs (seq) WHERE status = 'failed' AND dropped = 0;
-- Live ones, and whatever else is rare.
CREATE INDEX runs_status ON runs (status, seq) WHERE status NOT IN ('queued', 'succeeded');

CREATE TABLE run_inputs (
	-- Only runs that have one: otherwise the payload is the event's data.
	run      INTEGER PRIMARY KEY REFERENCES runs (seq) ON DELETE CASCADE,
	payload  TEXT                       -- JSON
) STRICT;
CREATE TABLE run_outputs (
	-- What a run said that the next attempt, or whoever asks, needs.
	run      INTEGER PRIMARY KEY REFERENCES runs (seq) ON DELETE CASCADE,
	result   TEXT,                      -- JSON, all of them
	checkpoint TEXT,
	completed_steps TEXT,
	decisions TEXT
) STRICT;

CREATE TABLE attempts (
	-- A run's executions, from 1. At most one of a run is `running`.
	run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL CHECK (n >= 1),
	status   TEXT NOT NULL DEFAULT 'running'
	         CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled', 'lost', 'suspended')),
	reason   TEXT,
	error    TEXT,
	executor TEXT,                      -- JSON by which its kind finds it again
	exit_code INTEGER NOT NULL DEFAULT -1,
	signal   INTEGER NOT NULL DEFAULT 0,
	started  INTEGER NOT NULL,
	ended    INTEGER,
	lease    INTEGER,
	"offset" INTEGER NOT NULL DEFAULT 0, -- bytes of its output that have been handled
	active_ms INTEGER NOT NULL DEFAULT 0,
	steps    INTEGER NOT NULL DEFAULT 0,
	tools    INTEGER NOT NULL DEFAULT 0,
	input_tokens  INTEGER NOT NULL DEFAULT 0,
	output_tokens INTEGER NOT NULL DEFAULT 0,
	cache_tokens  INTEGER NOT NULL DEFAULT 0,
	context  INTEGER NOT NULL DEFAULT 0,
	cost_uusd INTEGER NOT NULL DEFAULT 0,
	output_bytes INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE runlog (
	-- The run log: lines of the protocol. A run's lines lie together; seq counts over all runs.
	run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
	seq      INTEGER NOT NULL,
	attempt  INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	type     TEXT NOT NULL,
	data     TEXT NOT NULL,             -- JSON
	PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys_new (
	-- Idempotency keys, the latest, in order of arrival: appended, and looked up in memory.
	-- hash: the first 16 bytes of SHA-256 over scope, NUL, key.
	seq      INTEGER PRIMARY KEY,
	hash     BLOB NOT NULL CHECK (length(hash) = 16),
	run      INTEGER NOT NULL,          -- runs.seq
	at       INTEGER NOT NULL,
	print    INTEGER NOT NULL DEFAULT 0 -- fingerprint of the request; 0: not compared
) STRICT;

CREATE TABLE keys (
	-- The older ones, in parts of 65536 or so: each written once, in order, and dropped as a whole.
	-- One index of all would dirty a page a key.
	part     INTEGER NOT NULL,
	hash     BLOB NOT NULL CHECK (length(hash) = 16),
	run      INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	print    INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (part, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_parts (
	-- The parts that are whole. What keys_new has up to last_seq is in them.
	part     INTEGER PRIMARY KEY,
	last_seq INTEGER NOT NULL,
	last_at  INTEGER NOT NULL,
	n        INTEGER NOT NULL,
	filter   BLOB NOT NULL              -- Bloom filter, blocks of 64 bytes: what a look in memory may skip
) STRICT;

CREATE VIEW keys_all AS
	-- Every key that is known. One that is on its way into a part stands in both.
SELECT hash, run, at, print FROM keys_new UNION SELECT hash, run, at, print FROM keys;

CREATE TABLE changes (
	-- Effects that runs propose: staging table, outbox and undo in one.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	run      INTEGER NOT NULL,          -- runs.seq; a run is kept while a change of it is
	target   TEXT NOT NULL,
	entity   TEXT,
	op       TEXT NOT NULL CHECK (op IN ('create', 'update', 'delete', 'call')),
	status   TEXT NOT NULL CHECK (status IN ('proposed', 'approved', 'rejected', 'superseded', 'applying',
	                                         'applied', 'conflict', 'failed', 'reverting', 'reverted')),
	key      TEXT,                      -- what the target receives, so that it can tell a second application
	batch    TEXT,
	confidence REAL CHECK (confidence BETWEEN 0 AND 1),
	reason   TEXT,                      -- the agent's
	partial  INTEGER NOT NULL DEFAULT 0 CHECK (partial IN (0, 1)), -- its run did not end well
	digest   TEXT,                      -- of what a person sees; an approval covers it and nothing else
	decided_by TEXT,
	decision_reason TEXT,
	error    TEXT,
	attempts INTEGER NOT NULL DEFAULT 0, -- at applying, or at reverting
	created  INTEGER NOT NULL,
	decided_at  INTEGER,
	applied_at  INTEGER,
	reverted_at INTEGER,
	due      INTEGER,                   -- approved or reverting: not before
	before   TEXT,                      -- JSON, and so the rest
	after    TEXT,
	patch    TEXT,
	receipt  TEXT,                      -- what the target said when it was applied
	current  TEXT                       -- conflict: what was found instead of `before`
) STRICT;
CREATE UNIQUE INDEX changes_key ON changes (run, key);
CREATE INDEX changes_status ON changes (status, seq) WHERE status <> 'applied';
CREATE INDEX changes_batch ON changes (batch, seq) WHERE batch IS NOT NULL;
-- The outbox, by age; and within it the order of each entity.
CREATE INDEX changes_outbox ON changes (target, seq) WHERE status IN ('approved', 'applying', 'reverting');
CREATE INDEX changes_order ON changes (target, entity, seq)
	WHERE entity IS NOT NULL AND status IN ('approved', 'applying', 'reverting');
CREATE INDEX changes_due ON changes (target, due)
	WHERE due IS NOT NULL AND status IN ('approved', 'applying', 'reverting');
-- Proposals that a later one may supersede.
CREATE INDEX changes_open ON changes (target, entity, seq) WHERE status = 'proposed';

CREATE TABLE change_counts (
	-- How many changes stand where: kept beside every move, so that a metric need not count.
	status   TEXT NOT NULL,
	target   TEXT NOT NULL,
	n        INTEGER NOT NULL,
	PRIMARY KEY (status, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
	-- Who decided what, when and why.
	seq      INTEGER PRIMARY KEY,
	object   TEXT NOT NULL CHECK (object IN ('change', 'gate', 'run', 'trigger', 'agent', 'tenant', 'batch', 'token', 'daemon')),
	object_id TEXT NOT NULL,
	decision TEXT NOT NULL,
	decided_by TEXT NOT NULL,
	reason   TEXT,
	digest   TEXT,                      -- of what was seen
	at       INTEGER NOT NULL
) STRICT;
CREATE INDEX decisions_object ON decisions (object, object_id, seq);

CREATE TABLE gates (
	-- Questions to a person that a run waits for.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
	kind     TEXT NOT NULL CHECK (kind IN ('approval', 'ask')),
	step     TEXT,                      -- of an ask: the question
	payload  TEXT,                      -- JSON; of an ask: the schema of the answer
	allow    TEXT,
	status   TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'decided', 'expired', 'cancelled')),
	decision TEXT CHECK (decision IN ('approved', 'denied', 'timeout', 'edited', 'responded', 'ignored')),
	decided_by TEXT,
	reason   TEXT,
	answer   TEXT,                      -- JSON
	created  INTEGER NOT NULL,
	expires  INTEGER,
	decided_at INTEGER
) STRICT;
CREATE INDEX gates_run ON gates (run, seq);
CREATE INDEX gates_waiting ON gates (seq) WHERE status = 'waiting';

CREATE TABLE batches (
	-- Jobs that run one agent over many entities. id: NAME/START.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	name     TEXT NOT NULL,
	agent    TEXT NOT NULL,
	mode     TEXT NOT NULL CHECK (mode IN ('stage', 'apply')),
	state    TEXT NOT NULL CHECK (state IN ('running', 'review', 'applying', 'done', 'paused', 'cancelled', 'failed')),
	reason   TEXT,
	error    TEXT,
	total    INTEGER,                   -- entities; NULL while they are still being read
	cost_uusd INTEGER NOT NULL DEFAULT 0,
	started  INTEGER NOT NULL,
	ended    INTEGER
) STRICT;
CREATE INDEX batches_name ON batches (name, seq);

CREATE TABLE batch_items (
	-- The entities of a batch in the order they were read: where it goes on after a crash.
	batch    INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	entity   TEXT NOT NULL,
	data     TEXT,                      -- JSON
	run      INTEGER,                   -- runs.seq
	state    TEXT NOT NULL DEFAULT 'left' CHECK (state IN ('left', 'running', 'done', 'skipped', 'failed')),
	reason   TEXT,
	PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX batch_items_entity ON batch_items (batch, entity);
CREATE INDEX batch_items_state ON batch_items (batch, state, n) WHERE state <> 'done';

CREATE TABLE budgets (
	-- The ledger: what a scope spent and has reserved on a day.
	scope    TEXT NOT NULL CHECK (scope IN ('all', 'agent', 'trigger', 'user', 'tenant', 'batch')),
	name     TEXT NOT NULL,
	day      TEXT NOT NULL,             -- 2026-11-20
	spent_uusd    INTEGER NOT NULL DEFAULT 0,
	reserved_uusd INTEGER NOT NULL DEFAULT 0,
	tokens   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (day, scope, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
	-- Where a source is, in its own words; written with the events that it saw.
	trigger  TEXT PRIMARY KEY,
	value    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
	-- Lines of runs that continue one another.
	id       TEXT PRIMARY KEY,
	agent    TEXT NOT NULL,
	run      INTEGER,                   -- runs.seq of the latest
	state    TEXT,                      -- JSON
	created  INTEGER NOT NULL,
	used     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
	-- Bearers of the API. hash: SHA-256 of the token, hex; the token itself is nowhere.
	name     TEXT PRIMARY KEY,
	hash     TEXT NOT NULL UNIQUE,
	scopes   TEXT NOT NULL,             -- comma separated: read invoke review apply admin
	created  INTEGER NOT NULL,
	expires  INTEGER,
	last_used INTEGER,
	revoked  INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE switches (
	-- What is paused, halted or disabled by hand.
	scope    TEXT NOT NULL CHECK (scope IN ('all', 'agent', 'trigger', 'tenant')),
	name     TEXT NOT NULL,             -- '' for all
	kind     TEXT NOT NULL CHECK (kind IN ('paused', 'halted', 'disabled')),
	switched_by TEXT,
	at       INTEGER NOT NULL,
	PRIMARY KEY (scope, name, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE probe (
	-- One row that is written to learn whether the disk takes writes again.
	one      INTEGER PRIMARY KEY CHECK (one = 1),
	n        INTEGER NOT NULL
) STRICT;
INSERT INTO probe VALUES (1, 0);

CREATE VIEW staged_changes AS
	-- For people, and stable: the change object of the API, times as RFC 3339.
SELECT c.id, r.id AS run, c.batch, c.target, c.entity, c.op, c.status, c.before, c.after, c.patch, c.confidence,
       c.reason, c.key, c.decided_by,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.decided_at / 1000.0, 'unixepoch') AS decided_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.applied_at / 1000.0, 'unixepoch') AS applied_at,
       c.error, c.decision_reason, c.partial, c.attempts, c.digest, c.receipt, c.current,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.created / 1000.0, 'unixepoch') AS created,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.reverted_at / 1000.0, 'unixepoch') AS reverted_at
FROM changes c LEFT JOIN runs r ON r.seq = c.run;

CREATE VIEW runs_view AS
SELECT r.id, r.status, r.reason, r.agent, r.trigger, r.batch, r.entity, r.tenant, r.key, r.intent, r.mode, r.attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.created / 1000.0, 'unixepoch') AS created,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.started / 1000.0, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.ended / 1000.0, 'unixepoch') AS ended,
       r.cost_uusd / 1000000.0 AS cost_usd, r.input_tokens + r.output_tokens AS tokens, r.steps,
       o.result, r.error, r."user", e.id AS event, r.trust, r.hops, r.replay_of,
       COALESCE(i.payload, e.document -> '$.data') AS payload
FROM runs r LEFT JOIN events e ON e.seq = r.event LEFT JOIN run_inputs i ON i.run = r.seq
     LEFT JOIN run_outputs o ON o.run = r.seq;

CREATE VIEW events_view AS
SELECT e.id, e.trigger, e.source, strftime('%Y-%m-%dT%H:%M:%fZ', e.time / 1000.0, 'unixepoch') AS time,
       e.outcome, e.rule, e.key, r.id AS run, e.subject, e.document
FROM events e LEFT JOIN runs r ON r.seq = e.run;

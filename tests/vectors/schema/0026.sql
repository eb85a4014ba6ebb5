-- A database of schema 26. Made by make.py; never again.
PRAGMA application_id = 1919907187;
PRAGMA user_version = 26;
BEGIN TRANSACTION;
CREATE TABLE attempts (
	-- A run's executions, from 1. At most one of a run is `running`.
	run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL CHECK (n >= 1),
	status   TEXT NOT NULL DEFAULT 'running'
	         CHECK (status = 'running' OR status = 'succeeded' OR status = 'failed' OR
	                status = 'cancelled' OR status = 'lost' OR status = 'suspended'),
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
	output_bytes INTEGER NOT NULL DEFAULT 0, agent TEXT, worked  INTEGER, counted INTEGER, boot    INTEGER,
	PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;
INSERT INTO "attempts" VALUES(1,1,'succeeded',NULL,NULL,NULL,0,0,1790000000000,1790000000005,NULL,0,0,0,0,0,0,0,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(3,1,'failed',NULL,NULL,NULL,65,0,1790000000000,1790000000005,NULL,0,0,0,0,0,0,0,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "attempts" VALUES(4,1,'succeeded',NULL,NULL,NULL,0,0,1790000000000,1790000000005,NULL,0,0,0,0,0,0,0,0,0,0,NULL,NULL,NULL,NULL);
CREATE TABLE audit (
	seq      INTEGER PRIMARY KEY,
	at       INTEGER NOT NULL,
	who      TEXT NOT NULL,             -- a user, token:NAME, link:NAME, signal, nobody
	via      TEXT NOT NULL,             -- an address, or the process on the socket
	act      TEXT NOT NULL,             -- method and route, or the name of a signal
	object   TEXT,                      -- what stood for the {…} of the route
	scope    TEXT,                      -- that it needed
	request  TEXT,                      -- its beginning
	status   INTEGER,                   -- of the answer; NULL: there was none
	error    TEXT                       -- a sentence, where it was refused or failed
) STRICT;
INSERT INTO "audit" VALUES(1,1790000000000,'maria','socket, process 1','POST /v1/pause',NULL,'admin',NULL,200,NULL);
CREATE TABLE batch_changes (
	batch    TEXT NOT NULL,
	status   TEXT NOT NULL,
	n        INTEGER NOT NULL,
	PRIMARY KEY (batch, status)
) STRICT, WITHOUT ROWID;
CREATE TABLE batch_items (
	-- The entities of a batch in the order they were read: where it goes on after a crash.
	batch    INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	entity   TEXT NOT NULL,
	data     TEXT,                      -- JSON
	run      INTEGER,                   -- runs.seq
	state    TEXT NOT NULL DEFAULT 'left' CHECK (state = 'left' OR state = 'running' OR state = 'done' OR state = 'skipped' OR
	                                            state = 'failed'),
	reason   TEXT, error TEXT,
	PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;
INSERT INTO "batch_items" VALUES(1,1,'42','{"id":42}',4,'done',NULL,NULL);
CREATE TABLE batch_notes (
	-- What was remarkable about its source, in words; the first some hundred.
	batch    INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	text     TEXT NOT NULL,
	PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;
INSERT INTO "batch_notes" VALUES(1,1,1790000000000,'a line was empty');
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
, options TEXT, started_by TEXT, event INTEGER, source_state TEXT NOT NULL DEFAULT 'reading'
	CHECK (source_state IN ('reading', 'ended', 'broken')), source_cursor TEXT, source_again INTEGER NOT NULL DEFAULT 0 CHECK (source_again IN (0, 1)), repeated INTEGER NOT NULL DEFAULT 0, items INTEGER NOT NULL DEFAULT 0, running INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, excused INTEGER NOT NULL DEFAULT 0, resumed INTEGER, worked_ms INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "batches" VALUES(1,'tags/2026-09-21T00:00:00Z','tags','a','stage','done',NULL,NULL,1,0,1790000000000,1790000000009,NULL,NULL,NULL,'ended',NULL,0,0,1,0,1,0,0,0,NULL,0);
CREATE TABLE "breakers" (
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
INSERT INTO "breakers" VALUES('agent','b',1790000000000,1790000000001,3,5,'no');
CREATE TABLE budgets (
	-- The ledger: what a scope spent and has reserved on a day.
	scope    TEXT NOT NULL CHECK (scope IN ('all', 'agent', 'trigger', 'user', 'tenant', 'batch')),
	name     TEXT NOT NULL,
	day      TEXT NOT NULL,             -- 2026-11-20
	spent_uusd    INTEGER NOT NULL DEFAULT 0,
	tokens   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (day, scope, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "budgets" VALUES('all','','2026-09-21',1234,10);
CREATE TABLE change_counts (
	-- How many changes stand where: kept beside every move, so that a metric need not count.
	status   TEXT NOT NULL,
	target   TEXT NOT NULL,
	n        INTEGER NOT NULL,
	PRIMARY KEY (status, target)
) STRICT, WITHOUT ROWID;
INSERT INTO "change_counts" VALUES('applied','crm',1);
INSERT INTO "change_counts" VALUES('approved','crm',1);
INSERT INTO "change_counts" VALUES('proposed','crm',1);
INSERT INTO "change_counts" VALUES('rejected','crm',1);
CREATE TABLE changes (
	-- Effects that runs propose: staging table, outbox and undo in one.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	run      INTEGER NOT NULL,          -- runs.seq; a run is kept while a change of it is
	target   TEXT NOT NULL,
	entity   TEXT,
	op       TEXT NOT NULL CHECK (op = 'update' OR op = 'create' OR op = 'delete' OR op = 'call'),
	status   TEXT NOT NULL CHECK (status = 'applying' OR status = 'applied' OR status = 'approved' OR status = 'proposed' OR
	                          status = 'rejected' OR status = 'superseded' OR status = 'conflict' OR
	                          status = 'failed' OR status = 'reverting' OR status = 'reverted')
	                   CHECK (batch IS NULL OR batch < 'replay:' OR batch >= 'replay;' OR
	                          status = 'rejected' OR status = 'superseded'),
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
, held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)), waits INTEGER, ruling TEXT CHECK (ruling IN ('apply', 'stage')), previous TEXT, way INTEGER, vetting TEXT CHECK (vetting IN ('apply', 'stage')), unchecked TEXT) STRICT;
INSERT INTO "changes" VALUES(1,'019abc00-0000-7000-8000-000000000201',1,'crm','1','update','applied','change-1',NULL,0.9,'because',0,'0000000000000000000000000000000000000000000000000000000000000001','maria',NULL,NULL,0,1790000000000,1790000000000,1790000000000,NULL,NULL,'{"stage":"new"}','{"stage":"won"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(2,'019abc00-0000-7000-8000-000000000202',1,'crm','2','update','proposed','change-2',NULL,0.9,'because',0,'0000000000000000000000000000000000000000000000000000000000000002',NULL,NULL,NULL,0,1790000000000,NULL,NULL,NULL,NULL,'{"stage":"new"}','{"stage":"won"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(3,'019abc00-0000-7000-8000-000000000203',1,'crm','3','update','rejected','change-3',NULL,0.9,'because',0,'0000000000000000000000000000000000000000000000000000000000000003','maria',NULL,NULL,0,1790000000000,1790000000000,NULL,NULL,NULL,'{"stage":"new"}','{"stage":"won"}',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(4,'019abc00-0000-7000-8000-000000000204',1,'crm','4','update','approved','change-4',NULL,0.9,'because',0,'0000000000000000000000000000000000000000000000000000000000000004','maria',NULL,NULL,0,1790000000000,1790000000000,NULL,NULL,NULL,'{"stage":"new"}','{"stage":"won"}',NULL,NULL,NULL,0,NULL,NULL,NULL,1,NULL,NULL);
CREATE TABLE cursors (
	-- Where a source is, in its own words; written with the events that it saw.
	trigger  TEXT PRIMARY KEY,
	value    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "cursors" VALUES('push','cursor');
CREATE TABLE decisions (
	-- Who decided what, when and why.
	seq      INTEGER PRIMARY KEY,
	object   TEXT NOT NULL CHECK (object = 'change' OR object = 'gate' OR object = 'run' OR object = 'trigger' OR
	                              object = 'agent' OR object = 'tenant' OR object = 'batch' OR
	                              object = 'token' OR object = 'daemon'),
	object_id TEXT NOT NULL,
	decision TEXT NOT NULL,
	decided_by TEXT NOT NULL,
	reason   TEXT,
	digest   TEXT,                      -- of what was seen
	at       INTEGER NOT NULL
) STRICT;
INSERT INTO "decisions" VALUES(1,'change','019abc00-0000-7000-8000-000000000201','approve','maria','fine',NULL,1790000000000);
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
, traceparent TEXT) STRICT;
INSERT INTO "events" VALUES(1,'019abc00-0000-7000-8000-000000000001','push','webhook','ran','','key-1',NULL,1790000000001,1,'{"specversion":"1.0","id":"019abc00-0000-7000-8000-000000000001","source":"webhook/push","type":"rouse.webhook","data":{"n":1},"rouse":{"trigger":"push"}}',NULL);
INSERT INTO "events" VALUES(2,'019abc00-0000-7000-8000-000000000002','push','webhook','ran','','key-2',NULL,1790000000002,2,'{"specversion":"1.0","id":"019abc00-0000-7000-8000-000000000002","source":"webhook/push","type":"rouse.webhook","data":{"n":2},"rouse":{"trigger":"push"}}',NULL);
INSERT INTO "events" VALUES(3,'019abc00-0000-7000-8000-000000000003','push','webhook','ran','','key-3',NULL,1790000000003,3,'{"specversion":"1.0","id":"019abc00-0000-7000-8000-000000000003","source":"webhook/push","type":"rouse.webhook","data":{"n":3},"rouse":{"trigger":"push"}}',NULL);
INSERT INTO "events" VALUES(4,'019abc00-0000-7000-8000-000000000004','push','webhook','filtered','','key-4',NULL,1790000000004,NULL,'{"specversion":"1.0","id":"019abc00-0000-7000-8000-000000000004","source":"webhook/push","type":"rouse.webhook","data":{"n":4},"rouse":{"trigger":"push"}}',NULL);
INSERT INTO "events" VALUES(5,'019abc00-0000-7000-8000-000000000005','gathers','webhook','held','','key-5',NULL,1790000000005,NULL,'{"specversion":"1.0","id":"019abc00-0000-7000-8000-000000000005","source":"webhook/push","type":"rouse.webhook","data":{"n":5},"rouse":{"trigger":"gathers"}}',NULL);
INSERT INTO "events" VALUES(6,'019abc00-0000-7000-8000-000000000006','push','webhook','ran','','key-6',NULL,1790000000006,4,'{"specversion":"1.0","id":"019abc00-0000-7000-8000-000000000006","source":"webhook/push","type":"rouse.webhook","data":{"n":6},"rouse":{"trigger":"push"}}',NULL);
CREATE TABLE facts (
	trigger  TEXT NOT NULL,
	item     BLOB NOT NULL,             -- a path, a ref, a number: its source's own words
	value    BLOB NOT NULL,
	PRIMARY KEY (trigger, item)
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('push',X'6974656D',X'76616C7565');
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
, on_timeout TEXT CHECK (on_timeout IN ('deny', 'approve', 'ignore', 'fail'))) STRICT;
INSERT INTO "gates" VALUES(1,'019abc00-0000-7000-8000-000000000301',1,'approval','send',NULL,NULL,'decided','approved','maria',NULL,NULL,1790000000000,NULL,1790000000000,NULL);
CREATE TABLE gathered (
	-- Its events, in order of arrival.
	gathering INTEGER NOT NULL REFERENCES gatherings (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	event    INTEGER NOT NULL,          -- events.seq
	payload  TEXT,                      -- JSON; NULL: the event's data
	PRIMARY KEY (gathering, n)
) STRICT, WITHOUT ROWID;
INSERT INTO "gathered" VALUES(1,1,5,NULL);
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
, session_name TEXT) STRICT;
INSERT INTO "gatherings" VALUES(1,1,7,4000000000000,4000000000000,2210000000000,5,'a','gathers',1,NULL,NULL,NULL,3,1790000000000,-1,-1,-1,-1,-1,-1,-1,'webhook','x','stage',NULL,NULL,NULL,'authenticated',NULL,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE key_parts (
	-- The parts that are whole. What keys_new has up to last_seq is in them.
	part     INTEGER PRIMARY KEY,
	last_seq INTEGER NOT NULL,
	last_at  INTEGER NOT NULL,
	n        INTEGER NOT NULL,
	filter   BLOB NOT NULL              -- Bloom filter, blocks of 64 bytes: what a look in memory may skip
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
CREATE TABLE keys_new (
	-- Idempotency keys, the latest, in order of arrival: appended, and looked up in memory.
	-- hash: the first 16 bytes of SHA-256 over scope, NUL, key.
	seq      INTEGER PRIMARY KEY,
	hash     BLOB NOT NULL CHECK (length(hash) = 16),
	run      INTEGER NOT NULL,          -- runs.seq
	at       INTEGER NOT NULL,
	print    INTEGER NOT NULL DEFAULT 0 -- fingerprint of the request; 0: not compared
) STRICT;
INSERT INTO "keys_new" VALUES(1,X'7880920DB27DB13D867C8135EF230D88',1,1790000000000,0);
CREATE TABLE notice_runs (
	-- Which runs a notice tells of.
	run      INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
	notice   INTEGER NOT NULL REFERENCES notices (seq) ON DELETE CASCADE,
	PRIMARY KEY (run, notice)
) STRICT, WITHOUT ROWID;
INSERT INTO "notice_runs" VALUES(3,1);
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
INSERT INTO "notices" VALUES(1,'ops','t','failed',1,1790000000000,1790000000000,'{}',1);
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
INSERT INTO "notifications" VALUES(1,'019abc00-0000-7000-8000-000000000601','ops','sent',0,1790000000000,1790000000000,4000000000000,NULL);
CREATE TABLE probe (
	-- One row that is written to learn whether the disk takes writes again.
	one      INTEGER PRIMARY KEY CHECK (one = 1),
	n        INTEGER NOT NULL
) STRICT;
INSERT INTO "probe" VALUES(1,0);
CREATE TABLE rollouts (
	batch    INTEGER PRIMARY KEY REFERENCES batches (seq) ON DELETE CASCADE,
	revert   INTEGER NOT NULL CHECK (revert IN (0, 1)),
	state    TEXT NOT NULL CHECK (state IN ('canary', 'going', 'stopped', 'done')),
	why      TEXT,                      -- stopped: in words
	canary   INTEGER NOT NULL,          -- so many first
	stop     REAL NOT NULL,             -- share of failures above which it stops
	rate_count  INTEGER NOT NULL,       -- 0: as fast as it goes
	rate_per_ms INTEGER NOT NULL,
	cursor   INTEGER NOT NULL,          -- changes.seq of the last that was looked at
	total    INTEGER NOT NULL,          -- that were there to be done when it began
	released INTEGER NOT NULL,          -- let go so far
	base     INTEGER NOT NULL,          -- of the batch that were applied (or reverted) before
	started_by TEXT,
	reason   TEXT,
	at       INTEGER NOT NULL
) STRICT;
INSERT INTO "rollouts" VALUES(1,0,'done',NULL,0,0.1,0,0,4,0,0,0,NULL,NULL,1790000000000);
CREATE TABLE run_inputs (
	-- Only runs that have one: otherwise the payload is the event's data.
	run      INTEGER PRIMARY KEY REFERENCES runs (seq) ON DELETE CASCADE,
	payload  TEXT                       -- JSON
, guise TEXT) STRICT;
INSERT INTO "run_inputs" VALUES(2,'{"n":2}',NULL);
CREATE TABLE run_outputs (
	-- What a run said that the next attempt, or whoever asks, needs.
	run      INTEGER PRIMARY KEY REFERENCES runs (seq) ON DELETE CASCADE,
	result   TEXT,                      -- JSON, all of them
	checkpoint TEXT,
	completed_steps TEXT,
	decisions TEXT
, expect TEXT) STRICT;
INSERT INTO "run_outputs" VALUES(1,'"done"','{"at":1}','{"one":1}','{}','{"program":".x","met":true}');
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
INSERT INTO "runlog" VALUES(1,1,1,1790000000000,'start','{"type":"start"}');
INSERT INTO "runlog" VALUES(1,2,1,1790000000000,'status','{"type":"status"}');
INSERT INTO "runlog" VALUES(1,3,1,1790000000000,'done','{"type":"done"}');
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
, held TEXT, turn INTEGER) STRICT;
INSERT INTO "runs" VALUES(1,'019abc00-0000-7000-8000-000000000101',1,'a','push','succeeded',0,1,NULL,NULL,1,3,1790000000001,1790000000001,1790000000006,NULL,NULL,0,0,0,0,0,0,0,0,0,0,-1,-1,-1,-1,-1,-1,-1,'webhook','push','stage',NULL,NULL,NULL,'key-1',NULL,NULL,'authenticated',NULL,NULL,'019abc00-0000-7000-8000-000000000001',NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(2,'019abc00-0000-7000-8000-000000000102',2,'a','push','queued',1,1,NULL,NULL,0,3,1790000000002,NULL,NULL,NULL,NULL,0,0,0,0,0,0,0,0,0,0,-1,-1,-1,-1,-1,-1,-1,'webhook','push','stage',NULL,NULL,NULL,'key-2',NULL,NULL,'authenticated',NULL,NULL,'019abc00-0000-7000-8000-000000000002',NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(3,'019abc00-0000-7000-8000-000000000103',3,'a','push','failed',0,1,NULL,NULL,1,3,1790000000003,1790000000003,1790000000008,'permanent','it did not work',0,0,0,0,0,0,0,0,0,0,-1,-1,-1,-1,-1,-1,-1,'webhook','push','stage',NULL,NULL,NULL,'key-3',NULL,NULL,'authenticated',NULL,NULL,'019abc00-0000-7000-8000-000000000003',NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "runs" VALUES(4,'019abc00-0000-7000-8000-000000000104',6,'a','','succeeded',0,1,NULL,NULL,1,3,1790000000004,1790000000004,1790000000009,NULL,NULL,0,0,0,0,0,0,0,0,0,0,-1,-1,-1,-1,-1,-1,-1,'batch','push','stage','tags/2026-09-21T00:00:00Z',NULL,NULL,'key-4',NULL,NULL,'authenticated',NULL,NULL,'019abc00-0000-7000-8000-000000000004',NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE sample_items (
	sample   INTEGER NOT NULL REFERENCES samples (seq) ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	change   INTEGER NOT NULL,          -- changes.seq
	digest   TEXT,                      -- as it was drawn
	PRIMARY KEY (sample, n)
) STRICT, WITHOUT ROWID;
INSERT INTO "sample_items" VALUES(1,1,2,'0');
CREATE TABLE samples (
	-- Drawn at random of what is proposed, so that looking at these says something of all.
	seq      INTEGER PRIMARY KEY,
	id       TEXT NOT NULL UNIQUE,
	scope    TEXT NOT NULL,             -- batch NAME/START, or run ID
	seed     INTEGER NOT NULL,
	population INTEGER NOT NULL,        -- proposed when it was drawn
	last_seq INTEGER NOT NULL,          -- the latest of them
	digest   TEXT NOT NULL,             -- of them all
	confidence REAL NOT NULL,
	max_defect REAL NOT NULL,
	drawn_by TEXT NOT NULL,
	at       INTEGER NOT NULL
) STRICT;
INSERT INTO "samples" VALUES(1,'019abc00-0000-7000-8000-000000000501','run 019abc00-0000-7000-8000-000000000101',7,1,2,'0',0.95,0.05,'maria',1790000000000);
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
INSERT INTO "sessions" VALUES(1,'019abc00-0000-7000-8000-000000000401','a',NULL,'talk',1,1,NULL,1790000000000,1790000000000,NULL);
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
CREATE TABLE switches (
	-- What is paused, halted or disabled by hand.
	scope    TEXT NOT NULL CHECK (scope IN ('all', 'agent', 'trigger', 'tenant')),
	name     TEXT NOT NULL,             -- '' for all
	kind     TEXT NOT NULL CHECK (kind IN ('paused', 'halted', 'disabled')),
	switched_by TEXT,
	at       INTEGER NOT NULL,
	PRIMARY KEY (scope, name, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO "switches" VALUES('trigger','push','disabled','maria',1790000000000);
CREATE TABLE tokens (
	-- Bearers of the API. hash: SHA-256 of the token, hex; the token itself is nowhere.
	name     TEXT PRIMARY KEY,
	hash     TEXT NOT NULL UNIQUE,
	scopes   TEXT NOT NULL,             -- comma separated: read invoke review apply admin
	created  INTEGER NOT NULL,
	expires  INTEGER,
	last_used INTEGER,
	revoked  INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1))
, agent TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "tokens" VALUES('old','b100c9ae85a6075e940b6e8892904dca1c4d1dc0beeb90a766ac70397f70135b','read',1790000000000,NULL,NULL,0,NULL);
CREATE TABLE trigger_health (
	trigger    TEXT PRIMARY KEY,
	watched    INTEGER NOT NULL,        -- ms since 1970: silence counts from here at the earliest
	last_event INTEGER,                 -- ms; NULL: none yet
	error      TEXT,                    -- the last one, also when it is over
	error_at   INTEGER,
	CHECK ((error IS NULL) = (error_at IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO "trigger_health" VALUES('push',1790000000000,1790000000000,NULL,NULL);
CREATE INDEX events_trigger ON events (trigger, seq);
CREATE INDEX events_outcome ON events (outcome, seq) WHERE outcome <> 'ran';
CREATE INDEX runs_due ON runs (due) WHERE due IS NOT NULL AND status = 'queued' AND ready = 0;
CREATE INDEX runs_batch ON runs (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX runs_dead ON runs (seq) WHERE status = 'failed' AND dropped = 0;
CREATE INDEX runs_status ON runs (status, seq) WHERE status NOT IN ('queued', 'succeeded');
CREATE VIEW keys_all AS
	-- Every key that is known. One that is on its way into a part stands in both.
SELECT hash, run, at, print FROM keys_new UNION SELECT hash, run, at, print FROM keys;
CREATE UNIQUE INDEX changes_key ON changes (run, key);
CREATE INDEX changes_batch ON changes (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX changes_open ON changes (target, entity, seq) WHERE status = 'proposed';
CREATE INDEX decisions_object ON decisions (object, object_id, seq);
CREATE INDEX gates_run ON gates (run, seq);
CREATE INDEX gates_waiting ON gates (seq) WHERE status = 'waiting';
CREATE INDEX batches_name ON batches (name, seq);
CREATE UNIQUE INDEX batch_items_entity ON batch_items (batch, entity);
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
CREATE INDEX runs_held ON runs (held, seq) WHERE held IS NOT NULL;
CREATE INDEX gatherings_due ON gatherings (due);
CREATE UNIQUE INDEX gathered_event ON gathered (event);
CREATE INDEX runs_queue ON runs (agent, ready, tenant, priority, seq) WHERE status = 'queued';
CREATE INDEX gates_expires ON gates (expires) WHERE status = 'waiting' AND expires IS NOT NULL;
CREATE UNIQUE INDEX sessions_open ON sessions (agent, name, COALESCE(tenant, '')) WHERE ended IS NULL;
CREATE INDEX sessions_used ON sessions (used);
CREATE INDEX runs_session ON runs (session, seq) WHERE session IS NOT NULL;
CREATE UNIQUE INDEX gatherings_group ON gatherings
	(trigger, COALESCE(entity, ''), COALESCE(tenant, ''), COALESCE("user", ''), COALESCE(session_name, ''));
CREATE INDEX changes_run ON changes (run, seq);
CREATE INDEX batches_state ON batches (state, seq);
CREATE INDEX batch_items_state ON batch_items (batch, state, n);
CREATE INDEX changes_ruling ON changes (seq) WHERE ruling IS NOT NULL;
CREATE INDEX samples_scope ON samples (scope, seq);
CREATE INDEX rollouts_open ON rollouts (batch) WHERE state IN ('canary', 'going');
CREATE UNIQUE INDEX notifications_waiting ON notifications (notify) WHERE state = 'waiting';
CREATE INDEX notifications_notify ON notifications (notify, state, seq);
CREATE INDEX notifications_done ON notifications (done_at) WHERE done_at IS NOT NULL;
CREATE UNIQUE INDEX notices_waiting ON notices (notify, topic) WHERE message IS NULL;
CREATE INDEX notices_message ON notices (message) WHERE message IS NOT NULL;
CREATE INDEX notice_runs_notice ON notice_runs (notice);
CREATE INDEX changes_inbox ON changes (run) WHERE status = 'proposed' AND batch IS NULL;
CREATE INDEX changes_replayed ON changes (target, entity, seq)
	WHERE status = 'rejected' AND batch >= 'replay:' AND batch < 'replay;';
CREATE INDEX batches_replays ON batches (seq) WHERE name >= 'replay:' AND name < 'replay;';
CREATE INDEX changes_due ON changes (target, due) WHERE due IS NOT NULL AND way > 0;
CREATE INDEX changes_going ON changes (batch) WHERE batch IS NOT NULL AND way > 0;
CREATE INDEX changes_order ON changes (target, entity) WHERE entity IS NOT NULL AND way IS NOT NULL;
CREATE INDEX changes_status ON changes (status) WHERE status <> 'applied';
CREATE INDEX changes_vetting ON changes (target, seq) WHERE vetting IS NOT NULL;
CREATE INDEX changes_vetting_run ON changes (run) WHERE vetting IS NOT NULL;
CREATE VIEW staged_changes AS
SELECT c.id, r.id AS run, c.batch, c.target, c.entity, c.op, c.status, c.before, c.after, c.patch, c.confidence,
       c.reason, c.key, c.decided_by,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.decided_at / 1000.0, 'unixepoch') AS decided_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.applied_at / 1000.0, 'unixepoch') AS applied_at,
       c.error, c.decision_reason, c.partial, c.attempts, c.digest, c.receipt, c.current,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.created / 1000.0, 'unixepoch') AS created,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.reverted_at / 1000.0, 'unixepoch') AS reverted_at,
       c.unchecked
FROM changes c LEFT JOIN runs r ON r.seq = c.run;
CREATE INDEX changes_outbox ON changes (target, way) WHERE way IS NOT NULL;
CREATE INDEX audit_who ON audit (who, seq);
CREATE INDEX audit_object ON audit (object, seq) WHERE object IS NOT NULL;
CREATE TRIGGER audit_written BEFORE UPDATE ON audit
	WHEN OLD.status IS NOT NULL OR OLD.error IS NOT NULL OR NEW.seq <> OLD.seq OR NEW.at <> OLD.at OR
	     NEW.who <> OLD.who OR NEW.via <> OLD.via OR NEW.act <> OLD.act OR NEW.object IS NOT OLD.object OR
	     NEW.scope IS NOT OLD.scope OR NEW.request IS NOT OLD.request BEGIN
	SELECT RAISE(ABORT, 'what the audit log says stays');
END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit WHEN OLD.seq <> (SELECT MIN(seq) FROM audit) BEGIN
	SELECT RAISE(ABORT, 'of the audit log only the oldest goes');
END;
CREATE INDEX runs_open ON runs (trigger, status, seq) WHERE ended IS NULL;
CREATE INDEX runs_entity ON runs (entity, seq) WHERE entity IS NOT NULL AND ended IS NULL;
CREATE INDEX runs_session_open ON runs (session, seq) WHERE session IS NOT NULL AND ended IS NULL;
COMMIT;

-- Lists of words in what is written by the thousand become ORs, in place: SQLite builds a table for each IN of
-- more than two, at every row, for a CHECK and for the WHERE of a partial index. That is nine tenths of what moving
-- a change did cost. What is stored does not change, so nothing is copied.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
	'CHECK (op IN (''create'', ''update'', ''delete'', ''call''))',
	'CHECK (op = ''update'' OR op = ''create'' OR op = ''delete'' OR op = ''call'')'),
	'CHECK (status IN (''proposed'', ''approved'', ''rejected'', ''superseded'', ''applying'',
	                                         ''applied'', ''conflict'', ''failed'', ''reverting'', ''reverted''))',
	'CHECK (status = ''applying'' OR status = ''applied'' OR status = ''approved'' OR status = ''proposed'' OR
	                          status = ''rejected'' OR status = ''superseded'' OR status = ''conflict'' OR
	                          status = ''failed'' OR status = ''reverting'' OR status = ''reverted'')
	                   CHECK (batch IS NULL OR batch < ''replay:'' OR batch >= ''replay;'' OR
	                          status = ''rejected'' OR status = ''superseded'')')
	WHERE type = 'table' AND name = 'changes';
UPDATE sqlite_schema SET sql = replace(sql,
	'CHECK (status IN (''running'', ''succeeded'', ''failed'', ''cancelled'', ''lost'', ''suspended''))',
	'CHECK (status = ''running'' OR status = ''succeeded'' OR status = ''failed'' OR
	                status = ''cancelled'' OR status = ''lost'' OR status = ''suspended'')')
	WHERE type = 'table' AND name = 'attempts';
UPDATE sqlite_schema SET sql = replace(sql,
	'CHECK (object IN (''change'', ''gate'', ''run'', ''trigger'', ''agent'', ''tenant'', ''batch'', ''token'', ''daemon''))',
	'CHECK (object = ''change'' OR object = ''gate'' OR object = ''run'' OR object = ''trigger'' OR
	                              object = ''agent'' OR object = ''tenant'' OR object = ''batch'' OR
	                              object = ''token'' OR object = ''daemon'')')
	WHERE type = 'table' AND name = 'decisions';
UPDATE sqlite_schema SET sql = replace(sql,
	'CHECK (state IN (''left'', ''running'', ''done'', ''skipped'', ''failed''))',
	'CHECK (state = ''left'' OR state = ''running'' OR state = ''done'' OR state = ''skipped'' OR
	                                            state = ''failed'')')
	WHERE type = 'table' AND name = 'batch_items';
PRAGMA writable_schema = RESET;

-- The outbox has a column of its own, so that a change that only passes through it (approved, applying) touches no
-- index of it. What an index ends with is seq, also where it does not say so.
ALTER TABLE changes ADD COLUMN way INTEGER; -- 0 held back, 1 to be applied, 2 to be taken back; NULL: on no way
UPDATE changes SET way = CASE WHEN held THEN 0 WHEN status = 'reverting' THEN 2 ELSE 1 END
	WHERE status = 'approved' OR status = 'applying' OR status = 'reverting';
DROP INDEX changes_back;
DROP INDEX changes_outbox;
CREATE INDEX changes_outbox ON changes (target, way) WHERE way > 0;
DROP INDEX changes_due;
CREATE INDEX changes_due ON changes (target, due) WHERE due IS NOT NULL AND way > 0;
DROP INDEX changes_going;
CREATE INDEX changes_going ON changes (batch) WHERE batch IS NOT NULL AND way > 0;
-- The order of each entity; changes_approved was its part that is approved.
DROP INDEX changes_approved;
DROP INDEX changes_order;
CREATE INDEX changes_order ON changes (target, entity) WHERE entity IS NOT NULL AND way IS NOT NULL;
DROP INDEX changes_status;
CREATE INDEX changes_status ON changes (status) WHERE status <> 'applied';

-- A statement with a trigger keeps a copy of every page that it touches. The counts go with the move instead
-- (changes_note), and that what is only compared stays is a CHECK.
DROP TRIGGER changes_replayed_stay;
DROP TRIGGER batch_changes_insert;
DROP TRIGGER batch_changes_update;
DROP TRIGGER batch_changes_delete;

-- Who did what, from where, and what was answered. Rows are written once and answered once; the oldest alone go.
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

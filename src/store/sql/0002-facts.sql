-- What a source knows of its world beside its cursor: file by file, ref by ref, message by message.
-- Written in the transaction of the event that made it true.
CREATE TABLE facts (
	trigger  TEXT NOT NULL,
	item     BLOB NOT NULL,             -- a path, a ref, a number: its source's own words
	value    BLOB NOT NULL,
	PRIMARY KEY (trigger, item)
) STRICT, WITHOUT ROWID;

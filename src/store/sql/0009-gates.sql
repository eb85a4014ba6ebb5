-- What a question becomes that nobody answers in time; NULL: deny.
ALTER TABLE gates ADD COLUMN on_timeout TEXT CHECK (on_timeout IN ('deny', 'approve', 'ignore', 'fail'));
CREATE INDEX gates_expires ON gates (expires) WHERE status = 'waiting' AND expires IS NOT NULL;

-- What is to be taken back, beside a long outbox of what is to be applied.
CREATE INDEX changes_back ON changes (target, seq) WHERE status = 'reverting' AND held = 0;

-- Runs that wait for money: the scope that has none left today (tenant/abc, user/abc/u1, all/).
ALTER TABLE runs ADD COLUMN held TEXT;
CREATE INDEX runs_held ON runs (held, seq) WHERE held IS NOT NULL;
-- What is reserved follows from the attempts that are `running`: written down twice, it could differ.
ALTER TABLE budgets DROP COLUMN reserved_uusd;

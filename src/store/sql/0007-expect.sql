-- What a run's `expect` gave: {"program","met","gave" or "error"}.
ALTER TABLE run_outputs ADD COLUMN expect TEXT;

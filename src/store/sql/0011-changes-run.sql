-- What one run proposed, in order, page by page.
CREATE INDEX changes_run ON changes (run, seq);

-- Searched by what way is, and no more by what it is at least: SQLite takes a bound for a better guide than a value,
-- where an index is there for the bound alone, and then sorts all of the outbox for each page.
DROP INDEX changes_outbox;
CREATE INDEX changes_outbox ON changes (target, way) WHERE way IS NOT NULL;

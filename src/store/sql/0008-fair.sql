-- The queue by tenant: the next of an agent for a tenant is the first of (agent, 1, tenant), and the
-- tenants with something ready are found by hopping, whatever one of them has queued.
DROP INDEX runs_queue;
CREATE INDEX runs_queue ON runs (agent, ready, tenant, priority, seq) WHERE status = 'queued';

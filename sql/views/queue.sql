-- What waits and what runs, in the order in which it is taken.
CREATE VIEW observe.queue AS
SELECT
    row_number() OVER (PARTITION BY q.state ORDER BY q.rank, q.tag, q.id)::bigint AS position,
    q.namespace,
    split_part(q.key, '/', 2)::text AS name,
    q.uid,
    q.state,
    (-q.rank)::integer AS priority,
    q.attempt,
    q.cancel,
    q.enqueued_at,
    q.wait_until,
    coalesce(w.name, '')::text AS worker,
    w.alive_until AS lease_until
FROM ark.queue q
LEFT JOIN ark.workers w ON w.id = q.worker;
COMMENT ON VIEW observe.queue IS 'Queries that wait for a worker or are being executed';
COMMENT ON COLUMN observe.queue.position IS 'Place in the order, counted for each state; 1 is next';
COMMENT ON COLUMN observe.queue.namespace IS 'Namespace of the Query';
COMMENT ON COLUMN observe.queue.name IS 'Name of the Query';
COMMENT ON COLUMN observe.queue.uid IS 'uid of the Query';
COMMENT ON COLUMN observe.queue.state IS 'queued or leased';
COMMENT ON COLUMN observe.queue.priority IS 'Annotation ark.mckinsey.com/priority: higher goes first';
COMMENT ON COLUMN observe.queue.attempt IS 'How often a worker took it up';
COMMENT ON COLUMN observe.queue.cancel IS 'It is to be cut off';
COMMENT ON COLUMN observe.queue.enqueued_at IS 'When it was put in the queue';
COMMENT ON COLUMN observe.queue.wait_until IS 'Until when it may wait for a worker';
COMMENT ON COLUMN observe.queue.worker IS 'The worker that executes it; empty: none';
COMMENT ON COLUMN observe.queue.lease_until IS 'Until when that worker holds it, unless it extends the lease';

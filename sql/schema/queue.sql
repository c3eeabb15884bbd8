-- The queue of queries that are not finished. A row lives from the creation of
-- its Query to its final status, in the same transactions. Finished work is in
-- runs and turns, so that the hot table stays narrow and small.
CREATE TABLE ark.queue (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    key         text COLLATE "C" NOT NULL,
    uid         text NOT NULL,
    namespace   text NOT NULL,
    rank        smallint NOT NULL,
    tag         bigint NOT NULL,
    state       text NOT NULL DEFAULT 'queued',
    cancel      boolean NOT NULL DEFAULT false,
    attempt     integer NOT NULL DEFAULT 0,
    worker      uuid,
    enqueued_at timestamptz NOT NULL,
    wait_ms     bigint NOT NULL,
    wait_until  timestamptz NOT NULL,
    CONSTRAINT queue_pkey PRIMARY KEY (id),
    CONSTRAINT queue_key_key UNIQUE (key),
    CONSTRAINT queue_state_check CHECK (state IN ('queued', 'leased')),
    CONSTRAINT queue_lease_check CHECK ((state = 'leased') = (worker IS NOT NULL)),
    CONSTRAINT queue_rank_check CHECK (rank BETWEEN -10 AND 10),
    CONSTRAINT queue_attempt_check CHECK (attempt >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_order_idx ON ark.queue (rank, tag, id) WHERE state = 'queued';
CREATE INDEX queue_namespace_idx ON ark.queue (namespace, rank, tag) WHERE state = 'queued';
CREATE INDEX queue_wait_until_idx ON ark.queue (wait_until) WHERE state = 'queued';
CREATE INDEX queue_served_idx ON ark.queue (rank, tag) WHERE state = 'leased';
CREATE INDEX queue_returned_idx ON ark.queue (key) WHERE state = 'queued' AND attempt > 0;
CREATE INDEX queue_worker_idx ON ark.queue (worker) WHERE state = 'leased';
COMMENT ON TABLE ark.queue IS 'Queries that wait for a worker or are being executed by one';
COMMENT ON COLUMN ark.queue.id IS 'Grows with each entry: age, the last word in the order';
COMMENT ON COLUMN ark.queue.key IS 'namespace/name: the key of the Query in ark.objects';
COMMENT ON COLUMN ark.queue.uid IS 'metadata.uid of the Query';
COMMENT ON COLUMN ark.queue.namespace IS 'metadata.namespace of the Query';
COMMENT ON COLUMN ark.queue.rank IS 'Minus the priority (annotation ark.mckinsey.com/priority): lower goes first';
COMMENT ON COLUMN ark.queue.tag IS 'Start tag of start-time fair queuing between namespaces, within a rank: lower goes first';
COMMENT ON COLUMN ark.queue.state IS 'queued: waits for a worker; leased: a worker executes it';
COMMENT ON COLUMN ark.queue.cancel IS 'spec.cancel was set: the execution is to be cut off';
COMMENT ON COLUMN ark.queue.attempt IS 'How often it was leased; with worker, the fence of every write of its worker';
COMMENT ON COLUMN ark.queue.worker IS 'The worker that holds it; its lease lasts while ark.workers says that the worker is alive';
COMMENT ON COLUMN ark.queue.enqueued_at IS 'When it was put in the queue';
COMMENT ON COLUMN ark.queue.wait_ms IS 'spec.timeout in milliseconds: the longest wait for a worker';
COMMENT ON COLUMN ark.queue.wait_until IS 'Until when it may wait; in the past once it is cancelled: its end is due at once';

-- Wakes idle workers: a hint without payload, at most once a statement.
CREATE FUNCTION ark.notify_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added) THEN
        PERFORM pg_notify(TG_TABLE_SCHEMA || '_queue', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION ark.notify_queue() IS 'Tells listeners on <schema>_queue that there is work';

CREATE TRIGGER queue_notify AFTER INSERT ON ark.queue
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ark.notify_queue();

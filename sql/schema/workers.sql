-- One row a worker process. All leases of a worker live as long as this row
-- says: a heartbeat is one small update, however many queries are running.
CREATE TABLE ark.workers (
    id          uuid NOT NULL,
    name        text NOT NULL,
    concurrency integer NOT NULL,
    started_at  timestamptz NOT NULL,
    alive_until timestamptz NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id),
    CONSTRAINT workers_concurrency_check CHECK (concurrency > 0)
) WITH (fillfactor = 30);
COMMENT ON TABLE ark.workers IS 'The worker processes and until when their leases are valid';
COMMENT ON COLUMN ark.workers.id IS 'Made anew at each start of a worker';
COMMENT ON COLUMN ark.workers.name IS 'Host (or pod) and process id';
COMMENT ON COLUMN ark.workers.concurrency IS 'How many queries the worker runs at once at most';
COMMENT ON COLUMN ark.workers.started_at IS 'When the worker started';
COMMENT ON COLUMN ark.workers.alive_until IS 'When the leases of this worker expire, unless a heartbeat comes before';

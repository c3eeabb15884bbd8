-- name: PutWorker :exec
-- Registers a worker. Plan: insert by primary key.
INSERT INTO ark.workers (id, name, concurrency, started_at, alive_until)
VALUES (
    sqlc.arg(id)::uuid, sqlc.arg(name)::text, sqlc.arg(concurrency)::int,
    sqlc.arg(started_at)::timestamptz, sqlc.arg(alive_until)::timestamptz
);

-- name: GetServerTime :one
-- The database's clock, which all workers can compare theirs with. Plan: no table.
SELECT clock_timestamp()::timestamptz AS now;

-- name: Heartbeat :execrows
-- Extends all leases of a worker at once; no row: the worker was given up and
-- must register anew. Plan: one row by primary key.
UPDATE ark.workers
SET alive_until = sqlc.arg(alive_until)::timestamptz
WHERE id = sqlc.arg(id)::uuid;

-- name: DeleteWorker :exec
-- Plan: one row by primary key.
DELETE FROM ark.workers
WHERE id = sqlc.arg(id)::uuid;

-- name: DeleteDeadWorkers :execrows
-- Forgets workers that died and hold nothing any more.
-- Plan: a scan of the few workers, anti-join with queue_worker_idx.
DELETE FROM ark.workers w
WHERE w.alive_until <= sqlc.arg(dead_since)::timestamptz
    AND NOT EXISTS (SELECT FROM ark.queue q WHERE q.state = 'leased' AND q.worker = w.id);

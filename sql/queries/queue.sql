-- name: Enqueue :exec
-- Start tags of start-time fair queuing: a namespace continues behind its own
-- last waiting query, or where service stands if it has none; priorities apart.
-- Service stands at the greatest tag being executed or the least that waits: an
-- old lease must not take it back to where it stood when that began.
-- An entry of another Query that had the same name is replaced, under a new id: who
-- may hold it has a lease on nothing.
-- Plan: three look-ups at the end of an index for each new entry; no scan.
INSERT INTO ark.queue (key, uid, namespace, rank, tag, enqueued_at, wait_ms, wait_until)
SELECT i.key, i.uid, i.namespace, i.rank,
    greatest(
        0,
        (SELECT max(s.tag) FROM ark.queue s WHERE s.state = 'leased' AND s.rank = i.rank),
        (SELECT min(f.tag) FROM ark.queue f WHERE f.state = 'queued' AND f.rank = i.rank),
        (SELECT max(l.tag) + 1 FROM ark.queue l WHERE l.state = 'queued' AND l.namespace = i.namespace AND l.rank = i.rank)
    ) + row_number() OVER (PARTITION BY i.namespace, i.rank ORDER BY i.n) - 1,
    sqlc.arg(now)::timestamptz, i.wait_ms,
    sqlc.arg(now)::timestamptz + i.wait_ms * interval '1 millisecond'
FROM ROWS FROM (
    unnest(sqlc.arg(keys)::text[]),
    unnest(sqlc.arg(uids)::text[]),
    unnest(sqlc.arg(namespaces)::text[]),
    unnest(sqlc.arg(ranks)::smallint[]),
    unnest(sqlc.arg(wait_ms)::bigint[])
) WITH ORDINALITY AS i (key, uid, namespace, rank, wait_ms, n)
ORDER BY i.n
ON CONFLICT (key) DO UPDATE
SET id = DEFAULT, uid = excluded.uid, namespace = excluded.namespace, rank = excluded.rank, tag = excluded.tag,
    state = 'queued', cancel = false, attempt = 0, worker = NULL,
    enqueued_at = excluded.enqueued_at, wait_ms = excluded.wait_ms, wait_until = excluded.wait_until
WHERE queue.uid <> excluded.uid;

-- name: Dequeue :exec
-- The end of queue rows: the Query is finished, deleted or held.
-- Plan: one look-up by the unique key for each entry.
DELETE FROM ark.queue
WHERE key = ANY (sqlc.arg(keys)::text[]);

-- name: Reschedule :exec
-- The priority or timeout of queries was edited: those that wait follow, a changed
-- timeout counts from when their wait began. With another rank they start there as
-- a new entry does (see Enqueue).
-- Plan: one look-up by the unique key for each entry, and three at the end of an
-- index; no scan.
UPDATE ark.queue q
SET rank = e.rank, wait_ms = e.wait_ms,
    tag = CASE WHEN q.rank = e.rank THEN q.tag ELSE e.tag END,
    wait_until = CASE WHEN q.cancel THEN q.wait_until
        ELSE q.wait_until + (e.wait_ms - q.wait_ms) * interval '1 millisecond' END
FROM (
    SELECT i.key, i.rank, i.wait_ms,
        greatest(
            0,
            (SELECT max(s.tag) FROM ark.queue s WHERE s.state = 'leased' AND s.rank = i.rank),
            (SELECT min(f.tag) FROM ark.queue f WHERE f.state = 'queued' AND f.rank = i.rank),
            (SELECT max(l.tag) + 1 FROM ark.queue l WHERE l.state = 'queued' AND l.namespace = i.namespace AND l.rank = i.rank)
        ) + row_number() OVER (PARTITION BY i.namespace, i.rank ORDER BY i.n) - 1 AS tag
    FROM ROWS FROM (
        unnest(sqlc.arg(keys)::text[]),
        unnest(sqlc.arg(namespaces)::text[]),
        unnest(sqlc.arg(ranks)::smallint[]),
        unnest(sqlc.arg(wait_ms)::bigint[])
    ) WITH ORDINALITY AS i (key, namespace, rank, wait_ms, n)
) e
WHERE q.key = e.key AND q.state = 'queued';

-- name: CancelQueued :exec
-- Flags entries; one that still waits is due at once.
-- Plan: one look-up by the unique key for each entry.
UPDATE ark.queue
SET cancel = true, wait_until = enqueued_at
WHERE key = ANY (sqlc.arg(keys)::text[]);

-- name: CheckLeases :many
-- Which fences of a batch still hold, locked until the batch ends. Those of nil
-- workers hold while the entry waits.
-- Plan: nested loop, one look-up by primary key for each fence.
SELECT i.n::int AS n
FROM ROWS FROM (
    unnest(sqlc.arg(ids)::bigint[]),
    unnest(sqlc.arg(workers)::uuid[]),
    unnest(sqlc.arg(attempts)::int[])
) WITH ORDINALITY AS i (id, worker, attempt, n)
JOIN ark.queue q ON q.id = i.id AND q.attempt = i.attempt
    AND coalesce(q.worker, '00000000-0000-0000-0000-000000000000'::uuid) = i.worker
FOR UPDATE OF q;

-- name: Lease :many
-- The next entries in the order priority, fairness, age, that no other worker
-- is taking. The array keeps the planner, which does not know the limit, from
-- joining with the whole queue.
-- Plan: index scan on queue_order_idx, locked rows skipped, stopped by the limit;
-- no sort; one look-up by primary key for each entry.
WITH next AS (
    SELECT c.id
    FROM ark.queue c
    WHERE c.state = 'queued'
    ORDER BY c.rank, c.tag, c.id
    LIMIT sqlc.arg(batch_size)::bigint
    FOR UPDATE SKIP LOCKED
)
UPDATE ark.queue q
SET state = 'leased', worker = sqlc.arg(worker)::uuid, attempt = q.attempt + 1
WHERE q.id = ANY (ARRAY(SELECT n.id FROM next n))
RETURNING q.id, q.key, q.uid, q.namespace, q.attempt, q.cancel, q.enqueued_at, q.wait_ms,
    (q.wait_until <= sqlc.arg(now)::timestamptz)::boolean AS overdue;

-- name: LeaseDue :many
-- Entries whose wait is over, cancelled ones first, to be ended without being
-- executed. They are taken out of their turn: without their tag, for that would
-- say that service has come as far.
-- Plan: index scan on queue_wait_until_idx, locked rows skipped, stopped
-- by the limit; one look-up by primary key for each entry.
WITH due AS (
    SELECT c.id
    FROM ark.queue c
    WHERE c.state = 'queued' AND c.wait_until <= sqlc.arg(now)::timestamptz
    ORDER BY c.wait_until
    LIMIT sqlc.arg(batch_size)::bigint
    FOR UPDATE SKIP LOCKED
)
UPDATE ark.queue q
SET state = 'leased', worker = sqlc.arg(worker)::uuid, attempt = q.attempt + 1, tag = 0
WHERE q.id = ANY (ARRAY(SELECT d.id FROM due d))
RETURNING q.id, q.key, q.uid, q.namespace, q.attempt, q.cancel, q.enqueued_at, q.wait_ms, true::boolean AS overdue;

-- name: GetEndedLeases :many
-- Of the leases that a worker believes to hold, those that it lost (lost) or
-- that are to be cut off. Plan: nested left join, one look-up by primary key for each lease.
SELECT i.id::bigint AS id, i.attempt::int AS attempt, (q.id IS NULL)::boolean AS lost, coalesce(q.cancel, false)::boolean AS cancel
FROM ROWS FROM (
    unnest(sqlc.arg(ids)::bigint[]),
    unnest(sqlc.arg(attempts)::int[])
) AS i (id, attempt)
LEFT JOIN ark.queue q ON q.id = i.id AND q.attempt = i.attempt AND q.worker = sqlc.arg(worker)::uuid
WHERE q.id IS NULL OR q.cancel;

-- name: ReturnExpiredLeases :many
-- Leases whose worker is no longer alive go back to the queue, where service
-- stands (their old tags would take it back); their id puts them first there, and
-- their wait begins afresh. The order is that of the index over the leased rows.
-- Plan: index scan on queue_worker_idx, anti-join with the few workers; for each
-- lease a look-up by primary key, and one at the end of an index.
UPDATE ark.queue q
SET state = 'queued', worker = NULL,
    tag = greatest(q.tag, (SELECT min(f.tag) FROM ark.queue f WHERE f.state = 'queued' AND f.rank = q.rank)),
    wait_until = CASE WHEN q.cancel THEN q.enqueued_at
        ELSE sqlc.arg(now)::timestamptz + q.wait_ms * interval '1 millisecond' END
FROM (
    SELECT l.id, l.worker
    FROM ark.queue l
    WHERE l.state = 'leased'
        AND NOT EXISTS (
            SELECT FROM ark.workers w
            WHERE w.id = l.worker AND w.alive_until > sqlc.arg(now)::timestamptz)
    ORDER BY l.worker
    LIMIT sqlc.arg(batch_size)::bigint
    FOR UPDATE OF l SKIP LOCKED
) lost
WHERE q.id = lost.id
RETURNING q.id, q.key, q.uid, q.attempt;

-- name: ListUntold :many
-- Entries that went back to the queue while the status of their Query still says
-- that it is executed: whoever returned them could not write it.
-- Plan: index scan on queue_returned_idx, which has few rows; one look-up by
-- primary key for each; stopped by the limit; no sort.
SELECT q.id, q.key, q.uid, q.attempt
FROM ark.queue q
JOIN ark.queries p ON p.key = q.key AND p.uid = q.uid
WHERE q.state = 'queued' AND q.attempt > 0 AND p.phase IN ('running', 'input-required')
ORDER BY q.key
LIMIT sqlc.arg(batch_size)::bigint;

-- name: ReleaseOtherLeases :many
-- Gives back what a worker holds without knowing of it, because the answer to
-- its lease was lost; the attempt does not count. A worker may know of an older
-- attempt at the same entry. The tag is as in ReturnExpiredLeases.
-- Plan: index scan on queue_worker_idx, anti-join with the leases that are known;
-- one look-up at the end of an index for each lease.
UPDATE ark.queue q
SET state = 'queued', worker = NULL, attempt = q.attempt - 1,
    tag = greatest(q.tag, (SELECT min(f.tag) FROM ark.queue f WHERE f.state = 'queued' AND f.rank = q.rank)),
    wait_until = CASE WHEN q.cancel THEN q.enqueued_at
        ELSE sqlc.arg(now)::timestamptz + q.wait_ms * interval '1 millisecond' END
WHERE q.state = 'leased' AND q.worker = sqlc.arg(worker)::uuid
    AND NOT EXISTS (
        SELECT
        FROM ROWS FROM (
            unnest(sqlc.arg(ids)::bigint[]),
            unnest(sqlc.arg(attempts)::int[])
        ) AS h (id, attempt)
        WHERE h.id = q.id AND h.attempt = q.attempt)
RETURNING q.id, q.key, q.uid, q.attempt;

-- name: ReturnLease :exec
-- A worker gives one entry back that it cannot do anything with; the attempt
-- counts. The tag is as in ReturnExpiredLeases.
-- Plan: one row by primary key, one look-up at the end of an index.
UPDATE ark.queue q
SET state = 'queued', worker = NULL,
    tag = greatest(q.tag, (SELECT min(f.tag) FROM ark.queue f WHERE f.state = 'queued' AND f.rank = q.rank)),
    wait_until = CASE WHEN q.cancel THEN q.enqueued_at
        ELSE sqlc.arg(now)::timestamptz + q.wait_ms * interval '1 millisecond' END
WHERE q.id = sqlc.arg(id)::bigint AND q.worker = sqlc.arg(worker)::uuid AND q.attempt = sqlc.arg(attempt)::int;

-- name: DropLease :execrows
-- The end of an entry whose Query is gone, another one or finished already.
-- Plan: one row by primary key.
DELETE FROM ark.queue
WHERE id = sqlc.arg(id)::bigint AND worker = sqlc.arg(worker)::uuid AND attempt = sqlc.arg(attempt)::int;

-- name: NotifyQueue :exec
-- Wakes idle workers after entries came back. Plan: no table.
SELECT pg_notify('ark_queue', '');

-- name: NotifyLeases :exec
-- Tells workers that a lease was cancelled or its Query deleted. Plan: no table.
SELECT pg_notify('ark_leases', '');

-- name: CountQueue :many
-- Depth by state, for metrics. Plan: a scan of the hot table, which is small.
SELECT q.state, count(*)::bigint AS n
FROM ark.queue q
GROUP BY q.state
ORDER BY q.state
LIMIT 10;

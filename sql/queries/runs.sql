-- name: StartRun :exec
-- A released attempt does not count: its row is taken over, its turns go.
-- Plan: insert by primary key; turns of the same attempt by their primary key.
WITH stale AS (
    DELETE FROM ark.turns t
    WHERE t.uid = sqlc.arg(uid)::text AND t.attempt = sqlc.arg(attempt)::int
)
INSERT INTO ark.runs (
    uid, attempt, namespace, name, target_type, target_name, worker, worker_name, enqueued_at, started_at
)
VALUES (
    sqlc.arg(uid)::text, sqlc.arg(attempt)::int, sqlc.arg(namespace)::text, sqlc.arg(name)::text,
    sqlc.arg(target_type)::text, sqlc.arg(target_name)::text, sqlc.arg(worker)::uuid, sqlc.arg(worker_name)::text,
    sqlc.arg(enqueued_at)::timestamptz, sqlc.arg(started_at)::timestamptz
)
ON CONFLICT (uid, attempt) DO UPDATE
SET worker = excluded.worker, worker_name = excluded.worker_name, started_at = excluded.started_at,
    ended_at = NULL, outcome = 'running', reason = '', message = '';

-- name: EndRun :exec
-- Plan: one row by primary key.
UPDATE ark.runs
SET ended_at = sqlc.arg(ended_at)::timestamptz, outcome = sqlc.arg(outcome)::text,
    reason = sqlc.arg(reason)::text, message = sqlc.arg(message)::text,
    prompt_tokens = sqlc.arg(prompt_tokens)::bigint, completion_tokens = sqlc.arg(completion_tokens)::bigint
WHERE uid = sqlc.arg(uid)::text AND attempt = sqlc.arg(attempt)::int AND worker = sqlc.arg(worker)::uuid;

-- name: LoseRuns :execrows
-- Ends the runs of workers that are no longer alive. Should one of them have
-- stored its end after all, EndRun puts the truth in its place.
-- Plan: index scan on runs_running_idx, anti-join with the few workers.
UPDATE ark.runs r
SET ended_at = sqlc.arg(now)::timestamptz, outcome = 'lost', message = 'the worker died or lost its database'
FROM (
    SELECT l.uid, l.attempt
    FROM ark.runs l
    WHERE l.outcome = 'running'
        AND NOT EXISTS (
            SELECT FROM ark.workers w
            WHERE w.id = l.worker AND w.alive_until > sqlc.arg(now)::timestamptz)
    ORDER BY l.worker
    LIMIT sqlc.arg(batch_size)::bigint
) lost
WHERE r.uid = lost.uid AND r.attempt = lost.attempt AND r.outcome = 'running';

-- name: GetRunWorker :one
-- Who made an attempt, for the message when there were too many.
-- Plan: one row by primary key.
SELECT r.worker_name
FROM ark.runs r
WHERE r.uid = sqlc.arg(uid)::text AND r.attempt = sqlc.arg(attempt)::int;

-- name: DeleteRuns :execrows
-- Retention of the trail, oldest first, turns with them.
-- Plan: index scan on runs_started_at_idx, stopped by the limit.
DELETE FROM ark.runs r
USING (
    SELECT d.uid, d.attempt
    FROM ark.runs d
    WHERE d.started_at < sqlc.arg(before)::timestamptz AND d.outcome <> 'running'
    ORDER BY d.started_at
    LIMIT sqlc.arg(batch_size)::bigint
) old
WHERE r.uid = old.uid AND r.attempt = old.attempt;

-- name: ListRuns :many
-- The attempts of one Query, in order. Plan: range of the primary key; no sort.
SELECT r.uid, r.attempt, r.namespace, r.name, r.target_type, r.target_name, r.worker, r.worker_name,
    r.enqueued_at, r.started_at, r.ended_at, r.outcome, r.reason, r.message, r.prompt_tokens, r.completion_tokens
FROM ark.runs r
WHERE r.uid = sqlc.arg(uid)::text
ORDER BY r.uid, r.attempt
LIMIT sqlc.arg(page_size)::bigint;

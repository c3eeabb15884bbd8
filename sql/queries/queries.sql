-- name: PutQueries :exec
-- An array of times has no null in Go: its zero time stands for null.
-- Plan: upsert by primary key, one look-up for each Query in the batch.
INSERT INTO ark.queries (
    key, namespace, name, uid, phase, target_type, target_name, session_id, conversation_id,
    created_at, completed_at, expires_at, prompt_tokens, completion_tokens, total_tokens, cached_tokens
)
SELECT i.key, i.namespace, i.name, i.uid, i.phase, i.target_type, i.target_name, i.session_id, i.conversation_id,
    i.created_at,
    nullif(i.completed_at, '0001-01-01 00:00:00+00'::timestamptz),
    nullif(i.expires_at, '0001-01-01 00:00:00+00'::timestamptz),
    i.prompt_tokens, i.completion_tokens, i.total_tokens, i.cached_tokens
FROM ROWS FROM (
    unnest(sqlc.arg(keys)::text[]),
    unnest(sqlc.arg(namespaces)::text[]),
    unnest(sqlc.arg(names)::text[]),
    unnest(sqlc.arg(uids)::text[]),
    unnest(sqlc.arg(phases)::text[]),
    unnest(sqlc.arg(target_types)::text[]),
    unnest(sqlc.arg(target_names)::text[]),
    unnest(sqlc.arg(session_ids)::text[]),
    unnest(sqlc.arg(conversation_ids)::text[]),
    unnest(sqlc.arg(created_at)::timestamptz[]),
    unnest(sqlc.arg(completed_at)::timestamptz[]),
    unnest(sqlc.arg(expires_at)::timestamptz[]),
    unnest(sqlc.arg(prompt_tokens)::bigint[]),
    unnest(sqlc.arg(completion_tokens)::bigint[]),
    unnest(sqlc.arg(total_tokens)::bigint[]),
    unnest(sqlc.arg(cached_tokens)::bigint[])
) AS i (
    key, namespace, name, uid, phase, target_type, target_name, session_id, conversation_id,
    created_at, completed_at, expires_at, prompt_tokens, completion_tokens, total_tokens, cached_tokens
)
ON CONFLICT (key) DO UPDATE
SET namespace = excluded.namespace, name = excluded.name, uid = excluded.uid, phase = excluded.phase,
    target_type = excluded.target_type, target_name = excluded.target_name,
    session_id = excluded.session_id, conversation_id = excluded.conversation_id,
    created_at = excluded.created_at, completed_at = excluded.completed_at, expires_at = excluded.expires_at,
    prompt_tokens = excluded.prompt_tokens, completion_tokens = excluded.completion_tokens,
    total_tokens = excluded.total_tokens, cached_tokens = excluded.cached_tokens;

-- name: DeleteQueries :exec
-- Plan: one look-up by primary key for each deleted Query of the batch.
DELETE FROM ark.queries
WHERE key = ANY (sqlc.arg(keys)::text[]);

-- name: ClaimDueQueries :many
-- Finished queries whose TTL has passed. The claim moves their due date, so
-- that other processes pass over them while this one deletes them through the
-- store. Plan: index scan on expires_at, locked rows skipped, stopped by the limit.
UPDATE ark.queries q
SET expires_at = sqlc.arg(claimed_until)::timestamptz
FROM (
    SELECT d.key
    FROM ark.queries d
    WHERE d.expires_at <= sqlc.arg(now)::timestamptz
    ORDER BY d.expires_at
    LIMIT sqlc.arg(batch_size)::bigint
    FOR UPDATE SKIP LOCKED
) due
WHERE q.key = due.key
RETURNING q.key, q.uid;

-- name: GetNextDueQuery :one
-- When the next TTL passes; year 9999 when none is due ever.
-- Plan: the first entry of the index on expires_at.
SELECT coalesce((
    SELECT q.expires_at
    FROM ark.queries q
    WHERE q.expires_at IS NOT NULL
    ORDER BY q.expires_at
    LIMIT 1
), '9999-12-31 00:00:00+00')::timestamptz AS due;

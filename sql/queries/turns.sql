-- name: AppendTurns :exec
-- Plan: insert by primary key.
INSERT INTO ark.turns (
    uid, attempt, seq, kind, name, started_at, ended_at, request, response, prompt_tokens, completion_tokens, error
)
SELECT sqlc.arg(uid)::text, sqlc.arg(attempt)::int, i.seq, i.kind, i.name, i.started_at, i.ended_at,
    i.request::jsonb, i.response::jsonb, i.prompt_tokens, i.completion_tokens, i.error
FROM ROWS FROM (
    unnest(sqlc.arg(seqs)::int[]),
    unnest(sqlc.arg(kinds)::text[]),
    unnest(sqlc.arg(names)::text[]),
    unnest(sqlc.arg(started_at)::timestamptz[]),
    unnest(sqlc.arg(ended_at)::timestamptz[]),
    unnest(sqlc.arg(requests)::text[]),
    unnest(sqlc.arg(responses)::text[]),
    unnest(sqlc.arg(prompt_tokens)::bigint[]),
    unnest(sqlc.arg(completion_tokens)::bigint[]),
    unnest(sqlc.arg(errors)::text[])
) AS i (seq, kind, name, started_at, ended_at, request, response, prompt_tokens, completion_tokens, error)
ON CONFLICT (uid, attempt, seq) DO NOTHING;

-- name: ListTurns :many
-- The turns of all attempts of one Query, in order: its timeline.
-- Plan: range of the primary key; no sort.
SELECT t.uid, t.attempt, t.seq, t.kind, t.name, t.started_at, t.ended_at, t.request, t.response,
    t.prompt_tokens, t.completion_tokens, t.error
FROM ark.turns t
WHERE t.uid = sqlc.arg(uid)::text
ORDER BY t.uid, t.attempt, t.seq
LIMIT sqlc.arg(page_size)::bigint;

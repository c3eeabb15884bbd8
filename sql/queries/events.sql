-- name: AppendEvents :exec
-- Writes the events of a batch; the image before is read here, under the
-- revision lock. Plan: nested left join, one look-up by primary key a write.
INSERT INTO ark.events (rv, resource, key, body, prev_body, prev_rv, at)
SELECT i.rv, i.resource, i.key, i.body, o.body, o.rv, sqlc.arg(at)::timestamptz
FROM ROWS FROM (
    unnest(sqlc.arg(rvs)::bigint[]),
    unnest(sqlc.arg(resources)::text[]),
    unnest(sqlc.arg(keys)::text[]),
    unnest(sqlc.arg(bodies)::bytea[])
) AS i (rv, resource, key, body)
LEFT JOIN ark.objects o ON o.resource = i.resource AND o.key = i.key;

-- name: ReadEvents :many
-- The next events in commit order, and one row more (page_floor >= 0) with the
-- current revision and the compaction floor of the same snapshot.
-- Plan: index scan on the primary key from the cursor, stopped by the limit.
SELECT r.current::bigint AS rv, ''::text AS resource, ''::text AS key,
    NULL::bytea AS body, NULL::bytea AS prev_body, 0::bigint AS prev_rv, r.compacted::bigint AS page_floor
FROM ark.revision r
WHERE r.singleton
UNION ALL
(SELECT e.rv, e.resource::text, e.key::text, e.body, e.prev_body, coalesce(e.prev_rv, 0)::bigint, (-1)::bigint
FROM ark.events e
WHERE e.rv > sqlc.arg(after)::bigint
ORDER BY e.rv
LIMIT sqlc.arg(page_size)::bigint);

-- name: GetReadStart :one
-- Where to begin reading in order to know the newest events, as many as are within
-- a number and a sum of bytes; never below the compaction floor.
-- Plan: index scan on the primary key, backwards, stopped by the limit.
SELECT r.current, r.compacted, greatest(r.compacted, coalesce((
    SELECT min(w.rv) - 1
    FROM (
        SELECT n.rv, sum(n.size) OVER (ORDER BY n.rv DESC) AS bytes
        FROM (
            SELECT e.rv, octet_length(e.key) + coalesce(octet_length(e.body), 0) + coalesce(octet_length(e.prev_body), 0) AS size
            FROM ark.events e
            ORDER BY e.rv DESC
            LIMIT sqlc.arg(max_events)::bigint
        ) n
    ) w
    WHERE w.bytes <= sqlc.arg(max_bytes)::bigint
), r.current))::bigint AS start
FROM ark.revision r
WHERE r.singleton;

-- name: ReadResourceEvents :many
-- The same for a key range of one resource, up to a revision: history for a watch
-- that starts in the past, or has fallen behind. The concatenations keep the
-- planner off the index by resource and key, which would have to read and sort
-- the whole window.
-- Plan: index scan on the primary key between two revisions, stopped by the limit.
SELECT r.current::bigint AS rv, ''::text AS resource, ''::text AS key,
    NULL::bytea AS body, NULL::bytea AS prev_body, 0::bigint AS prev_rv, r.compacted::bigint AS page_floor
FROM ark.revision r
WHERE r.singleton
UNION ALL
(SELECT e.rv, e.resource::text, e.key::text, e.body, e.prev_body, coalesce(e.prev_rv, 0)::bigint, (-1)::bigint
FROM ark.events e
WHERE e.rv > sqlc.arg(after)::bigint AND e.rv <= sqlc.arg(up_to)::bigint
    AND (e.resource || '') = sqlc.arg(resource)::text
    AND (e.key || '') >= sqlc.arg(key_from)::text AND (e.key || '') < sqlc.arg(key_before)::text
ORDER BY e.rv
LIMIT sqlc.arg(page_size)::bigint);

-- name: ReadKeyEvents :many
-- The same for a single key, which the index by resource and key has in the order
-- of revisions: what others write in the meantime is not read.
-- Plan: index scan on resource, key and revision, stopped by the limit; no sort.
SELECT r.current::bigint AS rv, ''::text AS resource, ''::text AS key,
    NULL::bytea AS body, NULL::bytea AS prev_body, 0::bigint AS prev_rv, r.compacted::bigint AS page_floor
FROM ark.revision r
WHERE r.singleton
UNION ALL
(SELECT e.rv, e.resource::text, e.key::text, e.body, e.prev_body, coalesce(e.prev_rv, 0)::bigint, (-1)::bigint
FROM ark.events e
WHERE e.resource = sqlc.arg(resource)::text AND e.key = sqlc.arg(key)::text
    AND e.rv > sqlc.arg(after)::bigint AND e.rv <= sqlc.arg(up_to)::bigint
ORDER BY e.rv
LIMIT sqlc.arg(page_size)::bigint);

-- name: GetRetainedRevision :one
-- The oldest event to keep; 0 when none is young enough. Reads, in revision
-- order, over just those events that are about to go.
-- Plan: index scan on the primary key, stopped at the first young event.
SELECT coalesce((
    SELECT e.rv
    FROM ark.events e
    WHERE e.at >= sqlc.arg(keep_after)::timestamptz
    ORDER BY e.rv
    LIMIT 1
), 0)::bigint AS rv;

-- name: DeleteEvents :execrows
-- Deletes a batch of compacted events, oldest first.
-- Plan: index scan on the primary key, stopped by the limit.
DELETE FROM ark.events
WHERE rv IN (
    SELECT e.rv
    FROM ark.events e
    WHERE e.rv <= sqlc.arg(up_to)::bigint
    ORDER BY e.rv
    LIMIT sqlc.arg(batch_size)::bigint
);

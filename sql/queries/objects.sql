-- name: GetObject :one
-- Plan: one row by primary key; the revision by its own.
SELECT coalesce(o.rv, 0)::bigint AS rv, o.body, o.expires_at, r.current
FROM ark.revision r
LEFT JOIN ark.objects o ON o.resource = sqlc.arg(resource)::text AND o.key = sqlc.arg(key)::text
WHERE r.singleton;

-- name: CheckObjects :many
-- Under the revision lock: what stands at the keys of a batch. The body comes
-- along only where the expected revision is not the current one, for the retry.
-- Plan: nested loop, one look-up by primary key for each write of the batch.
SELECT i.n::int AS n, o.rv::bigint AS rv, o.expires_at,
    (CASE WHEN o.rv <> i.expect THEN o.body END)::bytea AS body
FROM ROWS FROM (
    unnest(sqlc.arg(resources)::text[]),
    unnest(sqlc.arg(keys)::text[]),
    unnest(sqlc.arg(expected)::bigint[])
) WITH ORDINALITY AS i (resource, key, expect, n)
JOIN ark.objects o ON o.resource = i.resource AND o.key = i.key;

-- name: PutObjects :exec
-- Brings the objects in step with the events of the batch, which carry the
-- bodies. A zero time is no expiry. Plan: nested loop over events by primary key; upsert by primary key.
INSERT INTO ark.objects (resource, key, rv, body, expires_at)
SELECT e.resource, e.key, e.rv, e.body, nullif(i.expires_at, '0001-01-01 00:00:00+00'::timestamptz)
FROM ROWS FROM (
    unnest(sqlc.arg(rvs)::bigint[]),
    unnest(sqlc.arg(expires_at)::timestamptz[])
) AS i (rv, expires_at)
JOIN ark.events e ON e.rv = i.rv
WHERE e.body IS NOT NULL
ON CONFLICT (resource, key) DO UPDATE
SET rv = excluded.rv, body = excluded.body, expires_at = excluded.expires_at;

-- name: DeleteObjects :exec
-- Plan: nested loop, one look-up by primary key for each delete of the batch.
DELETE FROM ark.objects o
USING ROWS FROM (
    unnest(sqlc.arg(resources)::text[]),
    unnest(sqlc.arg(keys)::text[])
) AS i (resource, key)
WHERE o.resource = i.resource AND o.key = i.key;

-- name: ListLatest :many
-- A page of what is current, in key order, and one row more (page_floor >= 0)
-- that carries the revision of the snapshot and the compaction floor. A page ends
-- early with the object that brings its bytes to max_bytes; bodies behind that are
-- not read, only their length.
-- Plan: index scan of the key range on the primary key, stopped by the limit; no sort.
SELECT ''::text AS key, r.current::bigint AS rv, ''::bytea AS body, r.compacted::bigint AS page_floor
FROM ark.revision r
WHERE r.singleton
UNION ALL
(SELECT s.key::text, s.rv::bigint, s.body::bytea, (-1)::bigint
FROM (
    SELECT o.key, o.rv, o.body, octet_length(o.body) AS size,
        sum(octet_length(o.body)) OVER (ORDER BY o.key ROWS UNBOUNDED PRECEDING) AS total
    FROM ark.objects o
    WHERE o.resource = sqlc.arg(resource)::text
        AND o.key >= sqlc.arg(key_from)::text AND o.key < sqlc.arg(key_before)::text
    ORDER BY o.key
    LIMIT sqlc.arg(page_size)::bigint
) s
WHERE s.total - s.size < sqlc.arg(max_bytes)::bigint
ORDER BY s.key);

-- name: ListAsOf :many
-- A page of the state at a revision: current rows not newer, and the image
-- before the first later event of each key. It is taken from a window of keys that
-- ends where the window's number of objects, or of later events, is reached: what
-- is passed over counts, so that a page after many changes is short, or empty, and
-- not a walk through the rest of the range. One row more (page_floor >= 0) carries
-- the key before which the window ends, the current revision, and the floor that
-- the read must not be below.
-- Plan: index-only scans to the ends of the window, then two index scans within
-- it in key order, merged; no sort.
WITH standing AS (
    SELECT coalesce((
        SELECT o.key || chr(1)
        FROM ark.objects o
        WHERE o.resource = sqlc.arg(resource)::text
            AND o.key >= sqlc.arg(key_from)::text AND o.key < sqlc.arg(key_before)::text
        ORDER BY o.key
        OFFSET sqlc.arg(window_size)::bigint - 1
        LIMIT 1
    ), sqlc.arg(key_before)::text) AS ends
), span AS (
    SELECT coalesce((
        SELECT e.key || chr(1)
        FROM ark.events e
        WHERE e.resource = sqlc.arg(resource)::text
            AND e.key >= sqlc.arg(key_from)::text AND e.key < (SELECT ends FROM standing)
            AND e.rv > sqlc.arg(as_of)::bigint
        ORDER BY e.key, e.rv
        OFFSET sqlc.arg(window_size)::bigint - 1
        LIMIT 1
    ), (SELECT ends FROM standing)) AS ends
)
SELECT (SELECT ends FROM span)::text AS key, r.current::bigint AS rv, ''::bytea AS body, r.compacted::bigint AS page_floor
FROM ark.revision r
WHERE r.singleton
UNION ALL
(SELECT p.key::text, p.rv::bigint, p.body::bytea, (-1)::bigint
FROM (
    SELECT s.key, s.rv, s.body, octet_length(s.body) AS size,
        sum(octet_length(s.body)) OVER (ORDER BY s.key ROWS UNBOUNDED PRECEDING) AS total
    FROM (
        (SELECT o.key, o.rv, o.body
        FROM ark.objects o
        WHERE o.resource = sqlc.arg(resource)::text
            AND o.key >= sqlc.arg(key_from)::text AND o.key < (SELECT ends FROM span)
            AND o.rv <= sqlc.arg(as_of)::bigint
        ORDER BY o.key)
        UNION ALL
        (SELECT f.key, f.prev_rv, f.prev_body
        FROM (
            SELECT DISTINCT ON (e.key) e.key, e.prev_rv, e.prev_body
            FROM ark.events e
            WHERE e.resource = sqlc.arg(resource)::text
                AND e.key >= sqlc.arg(key_from)::text AND e.key < (SELECT ends FROM span)
                AND e.rv > sqlc.arg(as_of)::bigint
            ORDER BY e.key, e.rv
        ) f
        WHERE f.prev_rv IS NOT NULL
        ORDER BY f.key)
    ) s
    ORDER BY s.key
    LIMIT sqlc.arg(page_size)::bigint
) p
WHERE p.total - p.size < sqlc.arg(max_bytes)::bigint
ORDER BY p.key);

-- name: ListAsOfRecent :many
-- The same for a revision that few events came after, of all resources: reads
-- those in the order of revisions and sorts them, where ListAsOf would walk all
-- events of the resource. Few can be passed over, so there is no window of keys,
-- and none is named. The concatenation keeps the planner off that index.
-- Plan: index scan of the key range on the primary key, stopped by the limit; index
-- scan of events on the primary key from the revision on, sorted by key.
SELECT ''::text AS key, r.current::bigint AS rv, ''::bytea AS body, r.compacted::bigint AS page_floor
FROM ark.revision r
WHERE r.singleton
UNION ALL
(SELECT p.key::text, p.rv::bigint, p.body::bytea, (-1)::bigint
FROM (
    SELECT s.key, s.rv, s.body, octet_length(s.body) AS size,
        sum(octet_length(s.body)) OVER (ORDER BY s.key ROWS UNBOUNDED PRECEDING) AS total
    FROM (
        (SELECT o.key, o.rv, o.body
        FROM ark.objects o
        WHERE o.resource = sqlc.arg(resource)::text
            AND o.key >= sqlc.arg(key_from)::text AND o.key < sqlc.arg(key_before)::text
            AND o.rv <= sqlc.arg(as_of)::bigint
        ORDER BY o.key
        LIMIT sqlc.arg(page_size)::bigint)
        UNION ALL
        (SELECT f.key, f.prev_rv, f.prev_body
        FROM (
            SELECT DISTINCT ON (e.key) e.key, e.prev_rv, e.prev_body
            FROM ark.events e
            WHERE e.rv > sqlc.arg(as_of)::bigint AND (e.resource || '') = sqlc.arg(resource)::text
                AND e.key >= sqlc.arg(key_from)::text AND e.key < sqlc.arg(key_before)::text
            ORDER BY e.key, e.rv
        ) f
        WHERE f.prev_rv IS NOT NULL
        ORDER BY f.key
        LIMIT sqlc.arg(page_size)::bigint)
    ) s
    ORDER BY s.key
    LIMIT sqlc.arg(page_size)::bigint
) p
WHERE p.total - p.size < sqlc.arg(max_bytes)::bigint
ORDER BY p.key);

-- name: CountLatest :one
-- What remains behind a key. Plan: index-only scan of the key range.
SELECT count(*)::bigint AS n
FROM ark.objects o
WHERE o.resource = sqlc.arg(resource)::text
    AND o.key >= sqlc.arg(key_from)::text AND o.key < sqlc.arg(key_before)::text;

-- name: CountAsOf :one
-- What remained behind a key at a revision: current rows not newer, and keys
-- whose first later event has an image before. Plan: index scans of the key range.
SELECT (
    (SELECT count(*)
    FROM ark.objects o
    WHERE o.resource = sqlc.arg(resource)::text
        AND o.key >= sqlc.arg(key_from)::text AND o.key < sqlc.arg(key_before)::text
        AND o.rv <= sqlc.arg(as_of)::bigint)
    +
    (SELECT count(*)
    FROM (
        SELECT DISTINCT ON (e.key) e.key, e.prev_rv
        FROM ark.events e
        WHERE e.resource = sqlc.arg(resource)::text
            AND e.key >= sqlc.arg(key_from)::text AND e.key < sqlc.arg(key_before)::text
            AND e.rv > sqlc.arg(as_of)::bigint
        ORDER BY e.key, e.rv
    ) f
    WHERE f.prev_rv IS NOT NULL)
)::bigint AS n;

-- name: ClaimExpiredObjects :many
-- What storage's own ttl has to delete. Each is then deleted by compare and swap;
-- until a later time nobody else is given it.
-- Plan: index scan on expires_at, stopped by the limit; one look-up by primary key for each.
UPDATE ark.objects o
SET expires_at = sqlc.arg(again_at)::timestamptz
FROM (
    SELECT d.resource, d.key
    FROM ark.objects d
    WHERE d.expires_at <= sqlc.arg(now)::timestamptz
    ORDER BY d.expires_at
    LIMIT sqlc.arg(batch_size)::bigint
    FOR UPDATE SKIP LOCKED
) due
WHERE o.resource = due.resource AND o.key = due.key
RETURNING o.resource, o.key, o.rv;

-- name: GetObjectSizes :one
-- Average size of a stored object of a resource, over a sample from the
-- beginning of its key range. Plan: index scan on the primary key, stopped by the limit.
SELECT coalesce(trunc(avg(octet_length(s.body))), 0)::bigint AS average
FROM (
    SELECT o.body
    FROM ark.objects o
    WHERE o.resource = sqlc.arg(resource)::text
        AND o.key >= sqlc.arg(key_from)::text AND o.key < sqlc.arg(key_before)::text
    ORDER BY o.key
    LIMIT sqlc.arg(sample)::bigint
) s;

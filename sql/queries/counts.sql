-- name: AddCounts :exec
-- For parents that gained objects. Plan: upsert by primary key, one look-up for
-- each parent in the batch.
INSERT INTO ark.counts AS c (resource, parent, n)
SELECT i.resource, i.parent, i.delta
FROM ROWS FROM (
    unnest(sqlc.arg(resources)::text[]),
    unnest(sqlc.arg(parents)::text[]),
    unnest(sqlc.arg(deltas)::bigint[])
) AS i (resource, parent, delta)
ON CONFLICT (resource, parent) DO UPDATE
SET n = c.n + excluded.n;

-- name: SubtractCounts :exec
-- For parents that lost objects: an upsert would have its negative number
-- refused before it finds the row to add it to.
-- Plan: nested loop, one look-up by primary key for each parent in the batch.
UPDATE ark.counts c
SET n = c.n - i.lost
FROM ROWS FROM (
    unnest(sqlc.arg(resources)::text[]),
    unnest(sqlc.arg(parents)::text[]),
    unnest(sqlc.arg(lost)::bigint[])
) AS i (resource, parent, lost)
WHERE c.resource = i.resource AND c.parent = i.parent;

-- name: GetCount :one
-- Objects below a prefix and the revision at which that is so.
-- Plan: index scan of the parent range on the primary key.
SELECT coalesce(sum(c.n), 0)::bigint AS n, r.current::bigint AS rv
FROM ark.revision r
LEFT JOIN ark.counts c ON c.resource = sqlc.arg(resource)::text
    AND c.parent >= sqlc.arg(parent_from)::text AND c.parent < sqlc.arg(parent_before)::text
WHERE r.singleton
GROUP BY r.current;

-- name: GetCountAsOf :one
-- Objects below a prefix at a revision that few events came after: the counters of
-- now, without what was created since, and with what was deleted. The
-- concatenations keep the planner off the index by resource and key.
-- Plan: index scan of the parent range on the primary key; index scan of events on
-- the primary key from the revision on.
SELECT (
    (SELECT coalesce(sum(c.n), 0)
    FROM ark.counts c
    WHERE c.resource = sqlc.arg(resource)::text
        AND c.parent >= sqlc.arg(key_from)::text AND c.parent < sqlc.arg(key_before)::text)
    -
    (SELECT count(*) FILTER (WHERE e.prev_rv IS NULL) - count(*) FILTER (WHERE e.body IS NULL)
    FROM ark.events e
    WHERE e.rv > sqlc.arg(as_of)::bigint AND (e.resource || '') = sqlc.arg(resource)::text
        AND (e.key || '') >= sqlc.arg(key_from)::text AND (e.key || '') < sqlc.arg(key_before)::text)
)::bigint AS n;

-- name: GetLowestVersion :one
-- The lowest schema version that a binary must know. Plan: the one row, by primary key.
SELECT c.lowest_version
FROM ark.compatibility c
WHERE c.singleton;

-- name: GetSchemaVersion :one
-- The newest migration that was applied. Plan: a scan of a few rows.
SELECT coalesce(max(v.version_id), 0)::bigint AS version
FROM ark.goose_db_version v
WHERE v.is_applied;

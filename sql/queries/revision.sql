-- name: LockRevision :one
-- Takes the write lock of the whole store, in a statement of its own: what the
-- following statements read is then current. Plan: the one row, by primary key.
SELECT r.current, r.compacted, pg_current_xact_id()::text AS xid
FROM ark.revision r
WHERE r.singleton
FOR UPDATE;

-- name: BoundTransaction :exec
-- For sessions that cannot have settings of their own, behind a transaction pooler:
-- who stands still with the lock of all writes must lose it. Plan: no table.
SELECT set_config('statement_timeout', sqlc.arg(statement_ms)::text, true),
    set_config('idle_in_transaction_session_timeout', sqlc.arg(idle_ms)::text, true);

-- name: SetRevision :exec
-- The last statement of a batch. Plan: the one row, by primary key.
UPDATE ark.revision
SET current = sqlc.arg(current)::bigint
WHERE singleton;

-- name: GetRevision :one
-- What a consistent list waits for. Plan: the one row, by primary key.
SELECT r.current, r.compacted
FROM ark.revision r
WHERE r.singleton;

-- name: GetClusterUID :one
-- Plan: the one row, by primary key.
SELECT coalesce(r.cluster_uid, '')::text AS cluster_uid
FROM ark.revision r
WHERE r.singleton;

-- name: ClaimClusterUID :execrows
-- Binds the database to a cluster, once. Plan: the one row, by primary key.
UPDATE ark.revision
SET cluster_uid = sqlc.arg(cluster_uid)::text
WHERE singleton AND (cluster_uid IS NULL OR cluster_uid = sqlc.arg(cluster_uid)::text);

-- name: RaiseCompacted :execrows
-- Moves the floor up, never down. Events below it are deleted later, when no
-- read can still be on its way. Plan: the one row, by primary key.
UPDATE ark.revision
SET compacted = sqlc.arg(compacted)::bigint
WHERE singleton AND compacted < sqlc.arg(compacted)::bigint AND current >= sqlc.arg(compacted)::bigint;

-- name: GetXactStatus :one
-- Whether a transaction whose commit got no answer happened: committed, aborted,
-- in progress; empty when it is too old to tell. Plan: no table.
SELECT coalesce(pg_xact_status(sqlc.arg(xid)::text::xid8), '')::text AS status;

-- name: GetServerVersion :one
-- Major and minor as one number, 150018 for 15.18. Plan: no table.
SELECT current_setting('server_version_num')::int AS version;

-- name: TryAdvisoryLock :one
-- Takes a lock that ends with the session; false if another session of this
-- database holds it. Plan: no table.
SELECT pg_try_advisory_lock(sqlc.arg(key)::bigint)::boolean AS taken;

-- name: GetAdvisoryLockHolder :one
-- The session of this database that holds the lock, by the name that it gave
-- itself. Plan: the functions that list locks and sessions, joined by process.
SELECT coalesce(s.application_name, '')::text AS application_name
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_stat_activity s ON s.pid = l.pid
WHERE s.datname = current_database() AND l.locktype = 'advisory' AND l.granted
    AND l.classid = ((sqlc.arg(key)::bigint >> 32) & 4294967295)::oid
    AND l.objid = (sqlc.arg(key)::bigint & 4294967295)::oid
    AND l.objsubid = 1
LIMIT 1;

-- name: ListMissingGrants :many
-- What a role (empty: the one that is connected) lacks of the rights that servers and
-- workers need in the schemas, as the statements that would give them. Whoever has
-- a right by another role, as the owner or as a superuser, does not lack it. Which
-- migrations there were is for them to read; the lock of goose is none of their
-- business. Plan: the relations and functions of a few schemas, out of the catalog.
WITH who AS (
    SELECT coalesce(nullif(sqlc.arg(role)::text, ''), current_user::text)::name AS role
), spaces AS (
    SELECT n.oid, n.nspname
    FROM unnest(sqlc.arg(schemas)::text[]) AS s (name)
    JOIN pg_catalog.pg_namespace n ON n.nspname = s.name::name
), relations AS (
    SELECT c.oid, c.relname, c.relkind, n.nspname,
        (c.relkind IN ('v', 'm') OR c.relname IN ('compatibility', 'goose_db_version')) AS only_read
    FROM spaces n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    WHERE c.relname <> 'goose_lock' AND c.relkind IN ('r', 'p', 'v', 'm')
), needed AS (
    SELECT 1 AS step, format('USAGE ON SCHEMA %I', n.nspname) AS what, has_schema_privilege(w.role, n.oid, 'USAGE') AS there
    FROM spaces n, who w
    UNION ALL
    SELECT 2, format('%s ON TABLE %I.%I', CASE WHEN r.only_read THEN 'SELECT' ELSE 'SELECT, INSERT, UPDATE, DELETE' END, r.nspname, r.relname),
        has_table_privilege(w.role, r.oid, 'SELECT') AND (r.only_read OR
            has_table_privilege(w.role, r.oid, 'INSERT') AND has_table_privilege(w.role, r.oid, 'UPDATE') AND has_table_privilege(w.role, r.oid, 'DELETE'))
    FROM relations r, who w
    UNION ALL
    -- The sequence of an identity column needs no right of its own.
    SELECT 3, format('USAGE ON SEQUENCE %I.%I', n.nspname, c.relname),
        CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(w.role, c.oid, 'USAGE') END -- an error for anything else
    FROM spaces n
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
    CROSS JOIN who w
    WHERE c.relkind = 'S' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i')
    UNION ALL
    SELECT 4, format('EXECUTE ON FUNCTION %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), has_function_privilege(w.role, p.oid, 'EXECUTE')
    FROM spaces n
    JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid
    CROSS JOIN who w
)
SELECT format('GRANT %s TO %I', n.what, w.role)::text AS statement
FROM needed n, who w
WHERE NOT n.there
ORDER BY n.step, n.what;

-- name: ListDefaultGrants :many
-- The statements by which the connected role gives another one the same rights on
-- what it will make later in the schemas, as far as they are there. Plan: the
-- schemas, by name.
SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT %s TO %I', n.nspname, g.what, sqlc.arg(role)::text)::text AS statement
FROM unnest(sqlc.arg(schemas)::text[]) AS s (name)
JOIN pg_catalog.pg_namespace n ON n.nspname = s.name::name
CROSS JOIN (
    VALUES ('ark', 'SELECT, INSERT, UPDATE, DELETE ON TABLES'), ('ark', 'USAGE ON SEQUENCES'), ('ark', 'EXECUTE ON FUNCTIONS'),
        ('observe', 'SELECT ON TABLES')
) AS g (schema, what)
WHERE g.schema = s.name;

-- name: GetRole :one
-- The connected role, and whether there is another one of a name. Plan: no table, and
-- one row of the catalog by its name.
SELECT current_user::text AS current, (EXISTS (
    SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = sqlc.arg(role)::name
))::boolean AS found;

-- name: LockGrants :exec
-- One at a time may change rights: two that change those of one table fail
-- otherwise. The lock ends with the transaction. Plan: no table.
SELECT pg_advisory_xact_lock(sqlc.arg(key)::bigint);

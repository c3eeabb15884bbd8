-- Everything about the schemas ark and observe that a migration can change, a
-- line each, in a fixed order: for the comparison of two databases. Not what
-- goose keeps for itself.
WITH schemas AS (
    SELECT n.oid, n.nspname FROM pg_namespace n WHERE n.nspname IN ('ark', 'observe')
), relations AS (
    SELECT c.oid, c.relkind, c.reloptions, c.oid::regclass::text AS name
    FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
    WHERE c.relname NOT IN ('goose_lock', 'goose_lock_pkey')
), lines AS (
    SELECT 'schema ' || s.nspname || ' ' || coalesce(obj_description(s.oid, 'pg_namespace'), '') AS line
    FROM schemas s
    UNION ALL
    SELECT format('relation %s %s %s %s', r.name, r.relkind, coalesce(r.reloptions::text, ''), coalesce(obj_description(r.oid, 'pg_class'), ''))
    FROM relations r
    UNION ALL
    SELECT format('column %s.%s %s %s %s %s %s %s %s', r.name, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN 'not null' END, a.attidentity, a.attcollation::regcollation,
        pg_get_expr(d.adbin, d.adrelid), col_description(r.oid, a.attnum))
    FROM relations r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT format('constraint %s %s %s', r.name, k.conname, pg_get_constraintdef(k.oid))
    FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid
    WHERE k.contype <> 'n' -- a constraint of its own since PostgreSQL 18; said with the column
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid))
    FROM relations r JOIN pg_index i ON i.indrelid = r.oid
    UNION ALL
    SELECT format('trigger %s %s', r.name, pg_get_triggerdef(g.oid))
    FROM relations r JOIN pg_trigger g ON g.tgrelid = r.oid
    WHERE NOT g.tgisinternal
    UNION ALL
    SELECT format('view %s %s', r.name, pg_get_viewdef(r.oid))
    FROM relations r WHERE r.relkind = 'v'
    UNION ALL
    SELECT format('function %s %s', pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'))
    FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
    UNION ALL
    SELECT format('compatibility %s', c.lowest_version) FROM ark.compatibility c
    UNION ALL
    SELECT format('revision %s', r) FROM ark.revision r
)
SELECT l.line FROM lines l ORDER BY l.line COLLATE "C";

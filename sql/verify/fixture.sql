-- Enough rows for plans like those of a busy database: 20,000 objects of which a
-- tenth changed lately, 4,000 waiting queries of which 20 came back, 200 being
-- executed by 8 workers. Nothing is random, so the statistics, and with them the
-- plans, stay the same.
INSERT INTO ark.objects (resource, key, rv, body, expires_at)
SELECT CASE n % 4 WHEN 0 THEN 'agents.ark.mckinsey.com' ELSE 'queries.ark.mckinsey.com' END,
    format('team-%s/object-%s', n % 50, lpad(n::text, 6, '0')), n + 1, convert_to(repeat('x', 500), 'UTF8'),
    CASE WHEN n % 100 = 0 THEN '2025-01-01 00:00:00+00'::timestamptz + n * interval '1 second' END
FROM generate_series(1, 20000) n;

INSERT INTO ark.events (rv, resource, key, body, prev_body, prev_rv, at)
SELECT o.rv, o.resource, o.key, o.body, CASE WHEN o.rv % 2 = 0 THEN o.body END, CASE WHEN o.rv % 2 = 0 THEN o.rv - 1 END,
    '2025-01-01 00:00:00+00'::timestamptz + o.rv * interval '10 milliseconds'
FROM ark.objects o
ORDER BY o.rv;

UPDATE ark.revision SET current = 20001, compacted = 1;

INSERT INTO ark.counts (resource, parent, n)
SELECT o.resource, split_part(o.key, '/', 1) || '/', count(*) FROM ark.objects o GROUP BY 1, 2
UNION ALL
SELECT 'teams.ark.mckinsey.com', format('other-%s/', n), 1 FROM generate_series(1, 5000) n;

INSERT INTO ark.workers (id, name, concurrency, started_at, alive_until)
SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'worker-' || n, 50,
    '2025-01-01 00:00:00+00', '2025-01-01 00:01:00+00'
FROM generate_series(1, 8) n;

INSERT INTO ark.queries (key, namespace, name, uid, phase, target_type, target_name, session_id, conversation_id, created_at, completed_at, expires_at)
SELECT o.key, split_part(o.key, '/', 1), split_part(o.key, '/', 2), o.rv::text,
    CASE WHEN o.rv > 14000 THEN 'queued' ELSE 'done' END, 'agent', 'weather', '', '',
    '2025-01-01 00:00:00+00'::timestamptz + o.rv * interval '1 second',
    CASE WHEN o.rv <= 14000 THEN '2025-01-02 00:00:00+00'::timestamptz + o.rv * interval '1 second' END,
    CASE WHEN o.rv <= 14000 THEN '2025-01-03 00:00:00+00'::timestamptz + o.rv * interval '1 second' END
FROM ark.objects o
WHERE o.resource = 'queries.ark.mckinsey.com';

INSERT INTO ark.queue (key, uid, namespace, rank, tag, state, worker, attempt, enqueued_at, wait_ms, wait_until)
SELECT q.key, q.uid, q.namespace, (row_number() OVER w % 5)::smallint, row_number() OVER w,
    CASE WHEN row_number() OVER w <= 200 THEN 'leased' ELSE 'queued' END,
    CASE WHEN row_number() OVER w <= 200 THEN ('00000000-0000-0000-0000-00000000000' || (row_number() OVER w % 8 + 1))::uuid END,
    CASE WHEN row_number() OVER w <= 220 THEN 1 ELSE 0 END, q.created_at, 300000, q.created_at + interval '5 minutes'
FROM ark.queries q
WHERE q.phase = 'queued'
WINDOW w AS (ORDER BY q.key);

INSERT INTO ark.runs (uid, attempt, namespace, name, target_type, target_name, worker, worker_name, enqueued_at, started_at, ended_at, outcome)
SELECT q.uid, 1, q.namespace, q.name, q.target_type, q.target_name, '00000000-0000-0000-0000-000000000001', 'worker-1',
    q.created_at, q.created_at, q.completed_at, CASE WHEN q.completed_at IS NULL THEN 'running' ELSE 'done' END
FROM ark.queries q
WHERE q.completed_at IS NOT NULL OR EXISTS (SELECT FROM ark.queue e WHERE e.key = q.key AND e.state = 'leased');

INSERT INTO ark.turns (uid, attempt, seq, kind, name, started_at, ended_at, request, response, prompt_tokens, completion_tokens, error)
SELECT r.uid, r.attempt, s, 'model', 'default', r.started_at, r.started_at, '{}', '{}', 1, 1, ''
FROM ark.runs r, generate_series(1, 2) s;

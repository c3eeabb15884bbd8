-- Every Query that exists, with what its last run cost.
CREATE VIEW observe.queries AS
SELECT
    q.namespace,
    q.name,
    q.uid,
    q.phase,
    q.target_type,
    q.target_name,
    CASE WHEN q.session_id = '' THEN q.uid ELSE q.session_id END::text AS session,
    q.conversation_id AS conversation,
    q.created_at,
    r.started_at,
    q.completed_at,
    (r.started_at - r.enqueued_at)::interval AS waited,
    (r.ended_at - r.started_at)::interval AS ran,
    coalesce(r.attempt, 0)::integer AS attempts,
    coalesce(r.worker_name, '')::text AS worker,
    coalesce(r.reason, '')::text AS reason,
    coalesce(r.message, '')::text AS message,
    q.prompt_tokens,
    q.completion_tokens,
    q.total_tokens,
    q.cached_tokens,
    q.expires_at
FROM ark.queries q
LEFT JOIN LATERAL (
    SELECT l.attempt, l.worker_name, l.enqueued_at, l.started_at, l.ended_at, l.reason, l.message
    FROM ark.runs l
    WHERE l.uid = q.uid
    ORDER BY l.attempt DESC
    LIMIT 1
) r ON true;
COMMENT ON VIEW observe.queries IS 'Every Query that exists, with what its last run cost';
COMMENT ON COLUMN observe.queries.namespace IS 'Namespace of the Query';
COMMENT ON COLUMN observe.queries.name IS 'Name of the Query';
COMMENT ON COLUMN observe.queries.uid IS 'uid of the Query: the key of runs and turns';
COMMENT ON COLUMN observe.queries.phase IS 'queued, running, done, error, canceled ...';
COMMENT ON COLUMN observe.queries.target_type IS 'agent, team, model or tool; empty: chosen by a selector';
COMMENT ON COLUMN observe.queries.target_name IS 'Name of the target; empty: chosen by a selector';
COMMENT ON COLUMN observe.queries.session IS 'The session that the Query belongs to';
COMMENT ON COLUMN observe.queries.conversation IS 'The conversation that the Query continues; empty: none';
COMMENT ON COLUMN observe.queries.created_at IS 'When the Query was created';
COMMENT ON COLUMN observe.queries.started_at IS 'When its last run began; null: it has not begun';
COMMENT ON COLUMN observe.queries.completed_at IS 'When it was completed; null: it is not';
COMMENT ON COLUMN observe.queries.waited IS 'How long it waited in the queue before its last run';
COMMENT ON COLUMN observe.queries.ran IS 'How long its last run took';
COMMENT ON COLUMN observe.queries.attempts IS 'Number of its last run; 0: none yet';
COMMENT ON COLUMN observe.queries.worker IS 'Worker of its last run';
COMMENT ON COLUMN observe.queries.reason IS 'How its last run ended';
COMMENT ON COLUMN observe.queries.message IS 'The error of its last run; empty: none';
COMMENT ON COLUMN observe.queries.prompt_tokens IS 'Tokens sent to models';
COMMENT ON COLUMN observe.queries.completion_tokens IS 'Tokens received from models';
COMMENT ON COLUMN observe.queries.total_tokens IS 'Tokens in all';
COMMENT ON COLUMN observe.queries.cached_tokens IS 'Of the tokens sent, those that the provider had cached';
COMMENT ON COLUMN observe.queries.expires_at IS 'When the Query will be deleted; null: it is not completed';

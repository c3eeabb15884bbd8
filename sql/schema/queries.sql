-- What analysts, selectors and due dates need of a Query, filled in the
-- transaction that writes the object. Never the truth: that is ark.objects.
CREATE TABLE ark.queries (
    key               text COLLATE "C" NOT NULL,
    namespace         text NOT NULL,
    name              text NOT NULL,
    uid               text NOT NULL,
    phase             text NOT NULL,
    target_type       text NOT NULL,
    target_name       text NOT NULL,
    session_id        text NOT NULL,
    conversation_id   text NOT NULL,
    created_at        timestamptz NOT NULL,
    completed_at      timestamptz,
    expires_at        timestamptz,
    prompt_tokens     bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0,
    total_tokens      bigint NOT NULL DEFAULT 0,
    cached_tokens     bigint NOT NULL DEFAULT 0,
    CONSTRAINT queries_pkey PRIMARY KEY (key)
) WITH (fillfactor = 80);
CREATE INDEX queries_expires_at_idx ON ark.queries (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE ark.queries IS 'Columns of every Query: for views, selectors and due dates';
COMMENT ON COLUMN ark.queries.key IS 'namespace/name: the key of the Query in ark.objects';
COMMENT ON COLUMN ark.queries.namespace IS 'metadata.namespace';
COMMENT ON COLUMN ark.queries.name IS 'metadata.name';
COMMENT ON COLUMN ark.queries.uid IS 'metadata.uid';
COMMENT ON COLUMN ark.queries.phase IS 'status.phase';
COMMENT ON COLUMN ark.queries.target_type IS 'spec.target.type; empty with a selector';
COMMENT ON COLUMN ark.queries.target_name IS 'spec.target.name; empty with a selector';
COMMENT ON COLUMN ark.queries.session_id IS 'spec.sessionId; empty: the uid is the session';
COMMENT ON COLUMN ark.queries.conversation_id IS 'status.conversationId, else spec.conversationId';
COMMENT ON COLUMN ark.queries.created_at IS 'metadata.creationTimestamp';
COMMENT ON COLUMN ark.queries.completed_at IS 'When the condition Completed became True';
COMMENT ON COLUMN ark.queries.expires_at IS 'completed_at plus spec.ttl: when the Query is due to be deleted';
COMMENT ON COLUMN ark.queries.prompt_tokens IS 'status.tokenUsage.promptTokens';
COMMENT ON COLUMN ark.queries.completion_tokens IS 'status.tokenUsage.completionTokens';
COMMENT ON COLUMN ark.queries.total_tokens IS 'status.tokenUsage.totalTokens';
COMMENT ON COLUMN ark.queries.cached_tokens IS 'status.tokenUsage.cachedTokens';

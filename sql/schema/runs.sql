-- One row an attempt to execute a Query: the trail of what workers did.
CREATE TABLE ark.runs (
    uid               text NOT NULL,
    attempt           integer NOT NULL,
    namespace         text NOT NULL,
    name              text NOT NULL,
    target_type       text NOT NULL,
    target_name       text NOT NULL,
    worker            uuid NOT NULL,
    worker_name       text NOT NULL,
    enqueued_at       timestamptz NOT NULL,
    started_at        timestamptz NOT NULL,
    ended_at          timestamptz,
    outcome           text NOT NULL DEFAULT 'running',
    reason            text NOT NULL DEFAULT '',
    message           text NOT NULL DEFAULT '',
    prompt_tokens     bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0,
    CONSTRAINT runs_pkey PRIMARY KEY (uid, attempt),
    CONSTRAINT runs_outcome_check CHECK (outcome IN ('running', 'done', 'error', 'canceled', 'lost', 'released')),
    CONSTRAINT runs_ended_check CHECK ((outcome = 'running') = (ended_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX runs_started_at_idx ON ark.runs (started_at);
CREATE INDEX runs_running_idx ON ark.runs (worker) WHERE outcome = 'running';
COMMENT ON TABLE ark.runs IS 'Every attempt to execute a Query';
COMMENT ON COLUMN ark.runs.uid IS 'metadata.uid of the Query';
COMMENT ON COLUMN ark.runs.attempt IS 'Counts from 1';
COMMENT ON COLUMN ark.runs.namespace IS 'metadata.namespace of the Query';
COMMENT ON COLUMN ark.runs.name IS 'metadata.name of the Query';
COMMENT ON COLUMN ark.runs.target_type IS 'What was asked: agent, team, model or tool';
COMMENT ON COLUMN ark.runs.target_name IS 'Name of what was asked';
COMMENT ON COLUMN ark.runs.worker IS 'The worker that made the attempt';
COMMENT ON COLUMN ark.runs.worker_name IS 'Its name: it outlives the row in ark.workers';
COMMENT ON COLUMN ark.runs.enqueued_at IS 'When the Query was put in the queue';
COMMENT ON COLUMN ark.runs.started_at IS 'When the attempt began';
COMMENT ON COLUMN ark.runs.ended_at IS 'When the attempt ended; null while it runs';
COMMENT ON COLUMN ark.runs.outcome IS 'running; done, error or canceled as in status.phase; lost: its worker died; released: its worker stopped and gave it back';
COMMENT ON COLUMN ark.runs.reason IS 'Reason of the condition Completed';
COMMENT ON COLUMN ark.runs.message IS 'The error, if there was one';
COMMENT ON COLUMN ark.runs.prompt_tokens IS 'Tokens sent';
COMMENT ON COLUMN ark.runs.completion_tokens IS 'Tokens received';

-- One row a model turn or tool call of a run: what a timeline shows.
CREATE TABLE ark.turns (
    uid               text NOT NULL,
    attempt           integer NOT NULL,
    seq               integer NOT NULL,
    kind              text NOT NULL,
    name              text NOT NULL,
    started_at        timestamptz NOT NULL,
    ended_at          timestamptz NOT NULL,
    request           jsonb NOT NULL,
    response          jsonb NOT NULL,
    prompt_tokens     bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    error             text NOT NULL,
    CONSTRAINT turns_pkey PRIMARY KEY (uid, attempt, seq),
    CONSTRAINT turns_run_fkey FOREIGN KEY (uid, attempt) REFERENCES ark.runs (uid, attempt) ON DELETE CASCADE,
    CONSTRAINT turns_kind_check CHECK (kind IN ('model', 'tool'))
);
COMMENT ON TABLE ark.turns IS 'Every model turn and tool call of every run';
COMMENT ON COLUMN ark.turns.uid IS 'metadata.uid of the Query';
COMMENT ON COLUMN ark.turns.attempt IS 'The run it belongs to';
COMMENT ON COLUMN ark.turns.seq IS 'Order within the run, from 1';
COMMENT ON COLUMN ark.turns.kind IS 'model or tool';
COMMENT ON COLUMN ark.turns.name IS 'Name of the Model or the Tool';
COMMENT ON COLUMN ark.turns.started_at IS 'When the call began';
COMMENT ON COLUMN ark.turns.ended_at IS 'When the call ended';
COMMENT ON COLUMN ark.turns.request IS 'What was sent, as JSON';
COMMENT ON COLUMN ark.turns.response IS 'What came back, as JSON';
COMMENT ON COLUMN ark.turns.prompt_tokens IS 'Tokens sent; 0 for tools';
COMMENT ON COLUMN ark.turns.completion_tokens IS 'Tokens received; 0 for tools';
COMMENT ON COLUMN ark.turns.error IS 'The error of the call; empty: none';

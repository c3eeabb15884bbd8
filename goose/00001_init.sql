-- Made by `make generate` from sql/schema and sql/views: change those.

-- +goose Up
-- The schema that holds all of Ark's tables. Nothing outside of it, and of the
-- analysts' views in schema observe, is ever written.
-- +goose StatementBegin
DO $$
BEGIN
    IF to_regnamespace('ark') IS NULL THEN
        CREATE SCHEMA ark;
    END IF;
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = 'ark'), 'USAGE') THEN
        COMMENT ON SCHEMA ark IS 'Ark: Kubernetes objects, their events, and the queue of queries';
    END IF;
END
$$;
-- +goose StatementEnd

-- What a binary must know to work with this schema: one row, raised only by a
-- migration that older binaries cannot live with (expand, then contract).
CREATE TABLE ark.compatibility (
    singleton      boolean NOT NULL DEFAULT true,
    lowest_version bigint  NOT NULL,
    CONSTRAINT compatibility_pkey PRIMARY KEY (singleton),
    CONSTRAINT compatibility_singleton_check CHECK (singleton),
    CONSTRAINT compatibility_lowest_version_check CHECK (lowest_version >= 1)
);
COMMENT ON TABLE ark.compatibility IS 'The lowest schema version that a binary must know to use this database';
COMMENT ON COLUMN ark.compatibility.singleton IS 'Always true: the table has one row';
COMMENT ON COLUMN ark.compatibility.lowest_version IS 'A binary whose newest migration is below this number refuses to start';

INSERT INTO ark.compatibility (lowest_version) VALUES (1);

-- Exact numbers of objects, kept by each batch of writes, so that a list knows
-- what remains and statistics cost nothing.
CREATE TABLE ark.counts (
    resource text COLLATE "C" NOT NULL,
    parent   text COLLATE "C" NOT NULL,
    n        bigint NOT NULL,
    CONSTRAINT counts_pkey PRIMARY KEY (resource, parent),
    CONSTRAINT counts_n_check CHECK (n >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE ark.counts IS 'Number of objects for each resource and parent';
COMMENT ON COLUMN ark.counts.resource IS 'Resource and group of the objects';
COMMENT ON COLUMN ark.counts.parent IS 'The key up to and with its last slash: the namespace; empty where there is none';
COMMENT ON COLUMN ark.counts.n IS 'Number of objects in ark.objects';

-- One row a change, written in the transaction of the change, with the image
-- before and after. The state at revision N is what is current and not newer
-- than N, plus, for each key changed since, the image before its first change.
CREATE TABLE ark.events (
    rv        bigint NOT NULL,
    resource  text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    body      bytea,
    prev_body bytea,
    prev_rv   bigint,
    at        timestamptz NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (rv),
    CONSTRAINT events_prev_check CHECK ((prev_body IS NULL) = (prev_rv IS NULL)),
    CONSTRAINT events_image_check CHECK (body IS NOT NULL OR prev_body IS NOT NULL)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX events_resource_key_idx ON ark.events (resource, key, rv);
COMMENT ON TABLE ark.events IS 'The changes of objects within the retention window, in commit order';
COMMENT ON COLUMN ark.events.rv IS 'The revision of the change';
COMMENT ON COLUMN ark.events.resource IS 'Resource and group of the object';
COMMENT ON COLUMN ark.events.key IS 'Key of the object';
COMMENT ON COLUMN ark.events.body IS 'The image after the change; null: the object was deleted';
COMMENT ON COLUMN ark.events.prev_body IS 'The image before the change; null: the object was created';
COMMENT ON COLUMN ark.events.prev_rv IS 'The revision of the image before; null: the object was created';
COMMENT ON COLUMN ark.events.at IS 'When the change was written, by the clock of the writing process';

-- A hint without payload, at most once a statement; the table is the truth.
-- Statement triggers fire for no rows too, hence the look at the transition table.
-- +goose StatementBegin
CREATE FUNCTION ark.notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM pg_notify(TG_TABLE_SCHEMA || '_events', '');
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION ark.notify_events() IS 'Tells listeners on <schema>_events that there are new events';

CREATE TRIGGER events_notify AFTER INSERT ON ark.events
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ark.notify_events();

-- The current state of every Kubernetes object. The body is bytes in, the same
-- bytes out: an encrypting transformer may put anything there.
CREATE TABLE ark.objects (
    resource   text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    rv         bigint NOT NULL,
    body       bytea  NOT NULL,
    expires_at timestamptz,
    CONSTRAINT objects_pkey PRIMARY KEY (resource, key),
    CONSTRAINT objects_rv_check CHECK (rv > 1)
);
CREATE INDEX objects_expires_at_idx ON ark.objects (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE ark.objects IS 'The current state of every Kubernetes object';
COMMENT ON COLUMN ark.objects.resource IS 'Resource and group, as in queries.ark.mckinsey.com';
COMMENT ON COLUMN ark.objects.key IS 'namespace/name, or name where the resource has no namespaces; ordered bytewise';
COMMENT ON COLUMN ark.objects.rv IS 'metadata.resourceVersion: the revision of the last write';
COMMENT ON COLUMN ark.objects.body IS 'The encoded object as the storage codec and transformer gave it';
COMMENT ON COLUMN ark.objects.expires_at IS 'When storage deletes the object by itself (the ttl of storage, not spec.ttl of a Query); null: never';

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

-- The queue of queries that are not finished. A row lives from the creation of
-- its Query to its final status, in the same transactions. Finished work is in
-- runs and turns, so that the hot table stays narrow and small.
CREATE TABLE ark.queue (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    key         text COLLATE "C" NOT NULL,
    uid         text NOT NULL,
    namespace   text NOT NULL,
    rank        smallint NOT NULL,
    tag         bigint NOT NULL,
    state       text NOT NULL DEFAULT 'queued',
    cancel      boolean NOT NULL DEFAULT false,
    attempt     integer NOT NULL DEFAULT 0,
    worker      uuid,
    enqueued_at timestamptz NOT NULL,
    wait_ms     bigint NOT NULL,
    wait_until  timestamptz NOT NULL,
    CONSTRAINT queue_pkey PRIMARY KEY (id),
    CONSTRAINT queue_key_key UNIQUE (key),
    CONSTRAINT queue_state_check CHECK (state IN ('queued', 'leased')),
    CONSTRAINT queue_lease_check CHECK ((state = 'leased') = (worker IS NOT NULL)),
    CONSTRAINT queue_rank_check CHECK (rank BETWEEN -10 AND 10),
    CONSTRAINT queue_attempt_check CHECK (attempt >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_order_idx ON ark.queue (rank, tag, id) WHERE state = 'queued';
CREATE INDEX queue_namespace_idx ON ark.queue (namespace, rank, tag) WHERE state = 'queued';
CREATE INDEX queue_wait_until_idx ON ark.queue (wait_until) WHERE state = 'queued';
CREATE INDEX queue_served_idx ON ark.queue (rank, tag) WHERE state = 'leased';
CREATE INDEX queue_returned_idx ON ark.queue (key) WHERE state = 'queued' AND attempt > 0;
CREATE INDEX queue_worker_idx ON ark.queue (worker) WHERE state = 'leased';
COMMENT ON TABLE ark.queue IS 'Queries that wait for a worker or are being executed by one';
COMMENT ON COLUMN ark.queue.id IS 'Grows with each entry: age, the last word in the order';
COMMENT ON COLUMN ark.queue.key IS 'namespace/name: the key of the Query in ark.objects';
COMMENT ON COLUMN ark.queue.uid IS 'metadata.uid of the Query';
COMMENT ON COLUMN ark.queue.namespace IS 'metadata.namespace of the Query';
COMMENT ON COLUMN ark.queue.rank IS 'Minus the priority (annotation ark.mckinsey.com/priority): lower goes first';
COMMENT ON COLUMN ark.queue.tag IS 'Start tag of start-time fair queuing between namespaces, within a rank: lower goes first';
COMMENT ON COLUMN ark.queue.state IS 'queued: waits for a worker; leased: a worker executes it';
COMMENT ON COLUMN ark.queue.cancel IS 'spec.cancel was set: the execution is to be cut off';
COMMENT ON COLUMN ark.queue.attempt IS 'How often it was leased; with worker, the fence of every write of its worker';
COMMENT ON COLUMN ark.queue.worker IS 'The worker that holds it; its lease lasts while ark.workers says that the worker is alive';
COMMENT ON COLUMN ark.queue.enqueued_at IS 'When it was put in the queue';
COMMENT ON COLUMN ark.queue.wait_ms IS 'spec.timeout in milliseconds: the longest wait for a worker';
COMMENT ON COLUMN ark.queue.wait_until IS 'Until when it may wait; in the past once it is cancelled: its end is due at once';

-- Wakes idle workers: a hint without payload, at most once a statement.
-- +goose StatementBegin
CREATE FUNCTION ark.notify_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added) THEN
        PERFORM pg_notify(TG_TABLE_SCHEMA || '_queue', '');
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION ark.notify_queue() IS 'Tells listeners on <schema>_queue that there is work';

CREATE TRIGGER queue_notify AFTER INSERT ON ark.queue
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ark.notify_queue();

-- The clock. Every batch of writes locks this row first, so revisions are
-- assigned in commit order: who has seen N has seen everything up to N.
CREATE TABLE ark.revision (
    singleton   boolean NOT NULL DEFAULT true,
    current     bigint  NOT NULL DEFAULT 1,
    compacted   bigint  NOT NULL DEFAULT 0,
    cluster_uid text,
    CONSTRAINT revision_pkey PRIMARY KEY (singleton),
    CONSTRAINT revision_singleton_check CHECK (singleton),
    CONSTRAINT revision_current_check CHECK (current >= 1),
    CONSTRAINT revision_compacted_check CHECK (compacted >= 0 AND compacted <= current)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE ark.revision IS 'One row: the newest revision and the compaction floor';
COMMENT ON COLUMN ark.revision.singleton IS 'Always true: the table has one row';
COMMENT ON COLUMN ark.revision.current IS 'The newest revision that any object or event has; starts at 1, the first event has 2';
COMMENT ON COLUMN ark.revision.compacted IS 'States older than this revision can no longer be read';
COMMENT ON COLUMN ark.revision.cluster_uid IS 'uid of the kube-system namespace of the cluster that owns this database; null until a server claims it';

INSERT INTO ark.revision DEFAULT VALUES;

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

-- One row a worker process. All leases of a worker live as long as this row
-- says: a heartbeat is one small update, however many queries are running.
CREATE TABLE ark.workers (
    id          uuid NOT NULL,
    name        text NOT NULL,
    concurrency integer NOT NULL,
    started_at  timestamptz NOT NULL,
    alive_until timestamptz NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id),
    CONSTRAINT workers_concurrency_check CHECK (concurrency > 0)
) WITH (fillfactor = 30);
COMMENT ON TABLE ark.workers IS 'The worker processes and until when their leases are valid';
COMMENT ON COLUMN ark.workers.id IS 'Made anew at each start of a worker';
COMMENT ON COLUMN ark.workers.name IS 'Host (or pod) and process id';
COMMENT ON COLUMN ark.workers.concurrency IS 'How many queries the worker runs at once at most';
COMMENT ON COLUMN ark.workers.started_at IS 'When the worker started';
COMMENT ON COLUMN ark.workers.alive_until IS 'When the leases of this worker expire, unless a heartbeat comes before';

-- The schema of the analysts' views: stable names, every column commented.
-- +goose StatementBegin
DO $$
BEGIN
    IF to_regnamespace('observe') IS NULL THEN
        CREATE SCHEMA observe;
    END IF;
    IF pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = 'observe'), 'USAGE') THEN
        COMMENT ON SCHEMA observe IS 'Views for analysts: what agents were asked, and what became of it';
    END IF;
END
$$;
-- +goose StatementEnd

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

-- What waits and what runs, in the order in which it is taken.
CREATE VIEW observe.queue AS
SELECT
    row_number() OVER (PARTITION BY q.state ORDER BY q.rank, q.tag, q.id)::bigint AS position,
    q.namespace,
    split_part(q.key, '/', 2)::text AS name,
    q.uid,
    q.state,
    (-q.rank)::integer AS priority,
    q.attempt,
    q.cancel,
    q.enqueued_at,
    q.wait_until,
    coalesce(w.name, '')::text AS worker,
    w.alive_until AS lease_until
FROM ark.queue q
LEFT JOIN ark.workers w ON w.id = q.worker;
COMMENT ON VIEW observe.queue IS 'Queries that wait for a worker or are being executed';
COMMENT ON COLUMN observe.queue.position IS 'Place in the order, counted for each state; 1 is next';
COMMENT ON COLUMN observe.queue.namespace IS 'Namespace of the Query';
COMMENT ON COLUMN observe.queue.name IS 'Name of the Query';
COMMENT ON COLUMN observe.queue.uid IS 'uid of the Query';
COMMENT ON COLUMN observe.queue.state IS 'queued or leased';
COMMENT ON COLUMN observe.queue.priority IS 'Annotation ark.mckinsey.com/priority: higher goes first';
COMMENT ON COLUMN observe.queue.attempt IS 'How often a worker took it up';
COMMENT ON COLUMN observe.queue.cancel IS 'It is to be cut off';
COMMENT ON COLUMN observe.queue.enqueued_at IS 'When it was put in the queue';
COMMENT ON COLUMN observe.queue.wait_until IS 'Until when it may wait for a worker';
COMMENT ON COLUMN observe.queue.worker IS 'The worker that executes it; empty: none';
COMMENT ON COLUMN observe.queue.lease_until IS 'Until when that worker holds it, unless it extends the lease';

-- +goose Down
DROP VIEW observe.queue;
DROP VIEW observe.queries;
DROP TABLE ark.workers;
DROP TABLE ark.turns;
DROP TABLE ark.runs;
DROP TABLE ark.revision;
DROP TABLE ark.queue;
DROP FUNCTION ark.notify_queue();
DROP TABLE ark.queries;
DROP TABLE ark.objects;
DROP TABLE ark.events;
DROP FUNCTION ark.notify_events();
DROP TABLE ark.counts;
DROP TABLE ark.compatibility;

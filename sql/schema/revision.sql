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

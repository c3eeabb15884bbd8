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

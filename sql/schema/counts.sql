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

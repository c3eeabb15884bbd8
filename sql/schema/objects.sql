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

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
CREATE FUNCTION ark.notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM pg_notify(TG_TABLE_SCHEMA || '_events', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION ark.notify_events() IS 'Tells listeners on <schema>_events that there are new events';

CREATE TRIGGER events_notify AFTER INSERT ON ark.events
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION ark.notify_events();

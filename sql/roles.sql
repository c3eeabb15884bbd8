-- Roles with the least rights, for a DBA who does not let Ark make its own database:
-- ark_owner migrates and owns everything, ark is what servers and workers work as,
-- ark_reader reads the analysts' views. None has a password yet.
--
-- Run it in Ark's database, as a superuser, or as the owner of the database if that
-- one has CREATEROLE: psql -d ark -f roles.sql. It may be run again.
BEGIN;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ark_owner', 'ark', 'ark_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
    END LOOP;
    -- Who is no superuser makes things for another role only as a member of it.
    IF NOT pg_has_role('ark_owner', 'USAGE') THEN
        EXECUTE format('GRANT ark_owner TO %I', current_user);
    END IF;
END
$$;

CREATE SCHEMA IF NOT EXISTS ark AUTHORIZATION ark_owner;
CREATE SCHEMA IF NOT EXISTS observe AUTHORIZATION ark_owner;

-- The rights on the tables come with the migrations: ark goose up --grant-to=ark. They
-- leave out what only migrations write.
GRANT USAGE ON SCHEMA ark, observe TO ark;

GRANT USAGE ON SCHEMA observe TO ark_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA observe TO ark_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE ark_owner IN SCHEMA observe GRANT SELECT ON TABLES TO ark_reader;
ALTER ROLE ark_reader SET default_transaction_read_only = on;
ALTER ROLE ark_reader SET statement_timeout = '1min';

COMMIT;

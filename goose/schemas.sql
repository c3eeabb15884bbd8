-- What must be there before the first migration: its version table stands in
-- schema ark. A role that may not create schemas can be given them instead.
DO $$
BEGIN
    IF to_regnamespace('ark') IS NULL THEN
        CREATE SCHEMA ark;
    END IF;
    IF to_regnamespace('observe') IS NULL THEN
        CREATE SCHEMA observe;
    END IF;
END
$$;

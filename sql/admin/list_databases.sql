-- Names of the databases that begin with a prefix.
SELECT d.datname::text FROM pg_database d WHERE starts_with(d.datname, $1::text) ORDER BY d.datname;

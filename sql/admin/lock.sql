-- One session at a time may hold the lock of a name; it ends with the session.
SELECT pg_advisory_lock(hashtextextended($1::text, 0));

-- The plan of a prepared statement, without numbers that change.
EXPLAIN (COSTS OFF) EXECUTE {statement};

-- Plans are those for any parameters, and for tables too large to be read whole.
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET max_parallel_workers_per_gather = 0;
SET jit = off;

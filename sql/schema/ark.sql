-- The schema that holds all of Ark's tables. Nothing outside of it, and of the
-- analysts' views in schema observe, is ever written.
CREATE SCHEMA ark;
COMMENT ON SCHEMA ark IS 'Ark: Kubernetes objects, their events, and the queue of queries';

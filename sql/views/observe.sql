-- The schema of the analysts' views: stable names, every column commented.
CREATE SCHEMA observe;
COMMENT ON SCHEMA observe IS 'Views for analysts: what agents were asked, and what became of it';

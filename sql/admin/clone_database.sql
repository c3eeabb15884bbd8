-- A copy of a template. Copying files is faster than replaying them through the
-- write-ahead log, which is what the server does otherwise.
CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY;

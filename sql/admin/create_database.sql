-- A database of its own, in the locale of the server.
CREATE DATABASE {name};

-- Statistics from all rows of the fixture. It cannot run in a transaction.
VACUUM (ANALYZE);

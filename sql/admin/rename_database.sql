-- A template gets its name when it is complete: whoever finds the name may use it.
ALTER DATABASE {template} RENAME TO {name};

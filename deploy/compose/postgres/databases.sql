-- Read once, when the volume is empty. Temporal's own databases are made by temporal/schema.sh.
CREATE DATABASE registry;
CREATE DATABASE retrieval;

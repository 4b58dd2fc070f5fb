-- Read once, when the volume is empty. Temporal's own databases are made by temporal/schema.sh.
CREATE DATABASE registry TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE retrieval TEMPLATE template0 ENCODING 'UTF8';

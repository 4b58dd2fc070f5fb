#!/bin/sh
# Makes Temporal's databases where they are missing, and brings their schemas to the version of these tools.
set -eu

prepare() {
    database=$1
    schema=$2
    temporal-sql-tool --database "$database" create-database
    # The table of versions tells whether a schema was ever set up; a second time would fail.
    SQL_DATABASE=$database temporal-sql-tool setup-schema -v 0.0 || echo "the schema of $database is there"
    SQL_DATABASE=$database temporal-sql-tool update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
}

prepare temporal temporal
prepare temporal_visibility visibility

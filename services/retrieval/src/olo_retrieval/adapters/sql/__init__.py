"""The document store: SQLite or Postgres."""

"""Vector stores: Qdrant in memory or on a server, its engine in this process, SQLite."""

"""How a document becomes searchable: intake, indexing, upkeep."""

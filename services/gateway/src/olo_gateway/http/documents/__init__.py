"""Collections, documents, searches and transfers in our own words."""

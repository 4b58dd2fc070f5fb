"""Alembic migrations of the catalogue, applied at each start."""

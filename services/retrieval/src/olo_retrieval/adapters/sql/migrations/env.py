"""Alembic's entry: runs the revisions on the connection that it was given."""

from __future__ import annotations

from alembic import context

from olo_retrieval.adapters.sql.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()

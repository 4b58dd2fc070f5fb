"""The document store: its database, and where its migrations are."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from olo_common.sql import Database, open_database


def document_store(url: str) -> AbstractAsyncContextManager[Database]:
    """The document store, closed afterwards. A file is made and migrated at once; a server may come later.

    Raises:
        StartupError: The URL is wrong, or the file cannot be written.
    """
    return open_database(
        url,
        name="the document store",
        variable="OLO_RETRIEVAL_DATABASE_URL",
        migrations="olo_retrieval:adapters/sql/migrations",
    )

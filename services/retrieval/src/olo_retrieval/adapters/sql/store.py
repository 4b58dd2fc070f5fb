"""The document store: its database, and where its migrations are."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from olo_common.sql import Database, open_database


def document_store(url: str, *, must_answer: bool = False) -> AbstractAsyncContextManager[Database]:
    """The document store, closed afterwards. A file is made and migrated at once; a server may come later.

    Args:
        url: Where it is.
        must_answer: Whether a server, too, has to be there now, and is migrated.

    Raises:
        StartupError: The URL is wrong, or what has to be there now cannot be used.
    """
    return open_database(
        url,
        name="the document store",
        variable="OLO_RETRIEVAL_DATABASE_URL",
        migrations="olo_retrieval:adapters/sql/migrations",
        table="collections",
        must_answer=must_answer,
    )

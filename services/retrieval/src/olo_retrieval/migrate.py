"""`python -m olo_retrieval.migrate`: brings the document store's tables to this release, and ends."""

from __future__ import annotations

from olo_common.sql_migrate import migrate
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.settings import RetrievalSettings


def main() -> None:
    """The console script."""
    migrate(
        "olo-retrieval", RetrievalSettings, lambda settings: document_store(settings.database_url, must_answer=True)
    )


if __name__ == "__main__":
    main()

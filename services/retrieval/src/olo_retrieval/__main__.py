"""`python -m olo_retrieval`."""

from __future__ import annotations

from olo_common.uncollected import uncollected

with uncollected():
    from olo_common.lifecycle import run_service
    from olo_retrieval.app import running
    from olo_retrieval.settings import RetrievalSettings


def main() -> None:
    """Serves until it is told to stop."""
    run_service("retrieval", RetrievalSettings, running)


if __name__ == "__main__":
    main()

"""`python -m olo_embed_worker` and the console script `olo-embed-worker`."""

from __future__ import annotations

from olo_common.uncollected import uncollected

with uncollected():
    from olo_common.lifecycle import run_service
    from olo_embed_worker.app import running
    from olo_embed_worker.settings import EmbedWorkerSettings


def main() -> None:
    """Runs the service until it is told to stop."""
    run_service("embed-worker", EmbedWorkerSettings, running)


if __name__ == "__main__":
    main()

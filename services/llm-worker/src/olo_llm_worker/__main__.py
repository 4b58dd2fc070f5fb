"""`python -m olo_llm_worker`: serves a model directory until told to stop."""

from __future__ import annotations

from olo_common.uncollected import uncollected

with uncollected():
    from olo_common.lifecycle import run_service
    from olo_llm_worker.app import running
    from olo_llm_worker.settings import LlmWorkerSettings


def main() -> None:
    """Runs the service; `--help` lists its variables."""
    run_service("llm-worker", LlmWorkerSettings, running)


if __name__ == "__main__":
    main()

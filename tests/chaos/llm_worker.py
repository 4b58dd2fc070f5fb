"""The real llm-worker around the slow engine: `python -m tests.chaos.llm_worker`, with variables CHAOS_*."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.chaos.engine import PROCESSES, SlowEngine

from olo_common.lifecycle import run_service
from olo_llm_worker import app
from olo_llm_worker.settings import LlmWorkerSettings


async def load(_: LlmWorkerSettings) -> SlowEngine:
    """A process name of its own for each life; the lowest bit is that of the model."""
    process = random.SystemRandom().randrange(PROCESSES // 2) * 2 + int(os.environ["CHAOS_MODEL"])
    return SlowEngine(process, float(os.environ["CHAOS_TOKENS_PER_SECOND"]), Path(os.environ["CHAOS_JOURNAL"]))


def main() -> None:
    app._load = load
    run_service("llm-worker", LlmWorkerSettings, app.running)


if __name__ == "__main__":
    main()

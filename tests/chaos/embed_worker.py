"""The real embed-worker around an engine without a model: `python -m tests.chaos.embed_worker`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from olo_common.lifecycle import Lifetime, run_service
from olo_embed_worker.adapters.fake_engine import FakeEngine
from olo_embed_worker.app import serving
from olo_embed_worker.settings import EmbedWorkerSettings


@asynccontextmanager
async def running(settings: EmbedWorkerSettings, lifetime: Lifetime) -> AsyncIterator[str]:
    async with serving(settings, FakeEngine(), lifetime) as address:
        yield address


if __name__ == "__main__":
    run_service("embed-worker", EmbedWorkerSettings, running)

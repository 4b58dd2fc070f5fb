"""What a service loads to start: what it may never need would be paid for at every start, and kept in memory."""

from __future__ import annotations

import asyncio
import sys

import pytest

SPARED = {
    "gateway": ("aiohttp", "cryptography", "boto3", "opentelemetry.exporter.otlp"),
    "registry": ("aiohttp", "cryptography", "alembic", "asyncpg"),
    "router": ("aiohttp", "cryptography", "numpy"),
    "llm_worker": ("aiohttp", "cryptography", "ctranslate2", "httpx2", "transformers"),
    "embed_worker": ("aiohttp", "cryptography", "onnxruntime", "fastembed"),
}
"""By service: for other settings, for what is done once, or for another process."""


@pytest.mark.parametrize("service", SPARED)
async def test_a_service_does_not_load_what_it_may_never_need(service: str) -> None:
    code = f"import sys, olo_{service}.app; print(*sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()

    assert child.returncode == 0
    assert not set(SPARED[service]) & set(said.decode().split())

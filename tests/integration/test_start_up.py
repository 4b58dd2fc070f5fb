"""What a service loads to start: what it may never need would be paid for at every start, and kept in memory."""

from __future__ import annotations

import asyncio
import sys

import pytest

SPARED = {
    "olo_gateway.app": (
        "aiohttp",
        "cryptography",
        "rich",
        "boto3",
        "opentelemetry.exporter.otlp",
        "jsonschema",
        "yaml",
    ),
    "olo_registry.app": ("aiohttp", "cryptography", "rich", "alembic", "asyncpg"),
    "olo_router.app": ("aiohttp", "cryptography", "rich", "numpy"),
    "olo_retrieval.app": ("aiohttp", "cryptography", "rich", "alembic", "qdrant_client", "qdrant_edge"),
    "olo_retrieval.adapters.vectors.qdrant": ("fastembed", "onnxruntime", "huggingface_hub"),
    "olo_llm_worker.app": ("aiohttp", "cryptography", "rich", "ctranslate2", "httpx2", "transformers"),
    "olo_embed_worker.app": ("aiohttp", "cryptography", "rich", "onnxruntime", "fastembed"),
}
"""By module, of a service or of what one may use: for other settings, for what is done once, or for another process."""


@pytest.mark.parametrize("module", SPARED)
async def test_a_service_does_not_load_what_it_may_never_need(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()

    assert child.returncode == 0
    assert not set(SPARED[module]) & set(said.decode().split())

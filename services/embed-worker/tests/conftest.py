"""The real model, built once for a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from olo_embed_worker.adapters.fastembed_engine import FastembedEngine
from olo_embed_worker.minilm import build


@pytest.fixture(scope="session")
def minilm_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "minilm"
    assert build(directory)
    return directory


@pytest.fixture(scope="session")
def minilm(minilm_directory: Path) -> FastembedEngine:
    return FastembedEngine(str(minilm_directory), int8=False, sparse="bm25", reranker="", threads=1, cache_dir="")

"""Serves one embedding model, and sparse vectors and reranking beside it, over gRPC and as a Temporal worker.

The model is a directory with `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json` in the layout of
sentence-transformers, or the name of a model that fastembed can fetch from its hub.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from olo_common.settings import Port, Seconds, settings_config
from olo_worker.settings import WorkerSettings

MAX_TEXTS = 256
"""Texts of one request."""


class EmbedWorkerSettings(WorkerSettings):
    """Settings of an embed-worker."""

    model_config = settings_config("OLO_EMBED_WORKER_")

    port: Port = 50056
    """The gRPC port; 0 takes a free one."""
    model: str
    """The model directory, or the name of a model that fastembed fetches; without either the service does not start."""
    sparse: bool = True
    """Whether to compute BM25 vectors; off: EmbedSparse is refused, and a second of start is saved."""
    reranker: str = ""
    """Directory or fastembed name of a cross-encoder; empty: Rerank is refused."""
    cache_dir: str = ""
    """Where fetched models are kept; empty: fastembed's own place, which a restart of the machine may empty."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads of one computation; 0 takes all cores. More instances than cores divided by this slow each other down."""
    max_batch: Annotated[int, Field(ge=1, le=MAX_TEXTS)] = 64
    """Texts of one batch; larger batches serve more callers a second and make each wait longer."""
    max_queue: Annotated[int, Field(ge=MAX_TEXTS)] = 2048
    """Texts that may wait; beyond it requests are refused with RESOURCE_EXHAUSTED and a time to retry."""
    batch_window_seconds: Seconds = 0.003
    """How long a lone text waits for company; it is added to the latency of an idle worker."""

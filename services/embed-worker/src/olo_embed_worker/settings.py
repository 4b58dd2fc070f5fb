"""Serves one embedding model, and sparse vectors and reranking beside it, over gRPC and as a Temporal worker.

The model is a directory with `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json` in the layout of
sentence-transformers, or the name of a model that fastembed can fetch from its hub.
"""

from __future__ import annotations

from typing import Annotated, Literal

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
    quantization: Literal["float32", "int8"] = "float32"
    """int8: the dense model computes in bytes, on a CPU; about twice as fast, with vectors some tenths of a percent off
    (cosine). All instances that write to or search in one index should have the same. The variant is made at the first
    start and kept beside the model."""
    sparse: str = "bm25"
    """`bm25` (English, nothing fetched), or the directory or fastembed name of a SPLADE model; empty: EmbedSparse is
    refused, and a second of start is saved. The vector store must know which: BM25 needs the modifier IDF."""
    reranker: str = ""
    """Directory or fastembed name of a cross-encoder; empty: Rerank is refused."""
    cache_dir: str = ""
    """Where fetched models are kept; empty: fastembed's own place, which a restart of the machine may empty."""
    threads: Annotated[int, Field(ge=0, le=256)] = 1
    """Threads of one computation; 0 takes all cores. More make a lone text faster and all of them together slower."""
    replicas: Annotated[int, Field(ge=0, le=256)] = 0
    """Batches computed at once, on one copy of the weights; 0: as many as fill the cores, 1 on a GPU. Others on this
    machine that compute need some of the cores."""
    max_batch: Annotated[int, Field(ge=1, le=MAX_TEXTS)] = 64
    """Texts of one batch; larger batches serve more callers a second and make each wait longer."""
    max_batch_tokens: Annotated[int, Field(ge=1, le=1_048_576)] = 512
    """Tokens of one batch, unless its only text has more. A query waits for a batch that runs; on a CPU more tokens
    than this gain some percent of throughput, a GPU wants many times as many."""
    max_queue: Annotated[int, Field(ge=MAX_TEXTS)] = 2048
    """Texts that may wait; beyond it requests are refused with RESOURCE_EXHAUSTED and a time to retry."""
    batch_window_seconds: Seconds = 0.003
    """How long a lone text waits for company; it is added to the latency of an idle worker."""

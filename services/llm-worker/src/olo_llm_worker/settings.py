"""Serves one text model out of a model directory, over gRPC and as Temporal activities on the queue `llm.<model id>`.

Make a model directory with `python -m olo_llm_worker.model_directory --help`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from olo_common.settings import Port, settings_config
from olo_worker.settings import WorkerSettings


class LlmWorkerSettings(WorkerSettings):
    """What the llm-worker can be told."""

    model_config = settings_config("OLO_LLM_WORKER_")

    port: Port = 50055
    """The gRPC port; 0 takes a free one."""
    model_directory: Path
    """The model directory to serve; it is verified against its manifest, and a damaged one stops the start."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where the model runs; `auto` takes a GPU where there is one. Also says the hardware type that is announced."""
    compute_type: str = "default"
    """Number format of the computation, such as int8 or float32; `default` is the nearest to the stored weights."""
    replicas: Annotated[int, Field(ge=0, le=1024)] = 0
    """Generations that the engine computes at the same time, on shared weights; 0: as many as max_concurrency. With
    fewer, admitted requests take turns."""
    intra_threads: Annotated[int, Field(ge=0, le=1024)] = 1
    """CPU threads of one generation; 0 lets the engine choose. Times replicas it should not pass the cores."""
    max_queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Requests that may wait for a slot; the next one is refused with RESOURCE_EXHAUSTED and a delay to retry after."""
    max_tokens_default: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Longest answer, in tokens, where neither the request nor the model directory says one."""

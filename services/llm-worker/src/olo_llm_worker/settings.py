"""Serves one text model over gRPC and as Temporal activities on the queue `llm.<model id>`.

Out of a model directory (make one with `olo models convert`), or from another server that holds the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from olo_common.settings import Port, settings_config
from olo_llm_worker.upstream.settings import UpstreamSettings
from olo_worker.settings import WorkerSettings


class LlmWorkerSettings(WorkerSettings):
    """What the llm-worker can be told."""

    model_config = settings_config("OLO_LLM_WORKER_")

    port: Port = 50055
    """The gRPC port; 0 takes a free one."""
    engine: Literal["ctranslate2", "openai", "anthropic"] = "ctranslate2"
    """Where the model is: here, out of `model_directory`; or on another server, which speaks the protocol of
    OpenAI or of Anthropic and is named by the variables OLO_LLM_WORKER_UPSTREAM_."""
    model_directory: Path | None = Field(default=None, validate_default=True)
    """The model directory to serve; it is verified against its manifest, and a damaged one stops the start. Needed by
    the engine ctranslate2 alone."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where the model runs; `auto` takes a GPU where there is one. Also says the hardware type that is announced."""
    compute_type: str = "default"
    """Number format of the computation, such as int8 or float32; `default` is the nearest to the stored weights."""
    max_concurrency: Annotated[int, Field(ge=1, le=1024)] = 16
    """Answers that are generated at the same time: the slots of the Temporal worker. A batch holds many of them."""
    replicas: Annotated[int, Field(ge=0, le=1024)] = 0
    """Batches that the engine computes at the same time, on shared weights; 0: one for each physical core, or one on
    a GPU. More than there are cores slows all of them down."""
    intra_threads: Annotated[int, Field(ge=0, le=1024)] = 1
    """CPU threads of one batch; 0 lets the engine choose. Times replicas it should not pass the cores."""
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 16
    """Answers in one batch. Larger ones give more tokens a second in all, and each answer fewer."""
    max_batch_tokens: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """Prompt and answer tokens that one batch may hold in memory at most; a batch that does not fit fails with all its
    answers. 0: on a GPU what the memory that is free once the model is loaded holds, else no limit."""
    batch_window_seconds: Annotated[float, Field(ge=0, le=1)] = 0.005
    """How long an answer waits for others to share its batch, where the engine is idle. 0 begins each at once, which
    is slower for all as soon as several callers come together."""
    slice_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens after which an answer makes place where others wait, and goes on later; 0: never. Short answers are not
    held up by long ones then, but each slice reads the prompt again."""
    max_prefixes: Annotated[int, Field(ge=0, le=10_000)] = 16
    """System prompts whose computed state is kept, in each replica, until the model is loaded anew; 0 keeps none. Each
    takes the memory of its tokens."""
    stall_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long the engine may make no step, the reading of a prompt being one, before a run is given up and goes to
    another instance; an engine that is silent for twice as long is started anew. A shorter time finds hanging engines
    sooner, and gives up long prompts on slow machines."""
    max_queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Requests that may wait for a slot; the next one is refused with RESOURCE_EXHAUSTED and a delay to retry after."""
    max_tokens_default: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Longest answer, in tokens, where neither the request nor the model directory says one."""
    upstream: UpstreamSettings = Field(default_factory=UpstreamSettings)

    @field_validator("model_directory")
    @classmethod
    def _directory_where_it_is_needed(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("engine") == "ctranslate2":
            raise ValueError("the engine ctranslate2 needs it")
        return value

    @model_validator(mode="after")
    def _url_where_it_is_needed(self) -> LlmWorkerSettings:
        if self.engine != "ctranslate2" and not self.upstream.url:
            raise ValueError(f"OLO_LLM_WORKER_UPSTREAM_URL: the engine {self.engine} needs it")
        return self

    @property
    def directory(self) -> Path:
        """The model directory of the engine ctranslate2."""
        assert self.model_directory is not None, "the settings have been validated"
        return self.model_directory

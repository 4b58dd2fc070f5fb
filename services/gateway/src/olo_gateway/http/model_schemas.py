"""The shapes of models."""

from __future__ import annotations

from typing import Literal

from olo_gateway.http.shapes import AnswerShape


class Model(AnswerShape):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "olo"
    name: str
    type: Literal["llm", "embedding", "unknown"]
    context_length: int
    max_model_len: int
    """The same, by the name that vLLM gives it."""
    max_concurrency: int
    """Requests that an instance computes at once."""
    in_flight: int
    """Requests that are with its instances now."""
    hardware: Literal["cpu", "gpu", "unknown"]
    priority: int
    default: bool
    available: bool
    """Whether it can be asked now."""
    instances: int


class ModelList(AnswerShape):
    object: Literal["list"] = "list"
    data: list[Model]

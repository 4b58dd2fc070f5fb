"""How an engine is shared."""

from __future__ import annotations

from dataclasses import dataclass, field

from olo_llm_worker.generation.batching import Limits


@dataclass(frozen=True, slots=True)
class Policy:
    """How the engine is shared.

    Args:
        max_concurrency: Rows that are in the engine at the same time.
        max_queue: Rows that may wait beyond these.
        replicas: Batches that the engine computes at the same time.
        window: Seconds that the first row of a batch waits for others.
        limits: What a batch may be.
        slice_tokens: Tokens after which a row makes place where others wait; 0: never.
        max_prefixes: Beginnings of prompts that the engine may keep computed.
        max_tokens_default: Length of an answer where nobody says one.
    """

    max_concurrency: int
    max_queue: int
    replicas: int = 1
    window: float = 0.005
    limits: Limits = field(default_factory=lambda: Limits(rows=16))
    slice_tokens: int = 0
    max_prefixes: int = 16
    max_tokens_default: int = 256

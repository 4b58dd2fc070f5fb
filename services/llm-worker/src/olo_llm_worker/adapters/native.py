"""CTranslate2 itself. Its interpreter lock is free while it computes, so that several threads may generate."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import ctranslate2

from olo_llm_worker.errors import ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import END, Batch
from olo_llm_worker.generation.types import Decoding


class Hearer(Protocol):
    """Hears of a batch token by token, in a thread of the engine."""

    def began(self, *, cached: bool) -> None:
        """Called before the first token: whether the static prompt was there already."""

    def token(self, row: int, token_id: int, logprob: float) -> bool:
        """Called for each generated token, and with `END` where the model ends a row; True ends the row."""


class NativeGenerator:
    """Generates with a verified model directory, in this process.

    Args:
        path: The directory.
        vocabulary: The file in it that lists the tokens.
        stop_ids: Tokens with which the model ends an answer.
        device: cpu, cuda or auto.
        compute_type: Number format of the computation; `default` is the nearest to the stored weights.
        replicas: Batches computed at the same time, on shared weights.
        intra_threads: CPU threads of one batch; 0 lets the engine choose.

    Raises:
        ModelDirectoryError: The engine cannot load it so.
        MemoryError: There is not enough memory.
    """

    def __init__(
        self,
        path: Path,
        vocabulary: str,
        stop_ids: Sequence[int],
        *,
        device: str = "cpu",
        compute_type: str = "default",
        replicas: int = 1,
        intra_threads: int = 1,
    ) -> None:
        try:
            self._generator: Any = ctranslate2.Generator(
                str(path),
                device=device,
                compute_type=compute_type,
                inter_threads=replicas,
                intra_threads=intra_threads,
                # Waiting is the scheduler's: what it dispatches must never block a thread that holds a slot.
                max_queued_batches=-1,
            )
        except (RuntimeError, ValueError) as error:
            if "out of memory" in str(error).lower():
                raise MemoryError from error
            raise ModelDirectoryError(f"the engine cannot load {path}: {error}") from error
        self._tokens: list[str] = json.loads((path / vocabulary).read_bytes())
        self._stop_ids = list(stop_ids)
        self._read: set[tuple[int, tuple[int, ...]]] = set()

    @property
    def device(self) -> str:
        """Where it computes: cpu or cuda."""
        return str(self._generator.device)

    @property
    def compute_type(self) -> str:
        """The number format of the computation."""
        return str(self._generator.compute_type)

    def generate(self, batch: Batch, hearer: Hearer) -> None:
        """Generates one answer for each row; returns when all have ended. Blocks.

        Raises:
            ModelUnavailable: The engine has failed.
        """
        decoding, stop_ids, silent = batch.decoding, self._stop_ids, True
        rooms = list(batch.limits)

        def step(result: Any) -> bool:
            nonlocal silent
            if silent:
                silent = False
                hearer.began(cached=self._was_read(batch.static_prompt))
            row, token_id = result.batch_id, result.token_id
            if token_id in stop_ids:
                hearer.token(row, END, 0.0)
                return True
            rooms[row] -= 1
            return hearer.token(row, token_id, result.log_prob or 0.0) or rooms[row] <= 0

        try:
            self._generator.generate_batch(
                [self._strings(prompt) for prompt in batch.prompts],
                static_prompt=self._strings(batch.static_prompt) or None,
                max_length=max(batch.limits),
                min_length=decoding.min_tokens,
                # With the prompt in the result the engine would generate it again, token by token.
                include_prompt_in_result=False,
                end_token=stop_ids,
                repetition_penalty=decoding.repetition_penalty,
                return_scores=decoding.logprobs,
                callback=step,
                **_sampling(decoding, len(self._tokens)),
            )
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable("the engine has failed", retry_after=1.0) from error

    def close(self) -> None:
        """Frees the model, and ends the engine's threads: one that outlives the interpreter would crash it."""
        self._generator = None

    def _strings(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokens[token_id] for token_id in token_ids]

    def _was_read(self, static_prompt: tuple[int, ...]) -> bool:
        """Whether the replica that calls has read this static prompt before; each replica has its own thread."""
        if not static_prompt:
            return False
        key = (threading.get_ident(), static_prompt)
        known = key in self._read
        self._read.add(key)
        return known


def _sampling(decoding: Decoding, vocabulary_size: int) -> dict[str, float]:
    if decoding.temperature == 0.0:
        return {"sampling_topk": 1}
    return {
        "sampling_topk": decoding.top_k if decoding.top_k and decoding.top_k < vocabulary_size else 0,
        "sampling_topp": decoding.top_p,
        "sampling_temperature": decoding.temperature,
    }

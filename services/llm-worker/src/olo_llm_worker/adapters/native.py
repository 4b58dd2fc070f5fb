"""CTranslate2 itself. Its interpreter lock is free while it computes, so that several threads may generate."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctranslate2

from olo_llm_worker.adapters.grammar import Grammar
from olo_llm_worker.adapters.hearer import Hearer
from olo_llm_worker.adapters.likeliest import Telling
from olo_llm_worker.adapters.masking import Masking
from olo_llm_worker.errors import ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import END, Batch, steps_at_once
from olo_llm_worker.generation.types import Decoding


class NativeGenerator:
    """Generates with a verified model directory, in this process.

    Args:
        path: The directory.
        vocabulary: The file in it that lists the tokens.
        tokenizer: The file in it that says what text they stand for.
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
        tokenizer: str,
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
        self._grammar: Grammar | None = None
        self.unmaskable = ""
        """Why answers cannot be held to schemas; empty: they can."""
        try:
            # The scores of a GPU would have to be copied over at each step: that has not been measured.
            if self.device != "cpu":
                raise ValueError("the model is computed on a GPU")
            text = (path / tokenizer).read_text(encoding="utf-8")
            self._grammar = Grammar(text, len(self._tokens), self._stop_ids)
        except ValueError as error:
            self.unmaskable = str(error)

    @property
    def device(self) -> str:
        """Where it computes: cpu or cuda."""
        return str(self._generator.device)

    @property
    def compute_type(self) -> str:
        """The number format of the computation."""
        return str(self._generator.compute_type)

    @property
    def grammar(self) -> Grammar:
        """What turns schemas into masks.

        Raises:
            ModelUnavailable: It cannot be done; `unmaskable` says why.
        """
        if self._grammar is None:
            raise ModelUnavailable(self.unmaskable)
        return self._grammar

    def generate(self, batch: Batch, hearer: Hearer) -> None:
        """Generates one answer for each row; returns when all have ended. Blocks.

        Raises:
            ModelUnavailable: The engine has failed.
        """
        if batch.decoding.schema:
            self._generate_masked(batch, hearer)
            return
        if batch.decoding.top_logprobs:
            self._generate_told(batch, hearer)
            return
        stop_ids, silent = self._stop_ids, True
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

        self._run(batch, batch.prompts, step)

    def _generate_masked(self, batch: Batch, hearer: Hearer) -> None:
        (prompt,), (limit,) = batch.prompts, batch.limits
        guide = self.grammar.guide(batch.decoding.schema, prompt[len(prompt) - batch.answered :])
        forced = guide.forced()
        masking = Masking(guide, forced, limit, hearer, cached=lambda: self._was_read(batch.static_prompt))
        # Where nothing is left to be chosen the engine is not needed.
        if not guide.ended and len(forced) < limit:
            steps = min(limit - len(forced), steps_at_once(len(self._tokens)))
            self._run(batch, [(*prompt, *forced)], masking.step, max_length=steps, return_logits_vocab=True)
        masking.finish()

    def _generate_told(self, batch: Batch, hearer: Hearer) -> None:
        (limit,), decoding = batch.limits, batch.decoding
        telling = Telling(
            hearer, self._stop_ids, decoding.top_logprobs, limit, cached=lambda: self._was_read(batch.static_prompt)
        )
        # Where it matters at which token the answer begins, it is one that is short enough.
        steps = limit if decoding.positional else min(limit, steps_at_once(len(self._tokens)))
        self._run(batch, batch.prompts, telling.step, max_length=steps, return_logits_vocab=True)
        telling.finish()

    def _run(self, batch: Batch, prompts: Sequence[Sequence[int]], step: Callable[[Any], bool], **options: Any) -> None:
        decoding = batch.decoding
        options = {"max_length": max(batch.limits), **_sampling(decoding, len(self._tokens)), **options}
        try:
            self._generator.generate_batch(
                [self._strings(prompt) for prompt in prompts],
                static_prompt=self._strings(batch.static_prompt) or None,
                min_length=decoding.min_tokens,
                # With the prompt in the result the engine would generate it again, token by token.
                include_prompt_in_result=False,
                end_token=self._stop_ids,
                repetition_penalty=decoding.repetition_penalty,
                suppress_sequences=[[token] for token in self._strings(decoding.banned)] or None,
                return_scores=decoding.logprobs,
                callback=step,
                **options,
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

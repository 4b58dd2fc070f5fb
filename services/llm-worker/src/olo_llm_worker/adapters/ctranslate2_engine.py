"""The engine on CTranslate2. Its interpreter lock is free while it computes, so that several threads may generate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ctranslate2
from tokenizers import Tokenizer

from olo_common.errors import InvalidField
from olo_llm_worker.errors import ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import EngineInfo, OnToken
from olo_llm_worker.generation.types import Decoding, Message, Sampling
from olo_llm_worker.model_directory import Manifest, ModelDirectory
from olo_llm_worker.model_directory.chat_template import ChatTemplate, TemplateRefusal
from olo_llm_worker.model_directory.manifest import CHAT_TEMPLATE, TOKENIZER

_GREEDY_BELOW: Final = 0.01
"""Lower temperatures choose the likeliest token anyway, and divide logits into infinity."""


class CTranslate2Engine:
    """Generates with a verified model directory.

    Args:
        directory: The model.
        device: cpu, cuda or auto.
        compute_type: Number format of the computation; `default` is the nearest to the stored weights.
        replicas: Batches computed at the same time, on shared weights.
        intra_threads: CPU threads of one batch; 0 lets the engine choose.

    Raises:
        ModelDirectoryError: The engine cannot load it so.
    """

    def __init__(
        self,
        directory: ModelDirectory,
        *,
        device: str = "cpu",
        compute_type: str = "default",
        replicas: int = 1,
        intra_threads: int = 1,
    ) -> None:
        manifest = directory.manifest
        self._tokenizer = Tokenizer.from_file(str(directory.file(TOKENIZER)))
        self._template = ChatTemplate(
            directory.file(CHAT_TEMPLATE).read_text(encoding="utf-8"),
            self._tokenizer,
            bos_token=manifest.bos_token,
            eos_token=manifest.stop_tokens[0],
        )
        try:
            self._generator: Any = ctranslate2.Generator(
                str(directory.path),
                device=device,
                compute_type=compute_type,
                inter_threads=replicas,
                intra_threads=intra_threads,
                # Waiting is the scheduler's: what it dispatches must never block a thread that holds a slot.
                max_queued_batches=-1,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelDirectoryError(f"the engine cannot load {directory.path}: {error}") from error
        by_id = {number: token for token, number in self._tokenizer.get_vocab().items()}
        self._tokens = [by_id.get(number, "") for number in range(max(by_id) + 1)]
        self._stop_ids = [self._tokenizer.token_to_id(token) for token in manifest.stop_tokens]
        self._info = _info(manifest, self._generator.device, len(self._tokens), self._template.control_ids)

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._info

    def tokenize(self, messages: Sequence[Message]) -> list[int]:
        """The token ids of the prompt."""
        try:
            return self._template.tokenize([{"role": turn.role, "content": turn.content} for turn in messages])
        except TemplateRefusal as error:
            raise InvalidField("messages", str(error)) from error

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        text: str = self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
        return text

    def generate(self, prompts: Sequence[Sequence[int]], decoding: Decoding, on_token: OnToken) -> None:
        """Generates one answer for each prompt."""

        def step(result: Any) -> bool:
            return result.token_id in self._stop_ids or on_token(result.batch_id, result.token_id)

        if decoding.seed is not None:
            ctranslate2.set_random_seed(decoding.seed & 0xFFFF_FFFF)
        try:
            self._generator.generate_batch(
                [[self._tokens[token_id] for token_id in prompt] for prompt in prompts],
                max_length=decoding.max_tokens,
                include_prompt_in_result=False,
                end_token=self._stop_ids,
                repetition_penalty=decoding.repetition_penalty,
                callback=step,
                **_sampling(decoding, len(self._tokens)),
            )
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable("the engine has failed", retry_after=1.0) from error

    def close(self) -> None:
        """Frees the model, and ends the engine's threads: one that outlives the interpreter would crash it."""
        self._generator = None


def _sampling(decoding: Decoding, vocabulary_size: int) -> dict[str, float]:
    if decoding.temperature < _GREEDY_BELOW:
        return {"sampling_topk": 1}
    return {
        "sampling_topk": decoding.top_k if decoding.top_k and decoding.top_k < vocabulary_size else 0,
        "sampling_topp": decoding.top_p,
        "sampling_temperature": decoding.temperature,
    }


def _info(manifest: Manifest, device: str, vocabulary_size: int, control_ids: frozenset[int]) -> EngineInfo:
    defaults = manifest.generation
    return EngineInfo(
        name=manifest.name,
        family=manifest.family,
        quantization=manifest.quantization,
        license=manifest.license,
        hardware="gpu" if device == "cuda" else "cpu",
        context_limit=manifest.context_limit,
        vocabulary_size=vocabulary_size,
        control_ids=control_ids,
        defaults=Sampling(
            max_tokens=defaults.max_tokens,
            temperature=defaults.temperature,
            top_p=defaults.top_p,
            top_k=defaults.top_k,
            repetition_penalty=defaults.repetition_penalty,
        ),
    )

"""The engine on CTranslate2. Its interpreter lock is free while it computes, so that several threads may generate."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import ctranslate2
from tokenizers import Tokenizer

from olo_common.errors import InvalidField
from olo_llm_worker.adapters.turns import tool_of, turn_of
from olo_llm_worker.errors import ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import END, Batch, EngineInfo, Listener
from olo_llm_worker.generation.types import Decoding, Message, Sampling, Tool
from olo_llm_worker.model_directory import Manifest, ModelDirectory
from olo_llm_worker.model_directory.chat_template import ChatTemplate, TemplateRefusal
from olo_llm_worker.model_directory.manifest import CHAT_TEMPLATE, TOKENIZER


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
        except MemoryError:
            raise
        except (RuntimeError, ValueError) as error:
            raise ModelDirectoryError(f"the engine cannot load {directory.path}: {error}") from error
        by_id = {number: token for token, number in self._tokenizer.get_vocab().items()}
        self._tokens = [by_id.get(number, "") for number in range(max(by_id) + 1)]
        self._stop_ids = [self._tokenizer.token_to_id(token) for token in manifest.stop_tokens]
        self._read: set[tuple[int, tuple[int, ...]]] = set()
        self._info = _info(manifest, self._generator, len(self._tokens), self._template)

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._info

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the prompt."""
        try:
            return self._template.tokenize(list(map(turn_of, messages)), list(map(tool_of, tools)))
        except TemplateRefusal as error:
            raise InvalidField("messages", str(error)) from error

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        text: str = self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
        return text

    def generate(self, batch: Batch, listener: Listener) -> None:
        """Generates one answer for each row."""
        generator, decoding, stop_ids, silent = self._generator, batch.decoding, self._stop_ids, True

        def step(result: Any) -> bool:
            nonlocal silent
            if silent:
                silent = False
                listener.began(cached=self._was_read(batch.static_prompt))
            if result.token_id in stop_ids:
                listener.token(result.batch_id, END, 0.0)
                return True
            return listener.token(result.batch_id, result.token_id, result.log_prob or 0.0)

        try:
            generator.generate_batch(
                [self._strings(prompt) for prompt in batch.prompts],
                static_prompt=self._strings(batch.static_prompt) or None,
                max_length=batch.max_tokens,
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

    def close(self) -> None:
        """Frees the model, and ends the engine's threads: one that outlives the interpreter would crash it."""
        self._generator = None


def _sampling(decoding: Decoding, vocabulary_size: int) -> dict[str, float]:
    if decoding.temperature == 0.0:
        return {"sampling_topk": 1}
    return {
        "sampling_topk": decoding.top_k if decoding.top_k and decoding.top_k < vocabulary_size else 0,
        "sampling_topp": decoding.top_p,
        "sampling_temperature": decoding.temperature,
    }


def _info(manifest: Manifest, generator: Any, vocabulary_size: int, template: ChatTemplate) -> EngineInfo:
    defaults = manifest.generation
    return EngineInfo(
        name=manifest.name,
        family=manifest.family,
        quantization=manifest.quantization,
        license=manifest.license,
        hardware="gpu" if generator.device == "cuda" else "cpu",
        context_limit=manifest.context_limit,
        vocabulary_size=vocabulary_size,
        control_ids=template.control_ids,
        compute_type=generator.compute_type,
        tool_format=template.tool_format,
        templated_tools=template.renders_tools,
        defaults=Sampling(
            max_tokens=defaults.max_tokens,
            temperature=defaults.temperature,
            top_p=defaults.top_p,
            top_k=defaults.top_k,
            repetition_penalty=defaults.repetition_penalty,
        ),
    )

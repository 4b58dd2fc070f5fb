"""The engine on CTranslate2. Its interpreter lock is free while it computes, so that several threads may generate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import ctranslate2
from tokenizers import Tokenizer

from olo_common.errors import InvalidField
from olo_common.logs import logger
from olo_llm_worker.adapters.grammar import Grammar
from olo_llm_worker.adapters.masking import Masking, steps_at_once
from olo_llm_worker.adapters.turns import tool_of, turn_of
from olo_llm_worker.errors import ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import CAPABILITIES, END, Batch, EngineInfo, Listener
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
        vocabulary = self._tokenizer.get_vocab()
        by_id = {number: token for token, number in vocabulary.items()}
        self._tokens = [by_id.get(number, "") for number in range(max(by_id) + 1)]
        self._stop_ids = [vocabulary[token] for token in manifest.stop_tokens]
        self._read: set[tuple[int, tuple[int, ...]]] = set()
        # The scores of a GPU would have to be copied over at each step: that has not been measured.
        on_cpu = self._generator.device == "cpu"
        self._grammar = _grammar(self._tokenizer, len(self._tokens), self._stop_ids) if on_cpu else None
        self._info = _info(
            manifest, self._generator, len(self._tokens), self._template, masks=self._grammar is not None
        )

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

    def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Makes sure that an answer can be held to this schema."""
        self._masks.guide(schema, answer)

    def generate(self, batch: Batch, listener: Listener) -> None:
        """Generates one answer for each row."""
        if batch.decoding.schema:
            self._generate_masked(batch, listener)
            return
        stop_ids, silent = self._stop_ids, True

        def step(result: Any) -> bool:
            nonlocal silent
            if silent:
                silent = False
                listener.began(cached=self._was_read(batch.static_prompt))
            if result.token_id in stop_ids:
                listener.token(result.batch_id, END, 0.0)
                return True
            return listener.token(result.batch_id, result.token_id, result.log_prob or 0.0)

        self._run(batch, batch.prompts, step)

    def _generate_masked(self, batch: Batch, listener: Listener) -> None:
        (prompt,), (answered,) = batch.prompts, batch.answered
        guide = self._masks.guide(batch.decoding.schema, prompt[len(prompt) - answered :])
        forced = guide.forced()
        masking = Masking(guide, forced, listener, cached=lambda: self._was_read(batch.static_prompt))
        # Where nothing is left to be chosen the engine is not needed.
        if not guide.ended:
            steps = min(batch.max_tokens, steps_at_once(len(self._tokens)))
            self._run(batch, [(*prompt, *forced)], masking.step, max_length=steps, return_logits_vocab=True)
        masking.finish()

    def _run(self, batch: Batch, prompts: Sequence[Sequence[int]], step: Callable[[Any], bool], **options: Any) -> None:
        decoding = batch.decoding
        options = {"max_length": batch.max_tokens, **_sampling(decoding, len(self._tokens)), **options}
        try:
            self._generator.generate_batch(
                [self._strings(prompt) for prompt in prompts],
                static_prompt=self._strings(batch.static_prompt) or None,
                min_length=decoding.min_tokens,
                # With the prompt in the result the engine would generate it again, token by token.
                include_prompt_in_result=False,
                end_token=self._stop_ids,
                repetition_penalty=decoding.repetition_penalty,
                return_scores=decoding.logprobs,
                callback=step,
                **options,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelUnavailable("the engine has failed", retry_after=1.0) from error

    @property
    def _masks(self) -> Grammar:
        assert self._grammar is not None, "an engine that cannot mask does not say that it can"
        return self._grammar

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


def _grammar(tokenizer: Tokenizer, vocabulary_size: int, stop_ids: Sequence[int]) -> Grammar | None:
    try:
        return Grammar(tokenizer.to_str(), vocabulary_size, stop_ids)
    except ValueError as error:
        logger(__name__).warning("tokens_not_maskable", error=str(error))
        return None


def _info(
    manifest: Manifest, generator: Any, vocabulary_size: int, template: ChatTemplate, *, masks: bool
) -> EngineInfo:
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
        capabilities=(*CAPABILITIES, "constrained") if masks else CAPABILITIES,
        defaults=Sampling(
            max_tokens=defaults.max_tokens,
            temperature=defaults.temperature,
            top_p=defaults.top_p,
            top_k=defaults.top_k,
            repetition_penalty=defaults.repetition_penalty,
        ),
    )

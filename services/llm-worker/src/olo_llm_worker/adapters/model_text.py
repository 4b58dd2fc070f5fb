"""The text side of a model directory: messages to tokens, tokens to text, and what the model is."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from olo_common.errors import InvalidField
from olo_llm_worker.adapters.turns import tool_of, turn_of
from olo_llm_worker.generation.engine import CAPABILITIES, EngineInfo
from olo_llm_worker.generation.types import Message, Sampling, Tool
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.chat_template import ChatTemplate, TemplateRefusal
from olo_llm_worker.model_directory.manifest import CHAT_TEMPLATE, TOKENIZER


class ModelText:
    """Tokenizer and chat template of a verified model directory. Safe to use from several threads.

    Raises:
        ModelDirectoryError: The template cannot be parsed.
    """

    def __init__(self, directory: ModelDirectory) -> None:
        manifest = directory.manifest
        self._manifest = manifest
        self._tokenizer = Tokenizer.from_file(str(directory.file(TOKENIZER)))
        self._template = ChatTemplate(
            directory.file(CHAT_TEMPLATE).read_text(encoding="utf-8"),
            self._tokenizer,
            bos_token=manifest.bos_token,
            eos_token=manifest.stop_tokens[0],
        )
        ids = map(self._tokenizer.token_to_id, manifest.stop_tokens)
        self.stop_ids = [number for number in ids if number is not None]
        """Tokens with which the model ends an answer."""

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the prompt.

        Raises:
            InvalidField: The chat template does not accept the messages.
        """
        try:
            return self._template.tokenize(list(map(turn_of, messages)), list(map(tool_of, tools)))
        except TemplateRefusal as error:
            raise InvalidField("messages", str(error)) from error

    def tokenize_text(self, text: str) -> list[int]:
        """The token ids of a text by itself, none of them a control token."""
        return self._template.tokenize_text(text)

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        text: str = self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
        return text

    def spell(self, token_id: int) -> str:
        """The text of a token; a control token by its name."""
        text: str = self._tokenizer.decode([token_id], skip_special_tokens=False)
        return text

    def info(self, *, device: str, compute_type: str, batch_tokens: int, masks: bool) -> EngineInfo:
        """What is served, on this device in this number format, with so many tokens in a batch.

        `masks`: whether answers can be held to a schema token by token.
        """
        manifest, defaults = self._manifest, self._manifest.generation
        return EngineInfo(
            name=manifest.name,
            family=manifest.family,
            quantization=manifest.quantization,
            license=manifest.license,
            hardware="gpu" if device == "cuda" else "cpu",
            context_limit=manifest.context_limit,
            vocabulary_size=max(self._tokenizer.get_vocab().values()) + 1,
            control_ids=self._template.control_ids,
            compute_type=compute_type,
            batch_tokens=batch_tokens,
            tool_format=self._template.tool_format,
            templated_tools=self._template.renders_tools,
            capabilities=(
                *CAPABILITIES,
                *(("constrained",) if masks else ()),
                # The scores of a GPU would have to be copied over at each step: that has not been measured.
                *(("top_logprobs",) if device == "cpu" else ()),
            ),
            defaults=Sampling(
                max_tokens=defaults.max_tokens,
                temperature=defaults.temperature,
                top_p=defaults.top_p,
                top_k=defaults.top_k,
                repetition_penalty=defaults.repetition_penalty,
            ),
        )

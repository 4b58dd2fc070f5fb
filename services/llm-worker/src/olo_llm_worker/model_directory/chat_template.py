"""Renders a conversation as tokens, so that nothing that people write can act as a control token.

The template runs in a sandbox. What messages say is guarded first: a character that occurs nowhere else is put behind
each character that a control token could begin with. The rendered text is cut at the control tokens, which can only be
the template's own; the guards are taken out, and what lies between is tokenised with control tokens switched off. For
harmless content the tokens are the same as those of the plain rendered text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from olo_llm_worker.errors import ModelDirectoryError

DEMO_TEMPLATE: Final = (
    "{%- for message in messages -%}"
    "{%- if message['role'] not in ('system', 'user', 'assistant') -%}"
    "{{- raise_exception('the role ' ~ message['role'] ~ ' is not supported') -}}"
    "{%- endif -%}"
    "{{- '<|' ~ message['role'] ~ '|>' ~ message['content'] ~ '<|end|>' -}}"
    "{%- endfor -%}"
    "{{- '<|assistant|>' -}}"
)
"""The format of the demonstration model."""

_PRIVATE_USE: Final = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE))


class TemplateRefusal(Exception):
    """The template does not accept the conversation; the message is the template's own."""


class ChatTemplate:
    """A chat template with the tokenizer that it belongs to. Safe to use from several threads.

    Raises:
        ModelDirectoryError: The template cannot be parsed.
    """

    def __init__(
        self, source: str, tokenizer: Tokenizer, *, bos_token: str | None = None, eos_token: str | None = None
    ) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        environment.filters["tojson"] = _tojson
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ModelDirectoryError(f"the chat template cannot be parsed: {error}") from error
        self._source = source
        self._special_tokens = {"bos_token": bos_token or "", "eos_token": eos_token or ""}
        self._plain = Tokenizer.from_str(tokenizer.to_str())
        self._plain.encode_special_tokens = True
        added = tokenizer.get_added_tokens_decoder()
        self._control = {token.content: number for number, token in added.items() if token.special}
        longest_first = sorted(self._control, key=len, reverse=True)
        self._cut = re.compile(f"({'|'.join(map(re.escape, longest_first))})") if longest_first else None
        first_characters = {re.escape(token[0]) for token in self._control}
        self._risky = re.compile("|".join(sorted(first_characters))) if first_characters else None

    @property
    def control_ids(self) -> frozenset[int]:
        """The ids of the control tokens."""
        return frozenset(self._control.values())

    @property
    def renders_tools(self) -> bool:
        """Whether the template writes tools into the prompt by itself."""
        return re.search(r"\btools\b", self._source) is not None

    @property
    def tool_format(self) -> str:
        """How the model writes calls of tools: mistral, llama or hermes."""
        if "[TOOL_CALLS]" in self._source or "[TOOL_CALLS]" in self._control:
            return "mistral"
        if "<|python_tag|>" in self._control and "<tool_call>" not in self._source:
            return "llama"
        return "hermes"

    def tokenize(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """The token ids of the prompt for these messages (`role`, `content`), ready for the answer to begin.

        Raises:
            TemplateRefusal: The template does not accept them.
        """
        guard = self._guard((messages, tools))
        turns = [{**self._guarded(message, guard), "role": message["role"]} for message in messages]
        given: dict[str, Any] = {"messages": turns, "add_generation_prompt": True, **self._special_tokens}
        if tools:
            given["tools"] = self._guarded(tools, guard)
        try:
            text = self._template.render(given)
        except TemplateRefusal:
            raise
        except Exception as error:
            # A template is a program of somebody else: it may fail with anything.
            raise TemplateRefusal("the chat template of the model does not accept these messages") from error
        return list(self._encode(text, guard))

    def tokenize_text(self, text: str) -> list[int]:
        """The token ids of a text by itself, none of them a control token."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def _encode(self, text: str, guard: str) -> Iterator[int]:
        for part in self._cut.split(text) if self._cut else [text]:
            if part in self._control:
                yield self._control[part]
            elif part:
                yield from self._plain.encode(part.replace(guard, ""), add_special_tokens=False).ids

    def _guarded(self, value: Any, guard: str) -> Any:
        """The same, with guards in every string."""
        if isinstance(value, str):
            return self._risky.sub(lambda match: match[0] + guard, value) if self._risky else value
        if isinstance(value, Mapping):
            return {self._guarded(key, guard): self._guarded(item, guard) for key, item in value.items()}
        return [self._guarded(item, guard) for item in value] if isinstance(value, Sequence) else value

    def _guard(self, given: Any) -> str:
        used = set(self._source).union(*_strings(given))
        for block in _PRIVATE_USE:
            for number in block:
                if chr(number) not in used:
                    return chr(number)
        raise TemplateRefusal("the messages use every private character there is")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **_: Any) -> str:
    """JSON as chat templates expect it: nothing is escaped for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateRefusal(message)

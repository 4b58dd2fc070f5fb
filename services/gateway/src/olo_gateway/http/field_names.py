"""The fields of the contracts as OpenAI's APIs spell them, so that an error names what the caller has written."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

_Spellings: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]

_CHAT: Final[_Spellings] = (
    # Sampling options have no group of their own in these dialects.
    (re.compile(r"\bsampling\."), ""),
    (re.compile(r"\bresponse_format\.schema_json\b"), "response_format.json_schema.schema"),
    (re.compile(r"\bresponse_format\.kind\b"), "response_format.type"),
    (re.compile(r"(\btools\[\d+\])\.parameters_json\b"), r"\1.function.parameters"),
    (re.compile(r"(\btools\[\d+\])\.name\b"), r"\1.function.name"),
    (re.compile(r"(\btool_calls\[\d+\])\.arguments_json\b"), r"\1.function.arguments"),
    (re.compile(r"(\btool_calls\[\d+\])\.name\b"), r"\1.function.name"),
    (re.compile(r"\btool_choice\.name\b"), "tool_choice.function.name"),
    (re.compile(r"\btool_choice\.mode\b"), "tool_choice"),
)
_RESPONSES: Final[_Spellings] = (
    (re.compile(r"\bsampling\.max_tokens\b"), "max_output_tokens"),
    (re.compile(r"\bsampling\."), ""),
    (re.compile(r"\bresponse_format\.schema_json\b"), "text.format.schema"),
    (re.compile(r"\bresponse_format\b"), "text.format"),
    (re.compile(r"\bparameters_json\b"), "parameters"),
    (re.compile(r"\btool_choice\.mode\b"), "tool_choice"),
    # One message may be several items there, and may come from an earlier response.
    (re.compile(r"\bmessages(\[\d+\][\w.\[\]]*)?"), "input"),
)


def in_chat(text: str) -> str:
    """A field, or a message that names fields, in the words of chat completions."""
    return _spelled(text, _CHAT)


def in_responses(text: str) -> str:
    """A field, or a message that names fields, in the words of the Responses API."""
    return _spelled(text, _RESPONSES)


def _spelled(text: str, spellings: _Spellings) -> str:
    for pattern, words in spellings:
        text = pattern.sub(words, text)
    return text

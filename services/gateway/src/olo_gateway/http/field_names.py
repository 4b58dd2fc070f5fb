"""The fields of the contracts as the OpenAI dialect spells them, so that an error names what the caller has written."""

from __future__ import annotations

import re
from typing import Final

_SPELLINGS: Final = (
    # Sampling options have no group of their own in this dialect.
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


def in_openai(text: str) -> str:
    """A field, or a message that names fields, in the words of this dialect."""
    for pattern, spelled in _SPELLINGS:
        text = pattern.sub(spelled, text)
    return text

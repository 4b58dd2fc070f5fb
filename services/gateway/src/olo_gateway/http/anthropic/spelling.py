"""The fields of the contracts as this dialect spells them, so that an error names what the caller has written."""

from __future__ import annotations

import re
from typing import Final

_SPELLINGS: Final = (
    (re.compile(r"\bsampling\.stop\b"), "stop_sequences"),
    (re.compile(r"\bsampling\."), ""),
    (re.compile(r"\bresponse_format\.schema_json\b"), "output_config.format.schema"),
    (re.compile(r"\bresponse_format\.\w+"), "output_config.format"),
    (re.compile(r"(\btools\[\d+\])\.parameters_json\b"), r"\1.input_schema"),
    (re.compile(r"\btool_choice\.mode\b"), "tool_choice.type"),
)
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def in_anthropic(text: str) -> str:
    """A message that names fields, in the words of this dialect."""
    for pattern, words in _SPELLINGS:
        text = pattern.sub(words, text)
    return text


def type_of(status: int) -> str:
    """The dialect's type of an error that has this HTTP status."""
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")

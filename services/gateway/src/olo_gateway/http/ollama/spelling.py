"""The fields of the contracts as this dialect spells them, so that an error names what the caller has written."""

from __future__ import annotations

import re
from typing import Final

_SPELLINGS: Final = (
    (re.compile(r"\bsampling\.max_tokens\b"), "options.num_predict"),
    (re.compile(r"\bsampling\.repetition_penalty\b"), "options.repeat_penalty"),
    (re.compile(r"\bsampling\.(top_)?logprobs\b"), r"\1logprobs"),
    (re.compile(r"\bsampling\."), "options."),
    (re.compile(r"\bresponse_format\.\w+"), "format"),
    (re.compile(r"(\btools\[\d+\])\.parameters_json\b"), r"\1.function.parameters"),
    (re.compile(r"(\btools\[\d+\])\.name\b"), r"\1.function.name"),
    (re.compile(r"(\btool_calls\[\d+\])\.arguments_json\b"), r"\1.function.arguments"),
    (re.compile(r"(\btool_calls\[\d+\])\.name\b"), r"\1.function.name"),
)


def in_ollama(text: str) -> str:
    """A message that names fields, in the words of this dialect."""
    for pattern, words in _SPELLINGS:
        text = pattern.sub(words, text)
    return text

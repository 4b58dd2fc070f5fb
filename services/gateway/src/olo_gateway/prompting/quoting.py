"""A passage as one line of a prompt, which its text cannot leave.

A document may hold anything, also what somebody wrote to steer a model that reads it. In the prompt a passage is one
line that begins with its number, so that the end of the line is the one thing that ends it. Here its text loses what
could end the line, pass for the number of a passage, or pass for a control token of a chat template at a server that
takes such tokens out of texts. What is cited to the caller is the text as it is.
"""

from __future__ import annotations

import re
from typing import Final

from olo_gateway.prompting.citations import MARK

_BLANKS: Final = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")
_INVISIBLE: Final = re.compile(
    # Other control characters; what turns the direction of writing; tags, which some models read and no person sees.
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
_CONTROL_TOKENS: Final = re.compile(
    # <|im_start|>, also with the wide bar; <s>, <start_of_turn>, <<SYS>>, <tool_call> …; [INST], [TOOL_CALLS] …
    r"<(?=[|\uff5c])|(?<=[|\uff5c])(?=>)"
    r"|<(?=</?sys>>|/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|tool_call|tool_response|think|system|user|assistant)>)"
    r"|\[(?=/?(?:inst|system_prompt|available_tools|tool_calls|tool_results)\])",
    re.IGNORECASE,
)


def quoted(text: str) -> str:
    """The text on one line, without what could pass for a part of the prompt.

    Marks such as `[2]` become `(2)`: a model that repeats the sentence would cite a passage by them. A blank comes into
    control tokens.
    """
    line = _BLANKS.sub(" ", _INVISIBLE.sub("", text)).strip()
    line = MARK.sub(lambda mark: f"({mark[0][1:-1].strip()})", line)
    return _CONTROL_TOKENS.sub(lambda token: f"{token[0]} ", line)

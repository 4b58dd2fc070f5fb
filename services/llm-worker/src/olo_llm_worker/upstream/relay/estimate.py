"""How many tokens a text has, for whom has no tokenizer of the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from olo_llm_worker.upstream.relay.types import Tool, Turn

_BYTES_PER_TOKEN: Final = 4
"""Usual for English; other languages have fewer, so that the estimate is too high there."""
_LONGEST_TOKEN: Final = 16
"""Bytes per token that no ordinary text has on average."""
_TOKENS_PER_TURN: Final = 4


def estimate_text(text: str) -> int:
    """Tokens of a text, roughly."""
    return -(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN)


def estimate_prompt(turns: Sequence[Turn], tools: Sequence[Tool]) -> int:
    """Tokens of a prompt, roughly."""
    return _TOKENS_PER_TURN * len(turns) + estimate_text(_all(turns, tools))


def least_tokens(turns: Sequence[Turn], tools: Sequence[Tool]) -> int:
    """Tokens that a prompt has at the very least."""
    return len(_all(turns, tools).encode(errors="replace")) // _LONGEST_TOKEN


def _all(turns: Sequence[Turn], tools: Sequence[Tool]) -> str:
    said = [part for turn in turns for part in (turn.content, *(call.arguments for call in turn.calls))]
    return "".join([*said, *(f"{tool.name}{tool.description}{json.dumps(dict(tool.parameters))}" for tool in tools)])

"""The prompt that puts numbered passages before the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from olo_gateway.runs.order import Role, Turn

INSTRUCTION: Final = "Answer the question from the passages and cite them."
MAX_QUERY_CHARACTERS: Final = 8192
"""What the retrieval service takes; embedding models see less of it anyway."""

_LINE_BREAKS: Final = re.compile(r"\s*[\r\n]+\s*")


def query_of(turns: Sequence[Turn]) -> str:
    """What to search for: the last thing that the user has said."""
    return turns[_last_user(turns)].content.strip()[:MAX_QUERY_CHARACTERS]


def grounded(turns: Sequence[Turn], passages: Sequence[str]) -> list[Turn]:
    """The conversation with the passages, numbered from 1, before the last question.

    The instruction leads; what the caller's own system message says follows it.
    """
    position = _last_user(turns)
    lines = [f"[{number}] {_LINE_BREAKS.sub(' ', text.strip())}" for number, text in enumerate(passages, 1)]
    question = Turn(Role.USER, "\n".join([*lines, f"Question: {turns[position].content.strip()}"]))
    told = [turn.content for turn in turns if turn.role is Role.SYSTEM]
    spoken = [question if i == position else turn for i, turn in enumerate(turns) if turn.role is not Role.SYSTEM]
    return [Turn(Role.SYSTEM, "\n".join([INSTRUCTION, *told])), *spoken]


def _last_user(turns: Sequence[Turn]) -> int:
    return max(position for position, turn in enumerate(turns) if turn.role is Role.USER)

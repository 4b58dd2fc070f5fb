"""What a model is asked so that a search finds more, and what is searched for then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from olo_gateway.prompting.citations import MARK
from olo_gateway.prompting.passages import MAX_QUERY_CHARACTERS, query_of
from olo_gateway.runs.order import Role, Turn
from olo_gateway.runs.rag import Rewriting

MORE_QUERIES: Final = 3
_LONGEST_QUERY: Final = 512
_LAST_TURNS: Final = 6
_LONGEST_TURN: Final = 1500
_INSTRUCTIONS: Final = {
    Rewriting.MULTI_QUERY: "Write three other ways to ask the question, each on a line of its own, and nothing else.",
    Rewriting.HYDE: "Write a short paragraph, as an encyclopedia has it, that answers the question.",
    Rewriting.CONDENSE: (
        "Rewrite the last question so that it can be understood without the conversation. Write the question alone."
    ),
}
_MAX_TOKENS: Final = {Rewriting.MULTI_QUERY: 96, Rewriting.HYDE: 128, Rewriting.CONDENSE: 64}
_ENUMERATION: Final = re.compile(r"^\s*(?:[-*\u2022]|[0-9]{1,2}[.):])?\s*")
_WORD: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class RewritingTask:
    """What a model is asked, and how long its answer may be."""

    turns: tuple[Turn, ...]
    max_tokens: int


def rewriting_task(rewriting: Rewriting, turns: Sequence[Turn]) -> RewritingTask | None:
    """What a model is asked; None where there is nothing to rewrite."""
    if rewriting is Rewriting.NONE:
        return None
    question = query_of(turns)
    if rewriting is Rewriting.CONDENSE:
        spoken = [turn for turn in turns if turn.role in (Role.USER, Role.ASSISTANT)]
        if len(spoken) < 2:
            return None
        question = _conversation(spoken[-_LAST_TURNS:])
    instruction = Turn(Role.SYSTEM, _INSTRUCTIONS[rewriting])
    return RewritingTask((instruction, Turn(Role.USER, question)), _MAX_TOKENS[rewriting])


def queries_of(rewriting: Rewriting, plain: str, said: str) -> list[str]:
    """What is searched for, once a model has said this. Empty: nothing can be made of it.

    Args:
        rewriting: What it was asked for.
        plain: The question as it was put.
        said: What it has said.
    """
    # A model that was taught to cite does so here, too.
    said = MARK.sub("", said)
    if rewriting is Rewriting.HYDE:
        paragraph = " ".join(said.split())[:MAX_QUERY_CHARACTERS]
        return [plain, paragraph] if _WORD.search(paragraph) else []
    lines = [_ENUMERATION.sub("", line).strip().strip('"')[:_LONGEST_QUERY] for line in said.splitlines()]
    asked = [line for line in dict.fromkeys(lines) if _WORD.search(line)]
    if rewriting is Rewriting.CONDENSE:
        return asked[:1]
    return [plain, *[line for line in asked if line != plain][:MORE_QUERIES]] if asked else []


def _conversation(turns: Sequence[Turn]) -> str:
    names = {Role.USER: "User", Role.ASSISTANT: "Assistant"}
    lines = [f"{names[turn.role]}: {' '.join(turn.content.split())[:_LONGEST_TURN]}" for turn in turns]
    return "\n".join(lines)

from __future__ import annotations

import pytest

from olo_gateway.prompting.fusion import fused
from olo_gateway.prompting.passages import INSTRUCTION, LABEL, grounded, query_of
from olo_gateway.prompting.rewriting import queries_of, rewriting_task
from olo_gateway.runs.order import Role, Turn
from olo_gateway.runs.rag import Rewriting

QUESTION = Turn(Role.USER, "Where does it rise?\n")


def test_one_question_becomes_instruction_passages_and_question() -> None:
    assert grounded([QUESTION], ["The Nile\n\n  rises in Burundi. ", "It flows north."]) == [
        Turn(Role.SYSTEM, f"{INSTRUCTION}\n{LABEL}"),
        Turn(Role.USER, "[1] The Nile rises in Burundi.\n[2] It flows north.\nQuestion: Where does it rise?"),
    ]


def test_the_conversation_and_the_callers_own_instruction_stay() -> None:
    turns = [
        Turn(Role.SYSTEM, "Be brief."),
        Turn(Role.USER, "Do you know the Nile?"),
        Turn(Role.ASSISTANT, "Yes."),
        QUESTION,
    ]
    assert grounded(turns, ["p"]) == [
        Turn(Role.SYSTEM, f"{INSTRUCTION}\n{LABEL}\nBe brief."),
        *turns[1:3],
        Turn(Role.USER, "[1] p\nQuestion: Where does it rise?"),
    ]
    assert query_of(turns) == "Where does it rise?"


def test_without_passages_the_question_stands_alone() -> None:
    assert grounded([QUESTION], []) == [
        Turn(Role.SYSTEM, INSTRUCTION),
        Turn(Role.USER, "Question: Where does it rise?"),
    ]


def test_a_conversation_is_condensed_and_one_question_is_not() -> None:
    assert rewriting_task(Rewriting.CONDENSE, [Turn(Role.SYSTEM, "Be brief."), QUESTION]) is None
    assert rewriting_task(Rewriting.NONE, [QUESTION]) is None
    turns = [Turn(Role.USER, "Do you know\nthe Nile?"), Turn(Role.ASSISTANT, "Yes."), QUESTION]
    task = rewriting_task(Rewriting.CONDENSE, turns)
    assert task is not None
    assert task.turns[-1].content == "User: Do you know the Nile?\nAssistant: Yes.\nUser: Where does it rise?"
    assert task.max_tokens > 0


@pytest.mark.parametrize("rewriting", [Rewriting.MULTI_QUERY, Rewriting.HYDE])
def test_the_other_ways_ask_for_the_last_question(rewriting: Rewriting) -> None:
    task = rewriting_task(rewriting, [Turn(Role.USER, "first"), QUESTION])
    assert task is not None
    assert [turn.role for turn in task.turns] == [Role.SYSTEM, Role.USER]
    assert task.turns[-1].content == "Where does it rise?"


@pytest.mark.parametrize(
    ("rewriting", "said", "queries"),
    [
        (Rewriting.MULTI_QUERY, "1. a one\n2) b two\n\n- c three\n* d four", ["plain", "a one", "b two", "c three"]),
        (Rewriting.MULTI_QUERY, "plain\nplain\n\u2022 other", ["plain", "other"]),
        (Rewriting.MULTI_QUERY, "...\n- \n", []),
        (Rewriting.HYDE, "It rises\nin  Burundi.", ["plain", "It rises in Burundi."]),
        (Rewriting.HYDE, "It rises in Burundi. [1]", ["plain", "It rises in Burundi."]),
        (Rewriting.HYDE, " \n", []),
        (Rewriting.CONDENSE, '"Where does the Nile rise?"\nExplanation', ["Where does the Nile rise?"]),
        (Rewriting.CONDENSE, "", []),
        (Rewriting.MULTI_QUERY, "x" * 9000, ["plain", "x" * 512]),
    ],
)
def test_what_a_model_has_said_becomes_queries(rewriting: Rewriting, said: str, queries: list[str]) -> None:
    assert queries_of(rewriting, "plain", said) == queries


def test_rankings_are_fused_by_reciprocal_rank() -> None:
    assert fused([["a", "b", "c"]]) == ["a", "b", "c"]
    assert fused([["a", "b"], ["b", "c"]]) == ["b", "a", "c"]
    # Twice in one ranking counts once, and the first ranking wins where both say as much.
    assert fused([["a", "a", "a", "b"], ["b", "a"]]) == ["a", "b"]
    assert fused([[], []]) == []

from __future__ import annotations

import pytest

from olo_gateway.prompting.citations import cited_numbers
from olo_gateway.prompting.passages import INSTRUCTION, grounded, query_of
from olo_gateway.runs.order import Role, Turn

QUESTION = Turn(Role.USER, "Where does it rise?\n")


def test_one_question_becomes_instruction_passages_and_question() -> None:
    assert grounded([QUESTION], ["The Nile\n\n  rises in Burundi. ", "It flows north."]) == [
        Turn(Role.SYSTEM, INSTRUCTION),
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
        Turn(Role.SYSTEM, f"{INSTRUCTION}\nBe brief."),
        *turns[1:3],
        Turn(Role.USER, "[1] p\nQuestion: Where does it rise?"),
    ]
    assert query_of(turns) == "Where does it rise?"


def test_without_passages_the_question_stands_alone() -> None:
    assert grounded([QUESTION], [])[1].content == "Question: Where does it rise?"


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("It rises in Burundi [1].", {1}),
        ("Both [1][3] and [2, 3].", {1, 2, 3}),
        ("[0] [4] [12345] [a] 1]", set()),
        ("[ 2 ]", {2}),
        ("", set()),
    ],
)
def test_marks_are_read(answer: str, numbers: set[int]) -> None:
    assert cited_numbers(answer, 3) == numbers

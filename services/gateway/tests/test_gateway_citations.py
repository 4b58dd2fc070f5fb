from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.prompting.citations import MARK, MOST_MARKS, checked_marks, marks_of

NILE = "The Nile rises in Burundi, is 6,650 km long and flows to the north."
TRAM = "The harbour tram began to run in 1908. A ride costs two crowns."


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("It rises in Burundi [1].", [1]),
        ("Both [1][3] and [2, 3].", [1, 3, 2, 3]),
        ("[0] [4] [12345] [a] 1]", [0, 4]),
        ("[ 2 ]", [2]),
        ("[1,1]", [1]),
        ("", []),
        ("take `a[1]` or\n```\nb[2]\n``` but [3]", [3]),
        ("an open fence ```\nb[2]", []),
    ],
)
def test_marks_are_read(answer: str, numbers: list[int]) -> None:
    assert [mark.index for mark in marks_of(answer)] == numbers


@pytest.mark.parametrize(
    ("answer", "supported"),
    [
        ("The Nile rises in Burundi [1].", [True]),
        ("The Nile rises in Burundi. [1]", [True]),
        ("The Nile rises in Burundi.\n[1]", [True]),
        ("According to [1], the Nile rises in Burundi.", [True]),
        ("The Nile rises in Burundi [1] and the tram began to run in 1908 [2].", [True, True]),
        ("The tram began to run in 1908 [1] and the Nile rises in Burundi [2].", [False, False]),
        ("The Nile rises in Burundi [1]. The tram began in 1999 [2].", [True, False]),
        ("It is 6650 km long [1].", [True]),
        ("The Nile rises in Burundi [2].", [False]),
        ("The Nile rises in Burundi [3].", [False]),
        ("The Nile rises in Burundi [1][2].", [True, False]),
        ("The Nile rises in Burundi and trams began to run in 1908 [1][2].", [True, True]),
        ("The Nile rises in Burundi and trams began to run in 1909 [1, 2].", [False, False]),
        ("- The Nile rises in Burundi [1]\n2. A ride costs two crowns [2]", [True, True]),
        ("Ride a tram [2]", [True]),
        ("[1]", [False]),
        ("[1][2] and nothing [1]", [False, False, False]),
        ("No [1]", [False]),
    ],
)
def test_a_mark_holds_where_its_passage_has_the_words_and_the_numbers(answer: str, supported: list[bool]) -> None:
    assert [each.support.supported for each in checked_marks(answer, [NILE, TRAM])] == supported


def test_scripts_without_blanks_are_compared_by_pairs() -> None:
    passage = "\u56fe\u4e66\u9986\u4e0a\u5348\u4e5d\u70b9\u5f00\u95e8\u3002"
    good = "\u56fe\u4e66\u9986\u4e5d\u70b9\u5f00\u95e8[1]\u3002"
    bad = "\u706b\u8f66\u660e\u5929\u665a\u4e0a\u5230[1]\u3002"
    assert [each.support.supported for each in checked_marks(good + bad, [passage])] == [True, False]


def test_the_overlap_is_a_share() -> None:
    (mark,) = checked_marks("Burundi exports coffee [1].", [NILE])
    assert mark.support.overlap == pytest.approx(1 / 3)
    assert not mark.support.supported


@pytest.mark.parametrize(
    "part", ["!", "! ", "[1]. ", "[1]- ", "`", "```", "[1", "[ ", "[1]\n", '."', "[1,", "a. [1] ", "[1]-a "]
)
def test_an_answer_of_nothing_but_signs_comes_to_an_end(part: str) -> None:
    checked = checked_marks(part * 50_000, [NILE, TRAM])
    assert len(checked) <= MOST_MARKS


WORDS = st.sampled_from(["harbour", "tram", "began", "north", "crowns", "1908", "flows", "to", "a", "Burundi"])
SENTENCES = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)


@given(st.text() | st.text("[]1, 2.\n`!x"))
def test_marks_stand_where_they_say(answer: str) -> None:
    marks = marks_of(answer)
    assert marks == sorted(marks, key=lambda mark: mark.start)
    for mark in marks:
        found = MARK.fullmatch(answer, mark.start, mark.end)
        assert found is not None
        assert mark.index in {int(number) for number in found[1].split(",")}
    passages = [NILE, TRAM]
    checked = checked_marks(answer, passages)
    assert [each.mark for each in checked] == marks
    for each in checked:
        assert 0 <= each.support.overlap <= 1
        assert not (each.support.supported and not 1 <= each.mark.index <= 2)


@given(st.lists(st.tuples(SENTENCES, st.integers(1, 3)), min_size=1, max_size=6))
def test_no_mark_is_lost_or_made_up_between_sentences(told: list[tuple[str, int]]) -> None:
    answer, places = "", []
    for sentence, index in told:
        answer += f"{sentence} "
        places.append((index, len(answer), len(answer) + len(f"[{index}]")))
        answer += f"[{index}]. "
    assert [(mark.index, mark.start, mark.end) for mark in marks_of(answer)] == places


@given(st.lists(SENTENCES, min_size=1, max_size=5), st.data())
def test_a_repeated_sentence_always_has_support(sentences: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(1, len(sentences)))
    before = data.draw(SENTENCES)
    answer = f"{before}. {sentences[index - 1]} [{index}]. {before}."
    (mark,) = checked_marks(answer, sentences)
    assert mark.support.supported
    assert mark.support.overlap == 1


@given(st.lists(SENTENCES, min_size=1, max_size=5))
def test_words_of_nowhere_never_have_support(sentences: list[str]) -> None:
    (mark,) = checked_marks("Zebras quietly juggle pumpkins [1].", sentences)
    assert not mark.support.supported

"""What is remembered of served versions is what a read would say."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_retrieval.adapters.sql.served import ServedVersions

if TYPE_CHECKING:
    from conftest import House

INDEX = ("collection", 0)
DOCUMENTS = "abcd"
_documents = st.lists(st.sampled_from(DOCUMENTS), unique=True, max_size=4)
_steps = st.lists(
    st.tuples(st.just("commit"), st.sampled_from(DOCUMENTS))
    | st.tuples(st.just("ask"), _documents)
    | st.tuples(st.just("answer"), st.integers(0, 3)),
    max_size=40,
)


@given(_steps)
def test_an_answer_is_never_older_than_its_question(steps: list[tuple[str, Any]]) -> None:
    """Searches ask at any time, and their reads end at any later time, in any order, with commits in between."""
    served, remembered = dict.fromkeys(DOCUMENTS, 0), ServedVersions()
    state, reading = 0, list[tuple[int, list[str]]]()

    def now(documents: list[str]) -> dict[str, int]:
        return {name: served[name] for name in documents if served[name]}

    for step, what in steps:
        if step == "commit":
            served[what], state = served[what] + 1, state + 1
        elif step == "ask":
            known = remembered.get(state, INDEX, what)
            assert known is None or known == now(what)
            if known is None:
                reading.append((state, what))
        elif reading:
            asked, documents = reading.pop(what % len(reading))
            remembered.keep(asked, INDEX, documents, now(documents))


def test_a_state_that_is_not_known_is_not_remembered() -> None:
    remembered = ServedVersions()
    for state, expected in ((None, None), (1, None), (1, {"a": 3}), (None, None), (1, None)):
        assert remembered.get(state, INDEX, ["a"]) == expected
        remembered.keep(state, INDEX, ["a", "b"], {"a": 3})
    assert remembered.get(1, INDEX, ["a", "b"]) == {"a": 3}
    assert remembered.get(1, ("collection", 1), ["a"]) is None


async def test_what_is_served_is_read_again_when_anything_was_written(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Mapping[str, Any]] = []
    rows = house.database.rows

    async def counted(statement: Any, parameters: Mapping[str, Any]) -> Any:
        reads.append(parameters)
        return await rows(statement, parameters)

    monkeypatch.setattr(house.database, "rows", counted)
    await house.ingest("The first text.")
    for _ in range(3):
        assert await house.find("text") == ["The first text."]
    assert len(reads) == 1
    await house.ingest("The second text.")
    assert await house.find("text") == ["The second text."]
    with sqlite3.connect(tmp_path / "data" / "retrieval.db") as another_process:
        another_process.execute("UPDATE documents SET served_version = 0")
    another_process.close()
    assert await house.find("text") == []

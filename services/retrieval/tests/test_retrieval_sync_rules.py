"""The rules of a sync that need no documents: globs, ids, what is believed, and how far it has come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import OloError
from olo_contracts.identifiers import DOCUMENT_ID, is_valid
from olo_retrieval.sources.missing import believed
from olo_retrieval.sources.model import SyncState
from olo_retrieval.sources.naming import document_id_of
from olo_retrieval.sources.paths import chooser
from olo_retrieval.sources.progress import progress_of


@pytest.mark.parametrize(
    ("glob", "path", "chosen"),
    [
        ("", "a/b.md", True), ("", "a/b.bin", False), ("", ".git/a.md", False), ("*.md", "a.md", True),
        ("*.md", "a/b.md", False), ("**/*.md", "b.md", True), ("**/*.md", "a/b/c.md", True),
        ("docs/**", "docs/a/b", True), ("docs/**", "other/a", False), ("[ab].md", "a.md", True),
        ("[!ab].md", "a.md", False), ("a?.md", "a/.md", False), ("a+(.md", "a+(.md", True), ("**", ".env", False),
        ("[", "[", True), ("**/a/**/b.md", "x/a/y/z/b.md", True), ("**/a/**/b.md", "x/y/z/b.md", False),
        ("*a" * 100, "a" * 255, True), ("*a" * 100 + "b", "a" * 255, False),
        ("/".join(["**"] * 100) + "/b", "a/" * 100 + "c", False),
    ],
)  # fmt: skip
def test_globs(glob: str, path: str, chosen: bool) -> None:
    assert chooser(glob, "glob")(path) is chosen


@given(st.text("ab*?[]!/.", max_size=30), st.text("ab/.", max_size=60))
def test_a_glob_is_a_pattern_or_a_named_error(glob: str, path: str) -> None:
    try:
        chooser(glob, "source.files.glob")(path)
    except OloError as error:
        assert error.field == "source.files.glob"


@given(st.text(min_size=1), st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True))
def test_ids_are_spelt_as_ids_must_be(key: str, source_id: str) -> None:
    assert is_valid(DOCUMENT_ID, document_id_of(source_id, key))
    assert document_id_of(source_id, key) != document_id_of(source_id, key + "x")


def test_what_is_believed() -> None:
    assert believed(5, 10, accepted=False)
    assert not believed(6, 10, accepted=False)
    assert not believed(1, 1, accepted=False)
    assert believed(1, 1, accepted=True)


@given(st.integers(0, 100), st.integers(0, 100), st.sampled_from(list(SyncState)))
def test_progress_stays_on_its_scale(done: int, total: int, state: SyncState) -> None:
    percent, eta = progress_of(state, done=done, total=total, seconds=10.0)
    assert 0 <= percent <= 100
    assert eta is None or eta >= 0


def test_the_rest_takes_as_long_as_the_pace_says() -> None:
    assert progress_of(SyncState.INGESTING, done=25, total=100, seconds=10.0)[1] == 30.0

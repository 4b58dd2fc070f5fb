"""Watching: who comes back is sent exactly what it has missed, or everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from olo_registry.changes import Changed, Changes

MARKS = st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=30)


@given(MARKS, st.integers(0, 40))
def test_what_was_missed_is_what_changed_after_the_version(marks: list[tuple[str, bool]], seen: int) -> None:
    changes = Changes("life")
    history: list[tuple[int, str, bool]] = []
    for name, is_alias in marks:
        changes.mark(aliases=[name]) if is_alias else changes.mark([name])
        history.append((changes.version, name, is_alias))
    missed = changes.since("life", seen)
    if not 1 <= seen <= changes.version:
        assert missed is None
        return
    later = [(name, is_alias) for version, name, is_alias in history if version > seen]
    assert missed == Changed(
        sorted({name for name, is_alias in later if not is_alias}),
        sorted({name for name, is_alias in later if is_alias}),
    )


@given(MARKS, st.integers(1, 40), st.integers(1, 4))
def test_what_is_forgotten_is_never_left_out_silently(marks: list[tuple[str, bool]], seen: int, kept: int) -> None:
    changes = Changes("life", max_remembered=kept)
    history: list[tuple[int, str]] = []
    for name, _ in marks:
        changes.mark([name])
        history.append((changes.version, name))
    missed = changes.since("life", seen)
    if missed is not None:
        assert missed.models == sorted({name for version, name in history if version > seen})


def test_another_life_compares_with_nothing() -> None:
    assert Changes("life").since("an earlier life", 1) is None
    assert Changes("life").since("life", 1) == Changed()

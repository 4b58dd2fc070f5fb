"""Imports without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from olo_common.uncollected import uncollected


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_what_is_made_meanwhile_is_never_looked_through() -> None:
    with uncollected():
        assert not gc.isenabled()
        made = [[] for _ in range(100)]
    made_later: list[object] = []
    looked_through = {id(each) for each in gc.get_objects()}
    assert gc.isenabled()
    assert id(made_later) in looked_through
    assert not looked_through & {id(each) for each in made}


def test_collecting_goes_on_where_an_import_fails_and_stays_off_where_it_was() -> None:
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()

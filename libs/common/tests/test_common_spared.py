from __future__ import annotations

import sys

import pytest

from olo_common.spared import spared

UNUSED = "this"
"""A module of the standard library that nobody imports."""


def test_a_module_is_missing_in_the_body_alone() -> None:
    assert UNUSED not in sys.modules
    with spared(UNUSED), pytest.raises(ImportError):
        __import__(UNUSED)

    assert UNUSED not in sys.modules


def test_a_module_is_found_again_after_an_error() -> None:
    with pytest.raises(RuntimeError), spared(UNUSED):
        raise RuntimeError

    assert UNUSED not in sys.modules


def test_a_module_that_is_there_already_stays() -> None:
    with spared("sys"):
        assert __import__("sys") is sys

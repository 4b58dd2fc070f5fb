"""The README names every command, and every command can be used by programs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[1]

WITHOUT = {
    *("olo logs", "olo config export", "olo models convert", "olo models pull"),
    *("olo files get", "olo batch results"),
}
"""Commands whose output is the text or the folder that was asked for."""


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", FOLDER / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_has_every_command(reference: ModuleType) -> None:
    text = (FOLDER / "README.md").read_text()
    assert reference.updated(text) == text, "the table is stale: run `make reference` and commit it"
    assert "| `olo runs watch` |" in text


def test_every_command_has_a_json_form(reference: ModuleType) -> None:
    without = {name for name, _, as_json in reference.commands() if not as_json}
    assert without - WITHOUT == set()

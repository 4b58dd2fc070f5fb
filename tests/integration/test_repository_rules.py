"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from olo_common.log_fields import FIELDS

ROOT = Path(__file__).resolve().parents[2]
GENERATED = (ROOT / "libs/protos/src/olo", ROOT / "libs/protos/src/olo_events")
SOURCES = sorted(
    path
    for folder in ("services", "libs", "clients", "deploy")
    for path in (ROOT / folder).glob("**/src/**/*.py")
    if not any(generated in path.parents for generated in GENERATED)
)
# The supervisor hands its own environment on to its children; the test plugin does the same.
READERS = {"settings.py"}
FORWARDERS = ("deploy/local/", "libs/testing/")
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "manager.py", "misc.py"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_settings_read_the_environment(path: Path) -> None:
    if path.name in READERS or relative(path).startswith(FORWARDERS):
        return
    reads = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not reads, f"{relative(path)} reads the environment in lines {reads}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_file_is_a_drawer_or_a_tome(path: Path) -> None:
    assert path.name not in FORBIDDEN_NAMES
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_lines_of_the_log_have_listed_fields_alone(path: Path) -> None:
    """Another field would be left out when the line is written."""
    told = {
        keyword.arg
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _is_log_call(node)
        for keyword in node.keywords
    }
    assert told <= FIELDS | {"exc_info", None}, relative(path)


def _is_log_call(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in ("info", "warning", "error", "exception"):
        return False
    return "log" in ast.unparse(node.func.value)


def test_decisions_have_their_header() -> None:
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    index = (ROOT / "docs/adr/README.md").read_text()
    assert records
    for record in records:
        lines = record.read_text().splitlines()
        assert lines[0].startswith(f"# {record.name[:4]}: "), record.name
        assert lines[2] in ("- Status: proposed", "- Status: accepted", "- Status: superseded"), record.name
        assert lines[3].startswith("- Date: 20"), record.name
        for section in ("## Context", "## Decision", "## Alternatives", "## Consequences"):
            assert section in lines, f"{record.name} lacks {section}"
        assert f"({record.name})" in index, f"{record.name} is not in the index"

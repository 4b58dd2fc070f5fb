"""docs/reference says what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
ROW = re.compile(r"^\|(?: [A-Z_, ]+ \|)? (`[a-z][^|]*)\|", re.MULTILINE)
"""A row of the errors in the README of a service: the reasons, before the code or behind it."""


@pytest.mark.timeout(300)
def test_the_pages_are_what_the_code_says() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "reference"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_service_has_its_settings_there() -> None:
    text = (REFERENCE / "settings.md").read_text()
    assert all(f"\n## {folder.parent.name}\n" in text for folder in (ROOT / "services").glob("*/pyproject.toml"))


def test_every_call_says_what_it_does() -> None:
    calls = [
        line.split(" | ")
        for page in sorted((REFERENCE / "grpc").glob("*.md"))
        for line in page.read_text().splitlines()
        if "<br>→ " in line
    ]
    assert len(calls) > 50
    assert not [cells[0] for cells in calls if not cells[2].strip()]


@pytest.mark.parametrize("readme", sorted((ROOT / "services").glob("*/README.md")), ids=lambda path: path.parent.name)
def test_reasons_that_a_service_names_are_in_the_table_of_all(readme: Path) -> None:
    known = set(re.findall(r"^\| `([a-z_]+)` \|", (REFERENCE / "errors.md").read_text(), re.MULTILINE))
    section = readme.read_text().partition("## Errors")[2].partition("\n## ")[0]
    named = {reason for cell in ROW.findall(section) for reason in re.findall(r"`([a-z_]+)`", cell)}
    assert named
    assert named <= known

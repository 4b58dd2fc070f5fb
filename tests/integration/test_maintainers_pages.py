"""What is written for maintainers names files and tests that exist; links are looked after by `test_guides.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKLISTS = sorted((ROOT / "docs" / "development").glob("*.md"))
PAGES = [
    *CHECKLISTS,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "ROADMAP.md", "SECURITY.md")),
    ROOT / ".github" / "pull_request_template.md",
]
TESTS = [
    path
    for pattern in ("tests/*", "services/*/tests", "libs/*/tests", "clients/*/test*")
    for path in ROOT.glob(f"{pattern}/test_*.py")
]
PATH = re.compile(
    r"(?<![\w./<…*])((?:services|libs|proto|clients|deploy|docs|scripts|tests|models|samples)/[\w./*-]*[\w*])(?!…)"
)
"""A path from the top of the repository; `*` stands for anything."""


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_paths_exist(page: Path) -> None:
    assert not [path for path in PATH.findall(page.read_text()) if not any(ROOT.glob(path))]


def test_tests_that_are_named_exist() -> None:
    defined = {name for path in TESTS for name in re.findall(r"def (test_\w+)\(", path.read_text())}
    named = {name for page in CHECKLISTS for name in re.findall(r"`(test_\w+)`", page.read_text())}
    assert named
    assert named <= defined


def test_the_index_names_every_checklist() -> None:
    index = (ROOT / "docs" / "development" / "README.md").read_text()
    assert not [path.name for path in CHECKLISTS if path.name != "README.md" and f"]({path.name})" not in index]

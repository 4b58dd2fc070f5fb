"""What is written for maintainers names files and tests that exist; `test_guides.py` sees to links and commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs" / "development").glob("*.md"),
        *(ROOT / "docs" / "reference").rglob("*.md"),
        *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "ROADMAP.md", "SECURITY.md")),
        ROOT / ".github" / "pull_request_template.md",
    ]
)
TESTS = [
    path
    for pattern in (
        "tests/*/test_*.py",
        "services/*/tests/test_*.py",
        "libs/*/tests/test_*.py",
        "clients/*/test*/test_*.py",
    )
    for path in ROOT.glob(pattern)
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w./<…*])((?:services|libs|proto|clients|deploy|docs|scripts|tests|models|samples)/[\w./*-]*[\w*])(?!…)"
)
"""A path from the top of the repository; `*` stands for anything."""


def of_page(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", [each for each in PAGES if "reference" not in each.parts], ids=of_page)
def test_paths_exist(page: Path) -> None:
    text = page.read_text()
    for path in PATH.findall(text):
        assert any(ROOT.glob(path)), f"{of_page(page)}: {path}"


@pytest.mark.parametrize("page", [each for each in PAGES if "development" in each.parts], ids=of_page)
def test_tests_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text()))
    defined = {name for path in TESTS for name in re.findall(r"def (test_\w+)\(", path.read_text())}
    assert named <= defined


def test_the_index_names_every_checklist() -> None:
    index = (ROOT / "docs" / "development" / "README.md").read_text()
    assert {path.name for path in (ROOT / "docs" / "development").glob("*.md")} - {"README.md"} <= {
        link.partition("#")[0] for link in LINK.findall(index)
    }

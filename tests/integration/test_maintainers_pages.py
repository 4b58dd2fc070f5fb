"""What is written for maintainers names files, targets and tests that exist."""

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
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TARGET = re.compile(r"`make ([a-z-]+)")


def of_page(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """The anchors that a page has, as the pages of repositories make them of headings."""
    bare = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in bare}


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{of_page(page)}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{of_page(page)}: {link}"


@pytest.mark.parametrize("page", [each for each in PAGES if "reference" not in each.parts], ids=of_page)
def test_paths_and_targets_exist(page: Path) -> None:
    text = page.read_text()
    for path in PATH.findall(text):
        assert any(ROOT.glob(path)), f"{of_page(page)}: {path}"
    for target in TARGET.findall(text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"make {target}"


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

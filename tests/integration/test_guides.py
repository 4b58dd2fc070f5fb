"""What the pages name is there: other pages, pictures, variables, commands, and the recording of the demo."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from olo_local.variables import all_variables

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", ".github", "services", "libs", "clients", "deploy", "models", "samples", "tests", "scripts", "proto")
NOT_OURS = {"node_modules", "site-packages", "__pycache__", "static", "dist"}


def files(suffix: str) -> Iterator[Path]:
    """What the repository has of this kind, below its folders."""
    for folder in FOLDERS:
        for place, inner, names in os.walk(ROOT / folder):
            inner[:] = [name for name in inner if name not in NOT_OURS]
            yield from (Path(place, name) for name in names if name.endswith(suffix))


PAGES = sorted([*ROOT.glob("*.md"), *files(".md")])
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
OF_MAKE = re.compile(r"(?:^\$ |`)make ([a-z][a-z-]*)", re.MULTILINE)
OF_OLO = re.compile(r"(?:^\$ |`)(?:\.venv/bin/)?olo ((?:[a-z]+(?: |`|$))+)", re.MULTILINE)
VARIABLE = re.compile(r"\bOLO_[A-Z0-9_]*[A-Z0-9]\b(?![_*<.]|…)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def program(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    """The places of a page that a link can lead to, as GitHub calls them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (name := slug if number == 0 else f"{slug}-{number}") in found:
            number += 1
        found.add(name)
    return found


def broken(page: Path, root: Path = ROOT) -> Iterator[str]:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        found = there.exists() and root in there.parents
        if not found or (anchor and there.suffix == ".md" and anchor not in anchors(there)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    assert not list(broken(page))


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# There\n\n## A `part` of [it](x.md)\n\n## There\n")
    page = tmp_path / "page.md"
    good = "[a](there.md) [b](there.md#a-part-of-it) [c](there.md#there-1) [d](https://example.org) [e](#page)"
    page.write_text(f"# Page\n\n{good}\n![f](none.svg) [g](there.md#none) [h](#none)\n\n```\n[i](code.md)\n```\n")
    assert list(broken(page, tmp_path)) == ["none.svg", "there.md#none", "#none"]


def test_variables_that_pages_name_exist() -> None:
    known = {variable.name for variable in all_variables({}, {})}
    # Those of programs around the services: the command line, tests and the local stack's Makefile.
    text = "".join(path.read_text() for path in files(".py"))
    known |= set(VARIABLE.findall(text + (ROOT / "Makefile").read_text()))
    named = {(relative(page), name) for page in PAGES for name in VARIABLE.findall(page.read_text())}
    assert not {(page, name) for page, name in named if name not in known}


def test_targets_of_make_that_pages_name_exist() -> None:
    known = set(re.findall(r"^([a-z][a-z %-]*?):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    patterns = [word.replace("%", "*") for names in known for word in names.split()]
    named = {(relative(page), name) for page in PAGES for name in OF_MAKE.findall(page.read_text())}
    assert not {(page, name) for page, name in named if not any(fnmatch(name, pattern) for pattern in patterns)}


def test_commands_of_olo_that_pages_name_exist() -> None:
    names = {name.removeprefix("olo ") for name, _, _ in program(ROOT / "clients/python/reference.py").commands()}
    groups = {" ".join(name.split()[:count]) for name in names for count in range(1, len(name.split()))}
    wrong = set()
    for page in PAGES:
        for words in OF_OLO.findall(page.read_text()):
            said = words.replace("`", "").split()
            # What follows a command is its arguments; a group alone stands for all of its commands.
            heads = {" ".join(said[:count]) for count in range(1, len(said) + 1)}
            if not heads & names and " ".join(said) not in groups:
                wrong.add((relative(page), " ".join(said)))
    assert not wrong


def test_the_readme_begins_with_the_demo_and_the_tests() -> None:
    commands = re.findall(r"^\$ ([^#\n]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [command.strip() for command in commands[:2]] == ["make demo", "make test"]


def test_the_picture_of_the_demo_is_drawn_from_its_recording() -> None:
    recorder = program(ROOT / "scripts/record_demo.py")
    assert recorder.SVG.read_text() == recorder.draw(recorder.CAST.read_text())


def test_the_picture_of_the_demo_says_nothing_that_the_demo_has_not_written() -> None:
    recorder = program(ROOT / "scripts/record_demo.py")
    header, *events = (json.loads(line) for line in recorder.CAST.read_text().splitlines())
    written = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", "".join(text for _, _, text in events))
    drawn = ET.fromstring(recorder.SVG.read_text()).iter("{http://www.w3.org/2000/svg}tspan")
    prompt, command, *pieces = (each.text or "" for each in drawn)
    assert (prompt, command) == ("$", header["command"])
    assert len(pieces) > 30
    assert not [piece for piece in pieces if piece not in written]

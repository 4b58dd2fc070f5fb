"""The page of errors tells of every reason what to do, with the status and the messages that the code has."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from olo_client import errors as client

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/guides/troubleshooting.md"
REFERENCE = ROOT / "docs/reference/errors.md"
"""Made from the code, and held against it by a test of its own."""
SOURCES = [
    path
    for part in ("services/*", "libs/common", "libs/worker", "clients/python", "deploy/local")
    for path in sorted(ROOT.glob(f"{part}/src/**/*.py"))
    if not path.name.startswith(("fake_", "in_memory"))
]
UNKNOWN = "…"
"""Stands on the page where a message has something that differs."""
ANY_STATUS = "http_error"
"""Every refusal of the framework that has no reason of its own."""
OF_THE_CLIENT = {client.NOT_REACHABLE, client.TLS_FAILED, client.TLS_FILES_INVALID, client.cut_off().reason}


@dataclass(frozen=True)
class Row:
    """One reason of the page: its cells, by what stands above them."""

    reason: str
    status: str
    said: str
    advice: str


def rows() -> list[Row]:
    row = r"^\| `([a-z_0-9]+)` \| ([0-9]{3} [A-Z_]+|[A-Z_]+|any) \| ([^|]+) \|([^|]*)\|$"
    return [Row(*cells) for cells in re.findall(row, PAGE.read_text(), re.MULTILINE)]


ROWS = rows()


def statuses() -> dict[str, set[str]]:
    """Every reason, with what the reference says of it."""
    found = defaultdict(set)
    row = r"^\| `([a-z_0-9]+)` \| `([A-Z_]+)` \| ([0-9]{3}) \|"
    for reason, code, http in re.findall(row, REFERENCE.read_text(), re.MULTILINE):
        found[reason].add(f"{http} {code}")
    return found


def nodes(*signs: str) -> Iterator[ast.AST]:
    """The code of the files that hold one of these texts, piece by piece; to parse all of it takes long."""
    for text in (path.read_text() for path in SOURCES):
        if any(sign in text for sign in signs):
            yield from ast.walk(ast.parse(text))


def sentences(messages: Iterable[str]) -> set[str]:
    """The texts of the code, with one sign for each value in them, where these messages may be."""
    found = set()
    for node in nodes(*(max(message.split(UNKNOWN), key=len).strip()[:20] for message in messages)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else UNKNOWN for part in node.values)
            found.add("".join(str(part) for part in parts))
    return found


def test_every_reason_is_there_once_and_no_other() -> None:
    known = {*statuses(), *OF_THE_CLIENT, ANY_STATUS}
    told = [row.reason for row in ROWS]
    assert len(known) > 100
    assert not known - set(told), "docs/guides/troubleshooting.md needs a row: status, message, what to do"
    assert not set(told) - known, "docs/guides/troubleshooting.md tells of what is no longer there"
    assert len(told) == len(set(told))


def test_reasons_have_the_status_that_the_code_gives_them() -> None:
    known = statuses()
    wrong = {row.reason: known[row.reason] for row in ROWS if known.get(row.reason, {row.status}) != {row.status}}
    assert not wrong


def test_messages_are_those_of_the_code() -> None:
    quoted = {row.reason: re.findall(r'"([^"]+)"', row.said) for row in ROWS}
    known = sentences(message for messages in quoted.values() for message in messages)
    assert {reason for reason, messages in quoted.items() if not messages} == {ANY_STATUS}
    assert not [(reason, said) for reason, messages in quoted.items() for said in messages if said not in known]


def test_what_the_stack_says_is_what_the_code_says() -> None:
    section = PAGE.read_text().partition("## The stack does not start")[2].partition("\n## ")[0]
    messages = re.findall(r'^\| "([^"]+)" \|', section, re.MULTILINE)
    assert messages
    assert not set(messages) - sentences(messages)

"""The page of errors tells every reason that a caller may be told, as the code has it, and no other."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException

from olo_client import errors as client
from olo_common.errors import ErrorCode, InvalidField, OloError, RemoteError
from olo_gateway.http.errors import refused, status_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/guides/troubleshooting.md"
SOURCES = [
    path
    for part in ("services/*", "libs/common", "libs/worker", "clients/python")
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
    found = re.findall(row, PAGE.read_text(), re.MULTILINE)
    return [Row(reason, status.strip(), said, advice) for reason, status, said, advice in found]


ROWS = rows()


def nodes(*signs: str) -> Iterator[ast.AST]:
    """The code of the files that hold one of these texts, piece by piece; to parse all of it takes long."""
    for text in (path.read_text() for path in SOURCES):
        if any(sign in text for sign in signs):
            yield from ast.walk(ast.parse(text))


def modules() -> list[str]:
    """Every module that declares errors."""
    declaring = (
        path for path in SOURCES if re.search(r"^    (code = ErrorCode|reason = \")", path.read_text(), re.MULTILINE)
    )
    inner = (path.relative_to(path.parents[-1]).as_posix().partition("/src/")[2] for path in declaring)
    return [module.removesuffix(".py").replace("/", ".") for module in inner]


def declared() -> Iterator[tuple[str, str]]:
    """Reason and status of every error class."""
    for name in modules():
        for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(kind, OloError) and kind is not RemoteError and "reason" in vars(kind):
                yield kind.reason, told(kind.code, kind.reason)


def called() -> Iterator[tuple[str, str]]:
    """Reason and status of every error that is given its reason where it is raised."""
    for node in nodes("reason=", "RemoteError("):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == InvalidField.__name__:
                for word in (each.value for each in node.keywords if each.arg == "reason"):
                    if isinstance(word, ast.Constant):
                        yield word.value, told(InvalidField.code, word.value)
            if node.func.id == RemoteError.__name__ and isinstance(node.args[1], ast.Constant):
                code = node.args[0]
                # The code of a peer that does not answer is a variable; it is that of `Unavailable`.
                named = ErrorCode[code.attr] if isinstance(code, ast.Attribute) else ErrorCode.UNAVAILABLE
                yield node.args[1].value, told(named, node.args[1].value)


def refusals() -> Iterator[tuple[str, str]]:
    """Reason and status of what reaches no route."""
    for status in HTTPStatus:
        if 400 <= status < 500:
            error = refused(HTTPException(status))
            if error.reason != ANY_STATUS:
                yield error.reason, f"{status_of(error)} {error.code.name}"


def told(code: ErrorCode, reason: str) -> str:
    return f"{status_of(RemoteError(code, reason, ''))} {code.name}"


@cache
def statuses() -> dict[str, set[str]]:
    found = defaultdict(set)
    for reason, status in (*declared(), *called(), *refusals()):
        found[reason].add(status)
    return found


def sentences(messages: Iterable[str]) -> set[str]:
    """The texts of the code, with one sign for each value in them, where these messages may be."""
    found = set()
    for node in nodes(*(max(message.split(UNKNOWN), key=len).strip()[:12] for message in messages)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else UNKNOWN for part in node.values)
            found.add("".join(str(part) for part in parts))
    return found


def test_every_reason_is_there_once_and_no_other() -> None:
    known = {*statuses(), *OF_THE_CLIENT, ANY_STATUS}
    assert len(known) > 100
    assert sorted(row.reason for row in ROWS) == sorted(known)


def test_reasons_have_the_status_that_the_code_gives_them() -> None:
    known = statuses()
    wrong = {row.reason: known[row.reason] for row in ROWS if known.get(row.reason, {row.status}) != {row.status}}
    assert not wrong


def test_messages_are_those_of_the_code() -> None:
    quoted = {row.reason: re.findall(r'"([^"]+)"', row.said) for row in ROWS}
    known = sentences(message for messages in quoted.values() for message in messages)
    assert {reason for reason, messages in quoted.items() if not messages} == {ANY_STATUS}
    assert not [(reason, said) for reason, messages in quoted.items() for said in messages if said not in known]

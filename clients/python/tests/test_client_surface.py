"""Both clients have the same surface: names, parameters, defaults, and types but for what makes them async."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from olo_client import AsyncOlo, Olo

SAME = {"__enter__": "__aenter__", "__exit__": "__aexit__"}


def groups(client: type) -> Iterator[tuple[str, type]]:
    """The client itself and its groups of calls, from what its constructor makes."""
    yield "", client
    built = client("127.0.0.1:1")
    yield from ((name, type(group)) for name, group in vars(built).items() if not name.startswith("_"))


async def pairs() -> list[tuple[str, type, type]]:
    blocking, waiting = dict(groups(Olo)), dict(groups(AsyncOlo))
    assert blocking.keys() == waiting.keys()
    return [(name, blocking[name], waiting[name]) for name in blocking]


def calls(kind: type) -> dict[str, Any]:
    found = {name: member for name, member in vars(kind).items() if inspect.isfunction(member)}
    return {name: call for name, call in found.items() if not name.startswith("_") or name in SAME}


def plain(annotation: object) -> str:
    """A type as the blocking client would say it."""
    return re.sub(r"\bAsync(?=Iterator|Olo)", "", str(annotation))


def shape(call: Any) -> tuple[list[tuple[str, Any, Any, str]], str]:
    signature = inspect.signature(call)
    parameters = [(p.name, p.kind, p.default, plain(p.annotation)) for p in signature.parameters.values()]
    return parameters, plain(signature.return_annotation)


async def test_every_call_of_one_is_a_call_of_the_other() -> None:
    compared = 0
    for name, blocking, waiting in await pairs():
        mine, other = calls(blocking), calls(waiting)
        assert {SAME.get(call, call) for call in mine} == {call for call in other if call not in SAME} | {
            SAME[call] for call in mine if call in SAME
        }, name
        for call in mine.keys() - SAME.keys():
            assert shape(mine[call]) == shape(other[call]), f"{name}.{call}"
            compared += 1
    assert compared > 30


async def test_the_comparison_sees_a_difference() -> None:
    def one(self: Any, name: str, *, limit: int = 3) -> Iterator[int]: ...

    async def other(self: Any, name: str, *, limit: int = 4) -> Iterator[int]: ...

    assert shape(one) != shape(other)


@pytest.mark.parametrize("client", [Olo, AsyncOlo])
async def test_every_call_is_described(client: type) -> None:
    for name, kind in groups(client):
        for call, member in calls(kind).items():
            assert member.__doc__ or call in SAME, f"{name}.{call}"

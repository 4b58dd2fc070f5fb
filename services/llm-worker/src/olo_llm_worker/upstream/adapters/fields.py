"""Reads JSON that somebody else has written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from olo_llm_worker.upstream.errors import UpstreamBroken
from olo_llm_worker.upstream.relay.types import Call


def parsed(data: str) -> Mapping[str, Any]:
    """The object in the data of an event.

    Raises:
        UpstreamBroken: It is no JSON object.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise UpstreamBroken("the server of the model sends what is no JSON") from None
    if not isinstance(value, dict):
        raise UpstreamBroken("the server of the model sends what is no JSON object")
    return value


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, an empty one elsewhere."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects of a list; none where it is something else."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """The value where it is text, nothing elsewhere. Halves of characters show as `?`."""
    return raw_text(value).encode("utf-8", "replace").decode()


def raw_text(value: Any) -> str:
    """The value where it is text, nothing elsewhere, as it stands: it may begin or end within a character."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int:
    """The value where it is a count, zero elsewhere."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32 else 0


def finished_calls(calls: Sequence[Call], *, cut: bool) -> tuple[Call, ...]:
    """Calls whose arguments are JSON objects. One that the longest answer has cut is left out.

    Raises:
        UpstreamBroken: One is no call although the answer was not cut.
    """
    whole: list[Call] = []
    for call in calls:
        arguments = call.arguments.strip() or "{}"
        try:
            sound = bool(call.name) and isinstance(json.loads(arguments), dict)
        except (ValueError, RecursionError):
            sound = False
        if sound:
            whole.append(Call(call.id or f"call_{len(whole)}", call.name, arguments))
        elif not cut:
            raise UpstreamBroken("the server of the model sends a call of a tool that is none")
    return tuple(whole)

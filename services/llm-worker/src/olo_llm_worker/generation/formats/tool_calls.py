"""Reads calls of tools out of answers. What is not a well-formed call of a known tool is text.

Three ways of writing are known: `hermes`, a JSON object between `<tool_call>` tags; `llama`, an answer that is a JSON
object with `name` and `parameters`; `mistral`, `[TOOL_CALLS]` and a JSON array. Markers that are control tokens of the
model are missing from the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any, Final

from olo_llm_worker.generation.formats.json_text import parse

Call = tuple[str, str]
"""Name, and arguments as JSON text."""

_HERMES: Final = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_MISTRAL: Final = "[TOOL_CALLS]"
_LLAMA: Final = "<|python_tag|>"


def read(text: str, form: str, names: Collection[str]) -> tuple[str, list[Call]]:
    """The text around the calls, and the calls in their order; all of the text where it holds none.

    Args:
        text: The answer.
        form: hermes, llama or mistral.
        names: The tools that there are.
    """
    readers: dict[str, Callable[[str, Collection[str]], tuple[str, list[Call]]]] = {
        "hermes": _hermes,
        "llama": _llama,
        "mistral": _mistral,
    }
    return readers[form](text, names)


def _hermes(text: str, names: Collection[str]) -> tuple[str, list[Call]]:
    calls, around, end = [], [], 0
    for found in _HERMES.finditer(text):
        call = _call(_value(found[1]), names, ("arguments",))
        if call is not None:
            calls.append(call)
            around.append(text[end : found.start()])
            end = found.end()
    if not calls:
        return text, []
    return "".join([*around, text[end:]]).strip(), calls


def _llama(text: str, names: Collection[str]) -> tuple[str, list[Call]]:
    parts = text.strip().removeprefix(_LLAMA).split(";") if ";" in text else [text.strip().removeprefix(_LLAMA)]
    calls = [_call(_value(part), names, ("parameters", "arguments")) for part in parts]
    whole = _call(_value(text.strip().removeprefix(_LLAMA)), names, ("parameters", "arguments"))
    if whole is not None:
        return "", [whole]
    good = [call for call in calls if call is not None]
    return ("", good) if good and len(good) == len(calls) else (text, [])


def _mistral(text: str, names: Collection[str]) -> tuple[str, list[Call]]:
    before, marker, after = text.partition(_MISTRAL)
    values = _value(after if marker else text)
    if not isinstance(values, list) or not values:
        return text, []
    calls = [_call(value, names, ("arguments",)) for value in values]
    good = [call for call in calls if call is not None]
    return (before.strip() if marker else "", good) if len(good) == len(calls) else (text, [])


def _call(value: Any, names: Collection[str], keys: Collection[str]) -> Call | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or value["name"] not in names:
        return None
    arguments: Any = next((value[key] for key in keys if key in value), {})
    if isinstance(arguments, str):
        arguments = _value(arguments)
    if not isinstance(arguments, dict):
        return None
    return value["name"], json.dumps(arguments, ensure_ascii=False)


def _value(text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return None

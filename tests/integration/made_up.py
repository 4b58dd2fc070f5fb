"""Made-up messages: every field of a type, with the values that somebody forgot to think of."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

DEEPEST = 4
_FLOATS = [0.0, -0.0, 0.5, 1.0, -1.0, 1e308, float("inf"), float("-inf"), float("nan")]
_TEXTS = [
    "", "auto", "fuzz", "fuzz-embed", "demo", "default", "run-fuzz", "m", "0", "\0", "a\0b", " ", "a" * 200, "../..",
    "é\u0301", "\U0001f600", "\u202eabc", "%s{}", "'; --", "{", '{"a": 1}', "nan", "-1", "2026-11-21", "\ufffe\uffff",
]  # fmt: skip
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def texts() -> st.SearchStrategy[str]:
    """Texts, known names among them; all of them can be written as UTF-8."""
    return st.one_of(st.sampled_from(_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor, words: st.SearchStrategy[str] | None = None, depth: int = 0) -> Any:
    """Messages of a type, valid on the wire, with any of their fields set; texts are `words`, or any."""
    words = texts() if words is None else words
    message = GetMessageClass(kind)()
    for field in kind.fields:
        inner = field.message_type
        if (inner is not None and depth >= DEEPEST) or not draw(st.booleans()):
            continue
        if field.is_repeated:
            _fill(draw, message, field, draw(st.integers(0, 3)), words, depth)
        elif inner is not None:
            getattr(message, field.name).CopyFrom(draw(messages(inner, words, depth + 1)))
        else:
            setattr(message, field.name, draw(_scalars(field, words)))
    return message


def _fill(
    draw: st.DrawFn, message: Any, field: FieldDescriptor, count: int, words: st.SearchStrategy[str], depth: int
) -> None:
    inner, items = field.message_type, getattr(message, field.name)
    if inner is None:
        items.extend(draw(_scalars(field, words)) for _ in range(count))
    elif inner.GetOptions().map_entry:
        keys, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
        for key in draw(st.lists(_scalars(keys, words), max_size=count)):
            if value.message_type is None:
                items[key] = draw(_scalars(value, words))
            else:
                items[key].CopyFrom(draw(messages(value.message_type, words, depth + 1)))
    else:
        items.extend(draw(messages(inner, words, depth + 1)) for _ in range(count))


def _scalars(field: FieldDescriptor, words: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if kind in _RANGES:
        least, most = _RANGES[kind]
        return st.one_of(st.sampled_from([least, 0, 1, 2, most]), st.integers(0, 100), st.integers(least, most))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        known = [value.number for value in field.enum_type.values]
        return st.sampled_from([*known, 99, -1, 2**31 - 1])
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return st.one_of(st.sampled_from(_FLOATS), st.floats(width=32))
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.one_of(st.sampled_from(_FLOATS), st.floats())
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=64)
    return words


@st.composite
def wire(draw: st.DrawFn) -> bytes:
    """Bytes that read as protobuf: fields with any numbers and kinds, and now and then an end that is missing."""
    said = b""
    for _ in range(draw(st.integers(0, 8))):
        number, kind = draw(st.integers(1, 20)), draw(st.sampled_from([0, 1, 2, 5]))
        said += _varint(number << 3 | kind)
        if kind == 0:
            said += _varint(draw(st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1))))
        elif kind == 2:
            content = draw(st.one_of(texts().map(str.encode), st.binary(max_size=20)))
            said += _varint(len(content)) + content
        else:
            size = 8 if kind == 1 else 4
            said += draw(st.binary(min_size=size, max_size=size))
    return said[: draw(st.integers(0, len(said)))] if draw(st.booleans()) else said


def _varint(value: int) -> bytes:
    said = b""
    while value > 0x7F:
        said += bytes([value & 0x7F | 0x80])
        value >>= 7
    return said + bytes([value])

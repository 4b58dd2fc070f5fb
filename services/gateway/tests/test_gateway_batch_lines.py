"""Lines of batches: cut out of any stream, told apart, and found again; results once, whoever writes twice."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olo_common.errors import InvalidField
from olo_gateway.adapters.object_directory import ObjectDirectory
from olo_gateway.batches import lines as batch_lines
from olo_gateway.batches.desk import Desk, Row
from olo_gateway.batches.lines import LineInvalid, RawLine, read, split
from olo_gateway.batches.order import (
    BatchOrder,
    accepted,
    is_batch_id,
    new_batch_id,
    output_file_id,
    seconds_of_window,
    window_of_seconds,
)
from olo_gateway.convert.attributes import attributes_of, filter_of, metadata_of

CHAT = "/v1/chat/completions"


async def pieces(*given: bytes) -> AsyncGenerator[bytes, None]:
    for piece in given:
        yield piece


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(edges)]


@settings(max_examples=60)
@given(
    parts=st.lists(st.sampled_from([b"", b" ", b"\r", b"\t", b"a", b"{}", "ä".encode(), b"x" * 40]), max_size=12),
    places=st.lists(st.integers(0, 500), max_size=8),
    last=st.booleans(),
)
async def test_however_a_file_arrives_its_lines_are_the_same(parts: list[bytes], places: list[int], last: bool) -> None:
    whole = b"\n".join(parts) + (b"\n" if last else b"")
    found = [line async for line in split(pieces(*cut(whole, places)))]
    assert [(line.number, line.content) for line in found] == [
        (number, content) for number, content in enumerate(parts, 1) if content.strip(b" \t\r")
    ]
    for line in found:
        assert whole[line.offset : line.offset + len(line.content)] == line.content


async def test_a_line_that_is_too_long_is_cut_and_the_next_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_lines, "MAX_LINE_BYTES", 10)
    whole = b"x" * 100 + b"\n" + b"y" * 10 + b"\nz"
    found = [line async for line in split(pieces(*cut(whole, [7, 50, 99, 101])))]
    assert [(line.number, line.offset, line.content) for line in found] == [
        (1, 0, b"x" * 11),
        (2, 101, b"y" * 10),
        (3, 112, b"z"),
    ]
    with pytest.raises(LineInvalid) as refused:
        read(found[0], CHAT)
    assert refused.value.code == "line_too_long"


async def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    [first, second] = [line async for line in split(pieces(b"\xef\xbb\xbf{}\n", b"{}"))]
    assert (first.content, first.offset) == (b"{}", 3)
    assert (second.content, second.offset) == (b"{}", 6)


VALUES = st.sampled_from([None, 7, "", "x", "POST", CHAT, [], {}, {"stream": True}, "y" * 600, True])
FIELDS = ("custom_id", "method", "url", "body")
SOUND = {"custom_id": "x", "method": "POST", "url": CHAT, "body": {}}


@settings(max_examples=60)
@given(
    st.binary(max_size=20)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=2).map(lambda more: json.dumps(SOUND | more).encode())
)
def test_whatever_a_line_holds_it_is_a_request_or_one_clear_error(content: bytes) -> None:
    try:
        line = read(RawLine(1, 0, content), CHAT)
    except LineInvalid as error:
        assert error.code
        assert error.message
    else:
        value = json.loads(content)
        assert (line.custom_id, line.body) == (value["custom_id"], value["body"])
        assert (value["method"], value["url"]) == ("POST", CHAT)


async def test_the_desk_finds_every_line_again(tmp_path: Path) -> None:
    desk = Desk(ObjectDirectory(tmp_path), "t", "b")
    whole = b'{"n": 0}\n\n  \n{"n": 1}\r\n{"n": 2}'
    kept = [line.content async for line in desk.keep(pieces(*cut(whole, [3, 11, 20])))]
    assert [(await desk.line(number)).content for number in range(3)] == kept
    assert [json.loads(content)["n"] for content in kept] == [0, 1, 2]


async def test_a_line_is_done_once(tmp_path: Path) -> None:
    objects = ObjectDirectory(tmp_path)
    desk = Desk(objects, "t", "b")
    assert await desk.get(3) is None
    await desk.put(Row(3, False), b"refused")
    await desk.put(Row(3, True), b"answered by a second gateway meanwhile")
    await desk.put(Row(1, False), b"one")
    assert await desk.rows() == [Row(1, False), Row(3, True)]
    assert await desk.get(3) == (Row(3, True), b"answered by a second gateway meanwhile")
    contents = [content async for content in desk.contents(await desk.rows())]
    assert contents[0] == b"one"
    await desk.clear()
    await desk.clear()
    assert await desk.rows() == []


@pytest.mark.parametrize(("spelled", "seconds"), [("1m", 60), ("90m", 5400), ("24h", 86400), ("7d", 604800)])
def test_windows(spelled: str, seconds: float) -> None:
    assert seconds_of_window(spelled) == seconds
    assert seconds_of_window(window_of_seconds(seconds)) == seconds


@pytest.mark.parametrize("spelled", ["", "h", "0h", "1s", "1.5h", "-1h", "24 h", "24h\n", "١h"])
def test_what_is_no_window(spelled: str) -> None:
    with pytest.raises(InvalidField):
        seconds_of_window(spelled)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"endpoint": "/v1/nothing"}, "endpoint"),
        ({"window": 59.0}, "completion_window"),
        ({"window": float("nan")}, "completion_window"),
        ({"metadata": {"a" * 65: ""}}, "metadata"),
        ({"metadata": {"a": "b" * 513}}, "metadata"),
        ({"request_id": "a b"}, "request_id"),
        ({"output_expires_after": 60.0}, "output_expires_after"),
    ],
)
def test_orders_are_checked(more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        accepted(BatchOrder(**{"input_file_id": "file-1", "endpoint": CHAT, **more}), [CHAT])
    assert refused.value.field == field


def test_ids_say_what_they_are() -> None:
    assert is_batch_id(new_batch_id("t", "")) and is_batch_id(new_batch_id("t", "x"))
    assert new_batch_id("t", "x") == new_batch_id("t", "x") != new_batch_id("u", "x")
    assert not is_batch_id("batch_../../x")
    assert (
        output_file_id("b", 1.0, "output") == output_file_id("b", 1.0, "output") != output_file_id("b", 1.0, "errors")
    )


ATTRIBUTES = st.sampled_from(["", "7", "true", "ä", True, False, 0, -3, 2.5, 1e9])


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(["a", "b", "olo", "year-1"]), ATTRIBUTES))
def test_attributes_come_back_as_what_they_were(attributes: dict[str, Any]) -> None:
    metadata = metadata_of(attributes)
    assert all(isinstance(value, str) for value in metadata.values())
    back = attributes_of(metadata)
    assert back == attributes
    assert [isinstance(value, bool) for value in back.values()] == [isinstance(v, bool) for v in attributes.values()]


PARTS = st.sampled_from([None, 7, True, "a", "eq", "gt", "in", "and", "or", [], ["a"], {}])
COMPARISONS = st.dictionaries(st.sampled_from(["type", "key", "value", "filters"]), PARTS, max_size=4)


@settings(max_examples=80)
@given(
    PARTS
    | COMPARISONS
    | st.lists(COMPARISONS, max_size=2).map(
        lambda inner: {"type": "or", "filters": [{"type": "and", "filters": inner}]}
    )
)
def test_whatever_a_filter_is_it_is_one_or_an_error_that_names_its_place(asked: Any) -> None:
    try:
        assert filter_of(asked).WhichOneof("kind")
    except InvalidField as error:
        assert error.field is not None
        assert error.field.startswith("filters")


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({str(n): "" for n in range(17)}, "at most 16"),
        ({"": "x"}, "keys"),
        ({"a": "x" * 513}, "values"),
        ({"olo_types": "x"}, "taken"),
    ],
)
def test_attributes_are_bounded(attributes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidField, match=problem):
        metadata_of(attributes)

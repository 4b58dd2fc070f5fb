"""Encrypted payloads: whatever goes in comes out, whatever was changed does not, and keys come and go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    DefaultPayloadConverter,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from olo.gateway.v1.run_pb2 import ChatRequest
from olo_common.errors import StartupError
from olo_common.failures import from_failure
from olo_common.payload_codec import ENCODING
from olo_common.payload_errors import UNREADABLE
from olo_common.payload_key_lines import PayloadKeysInvalid, keys_of, new_id, new_line
from olo_common.payload_keys import payload_keys
from olo_common.payload_store import INLINE_BYTES, data_converter
from olo_common.settings import PayloadSettings, TemporalSettings, load_settings

FIRST, SECOND = new_line("first"), new_line("second")

payloads = st.builds(
    Payload,
    metadata=st.dictionaries(st.text(max_size=20), st.binary(max_size=40), max_size=4),
    data=st.binary(max_size=2000),
)
workflow_ids = st.text(max_size=40)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("keys") / "keys", FIRST)


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 0.0)
    yield
    payload_keys.cache_clear()


def write(path: Path, *lines: str) -> Path:
    # As those do it who replace a file: written beside, and moved over it.
    beside = path.with_name(f"{path.name}.new")
    beside.write_text("\n".join(("# keys", "", *lines)))
    beside.replace(path)
    return path


def converter(keys: Path | None, workflow_id: str | None = None, *, refuse_clear: bool = False) -> DataConverter:
    made = data_converter(PayloadSettings(keys_file=keys, refuse_clear=refuse_clear))
    return made if workflow_id is None else made.with_context(WorkflowSerializationContext("space", workflow_id))


async def sealed(converter: DataConverter, payload: Payload) -> Payload:
    assert converter.payload_codec
    [found] = await converter.payload_codec.encode([payload])
    return found


async def opened(converter: DataConverter, payload: Payload) -> Payload:
    assert converter.payload_codec
    [found] = await converter.payload_codec.decode([payload])
    return found


async def refusal(converter: DataConverter, payload: Payload) -> tuple[str, str]:
    with pytest.raises(ApplicationError) as caught:
        await opened(converter, payload)
    # A task of a workflow that fails so is tried again; one that must not be would fail the workflow.
    assert not caught.value.non_retryable
    error = from_failure(caught.value)
    assert error.retryable
    assert error.reason in UNREADABLE
    return error.reason, error.metadata.get("key_id", "")


@given(payload=payloads, workflow_id=workflow_ids)
async def test_whatever_is_encrypted_comes_back(keys: Path, payload: Payload, workflow_id: str) -> None:
    here = converter(keys, workflow_id)
    hidden = await sealed(here, payload)
    assert hidden.metadata["encoding"] == ENCODING
    assert hidden.metadata["encryption-key-id"] == b"first"
    if len(payload.data) > 8:
        assert payload.data not in hidden.data
    assert await opened(here, hidden) == payload
    # Who knows of no workflow, such as a codec server, reads it too.
    assert await opened(converter(keys), hidden) == payload
    assert (await sealed(here, payload)).data != hidden.data


@given(payload=payloads, workflow_id=workflow_ids, which=st.integers(min_value=0))
async def test_any_flipped_bit_is_refused(keys: Path, payload: Payload, workflow_id: str, which: int) -> None:
    here = converter(keys, workflow_id)
    hidden = await sealed(here, payload)
    changed = bytearray(hidden.data)
    changed[which // 8 % len(changed)] ^= 1 << which % 8
    hidden.data = bytes(changed)
    assert await refusal(here, hidden) == ("payload_not_authentic", "first")
    hidden.data = hidden.data[: which % len(hidden.data)]
    assert await refusal(here, hidden) == ("payload_not_authentic", "first")


@given(payload=payloads, ids=st.lists(workflow_ids.filter(bool), min_size=2, max_size=2, unique=True))
async def test_a_payload_cannot_be_moved_to_another_workflow(keys: Path, payload: Payload, ids: list[str]) -> None:
    here, there = (converter(keys, workflow_id) for workflow_id in ids)
    hidden = await sealed(here, payload)
    assert await refusal(there, hidden) == ("payload_not_authentic", "first")
    hidden.metadata["encryption-workflow-id"] = ids[1].encode()
    assert await refusal(there, hidden) == ("payload_not_authentic", "first")
    del hidden.metadata["encryption-workflow-id"]
    assert await refusal(there, hidden) == ("payload_not_authentic", "first")


async def test_activities_and_the_runs_of_schedules_read_what_is_theirs(keys: Path) -> None:
    activity = ActivitySerializationContext("space", "1", None, None, "source-x", None, is_local=False)
    hidden = await sealed(converter(keys).with_context(activity), Payload(data=b"a"))
    assert await opened(converter(keys, "source-x"), hidden) == Payload(data=b"a")
    assert await opened(converter(keys, "source-x-2026-11-22T00:10:00Z"), hidden) == Payload(data=b"a")
    assert await refusal(converter(keys, "source-x-2"), hidden) == ("payload_not_authentic", "first")


async def test_keys_are_rotated_in_a_running_process(tmp_path: Path) -> None:
    file = write(tmp_path / "keys", FIRST)
    here = converter(file, "run")
    old = await sealed(here, Payload(data=b"old"))
    write(file, FIRST, SECOND)
    assert (await sealed(here, Payload(data=b"x"))).metadata["encryption-key-id"] == b"first"
    write(file, SECOND, FIRST)
    new = await sealed(here, Payload(data=b"new"))
    assert new.metadata["encryption-key-id"] == b"second"
    assert [await opened(here, each) for each in (old, new)] == [Payload(data=b"old"), Payload(data=b"new")]
    write(file, SECOND)
    assert await refusal(here, old) == ("payload_key_missing", "first")
    assert await opened(here, new) == Payload(data=b"new")
    write(file, SECOND, FIRST)
    assert await opened(here, old) == Payload(data=b"old")


async def test_a_file_that_makes_no_sense_leaves_the_keys_in_use(tmp_path: Path) -> None:
    file = write(tmp_path / "keys", FIRST)
    here = converter(file, "run")
    hidden = await sealed(here, Payload(data=b"a"))
    for lines in (("half of",), ()):
        write(file, *lines)
        assert await opened(here, hidden) == Payload(data=b"a")
    file.unlink()
    assert await opened(here, await sealed(here, Payload(data=b"b"))) == Payload(data=b"b")


async def test_who_misses_a_key_looks_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = write(tmp_path / "mine", FIRST), write(tmp_path / "others", SECOND)
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 3600.0)
    here = converter(mine, "run")
    hidden = await sealed(converter(others, "run"), Payload(data=b"a"))
    assert await refusal(here, hidden) == ("payload_key_missing", "second")
    write(mine, FIRST, SECOND)
    assert await opened(here, hidden) == Payload(data=b"a")


async def test_fleets_with_and_without_keys_read_what_was_not_encrypted(keys: Path) -> None:
    clear = DefaultPayloadConverter().to_payload(ChatRequest(model="m"))
    assert await sealed(converter(None, "run"), clear) == clear
    for here in (converter(keys, "run"), converter(None, "run")):
        assert await opened(here, clear) == clear
    hidden = await sealed(converter(keys, "run"), clear)
    assert await refusal(converter(None, "run"), hidden) == ("payload_key_missing", "first")
    assert await refusal(converter(keys, "run", refuse_clear=True), clear) == ("payload_in_clear", "")
    assert await opened(converter(keys, "run", refuse_clear=True), hidden) == clear


async def test_an_id_that_somebody_made_up_is_not_repeated(keys: Path) -> None:
    hidden = Payload(metadata={"encoding": ENCODING, "encryption-key-id": b"a\nb"}, data=b"x")
    assert await refusal(converter(keys), hidden) == ("payload_key_missing", "unknown")


async def test_failures_hide_what_they_say_and_tell_it_to_who_has_the_key(keys: Path) -> None:
    here, failure = converter(keys, "run"), Failure()
    try:
        raise ApplicationError("the secret message", "the secret detail", type="reason")
    except ApplicationError as error:
        await here.encode_failure(error, failure)
    assert b"secret" not in failure.SerializeToString()
    told = await here.decode_failure(failure)
    assert isinstance(told, ApplicationError)
    assert (told.message, told.details, told.type) == ("the secret message", ("the secret detail",), "reason")


async def test_what_is_stored_beside_a_history_is_encrypted(keys: Path, tmp_path: Path) -> None:
    here = data_converter(PayloadSettings(store=str(tmp_path / "store"), keys_file=keys))
    bound = here.with_context(WorkflowSerializationContext("space", "run"))
    text = "secret " * (INLINE_BYTES // 7 + 1)
    [large] = await bound.encode([text])
    [stored] = [path.read_bytes() for path in (tmp_path / "store").glob("*/*")]
    assert len(large.data) < 1000
    assert b"secret" not in stored
    assert await bound.decode([large]) == [text]


async def test_the_loop_does_not_stand_still_for_what_is_large(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()
    here = converter(keys, "run")
    codec = here.payload_codec
    assert codec
    for name in ("_sealed", "_opened"):
        work = getattr(codec, name)
        told = lambda *given, work=work: (threads.add(threading.current_thread().name), work(*given))[1]  # noqa: E731
        monkeypatch.setattr(codec, name, told)
    large = Payload(data=b"x" * 2_000_000)
    assert await asyncio.wait_for(opened(here, await sealed(here, large)), 30) == large
    assert threading.main_thread().name not in threads


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it holds no key"),
        ("# one\n\n", "it holds no key"),
        ("first", "line 1: must be an id, a space and a key in base64"),
        (f"{FIRST} more", "line 1: must be an id"),
        (f"{FIRST}\n\n{new_line('first')}", "line 3: the id first stands in an earlier line, too"),
        (new_line("fi/rst"), "line 1: an id is made of"),
        ("first c2hvcnQ=", "line 1: the key must be 32 bytes in base64"),
        ("first ?", "line 1: the key must be 32 bytes in base64"),
    ],
    # Keys are drawn, and tests that run side by side want the same names.
    ids=["empty", "comment", "no-key", "more", "twice", "id", "short", "no-base64"],
)
def test_what_a_file_of_keys_cannot_hold(text: str, problem: str) -> None:
    with pytest.raises(PayloadKeysInvalid, match=problem) as caught:
        keys_of(text)
    assert FIRST.split()[1] not in str(caught.value)


@given(st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True), min_size=1, unique=True))
def test_the_keys_of_a_file_stand_in_its_order(ids: list[str]) -> None:
    found = keys_of("\n".join(map(new_line, ids)))
    assert list(found) == ids
    assert len(set(found.values())) == len(ids)
    assert keys_of(new_line(new_id()))


def test_a_file_that_cannot_be_used_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartupError, match=r"OLO_PAYLOAD_KEYS_FILE: .* it cannot be read"):
        converter(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(StartupError, match="it is no text"):
        converter(tmp_path / "binary")
    monkeypatch.setenv("OLO_PAYLOAD_REFUSE_CLEAR", "true")
    with pytest.raises(StartupError, match="OLO_PAYLOAD_REFUSE_CLEAR"):
        load_settings(TemporalSettings)

"""What lines of the log hold, and what they never hold."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from temporalio.testing import ActivityEnvironment

from olo_common import journal as journals
from olo_common.journal import KEPT, WAITING, Journal, journal
from olo_common.log_fields import FIELDS, LONGEST, listed, places_of
from olo_common.logs import configure_logs, logger
from olo_common.run_ids import RunIds
from olo_common.settings import LogSettings

CANARY = "canary-4711"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process writes whose logs are set up; afterwards they are as before."""
    monkeypatch.setattr(journals._Current, "journal", None)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    configure_logs(LogSettings(), "tested")
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def leak(prompt: str) -> None:
    try:
        raise ValueError(prompt)
    except ValueError as error:
        raise RuntimeError(f"cannot answer {prompt}") from error


def test_fields_that_are_not_listed_are_left_out(written: io.StringIO) -> None:
    log = structlog.stdlib.get_logger("a")
    log.info("happened", prompt=CANARY, messages=[CANARY], reason="busy", error={"text": CANARY}, times=3)
    (line,) = lines(written)
    assert (line["event"], line["reason"], line["times"], line["error"]) == ("happened", "busy", 3, "dict")
    assert (line["service"], line["level"]) == ("tested", "info")
    assert CANARY not in written.getvalue()


def test_an_exception_is_its_types_and_places(written: io.StringIO) -> None:
    try:
        leak(CANARY)
    except RuntimeError as error:
        logger("b").error("crashed", exc_info=error)
        logger("b").exception("crashed")
        logging.getLogger("library").exception("failed with %s", CANARY)
    assert CANARY not in written.getvalue()
    for line in lines(written):
        assert "RuntimeError at " in line["exception"]
        assert "; because of ValueError at " in line["exception"]
        assert "test_common_logs.py" in line["exception"]


def test_a_library_s_message_is_its_template_and_its_place(written: io.StringIO) -> None:
    logging.getLogger("library").warning("no answer to %s", CANARY)
    logging.getLogger("library").warning(f"no answer to {CANARY}")
    logging.getLogger("asyncio").error(CANARY, exc_info=ValueError(CANARY))
    first, second, third = lines(written)
    assert (first["event"], first["template"], first["logger"]) == ("library_message", "no answer to %s", "library")
    assert "template" not in second
    assert second["place"].startswith("tests/test_common_logs.py:")
    assert "ValueError" in third["exception"]
    assert CANARY not in written.getvalue()


def test_texts_are_written_where_they_are_wanted(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs(LogSettings(texts=True), "tested")
    try:
        leak("the disk is full")
    except RuntimeError:
        logging.getLogger("library").exception("failed: %s", "badly")
    (line,) = lines(written)
    assert line["event"] == "failed: badly"
    assert "the disk is full" in line["exception"]


def test_credentials_of_urls_are_masked_and_long_values_cut(written: io.StringIO) -> None:
    logger("c").info("connected", url="nats://me:sesame@10.0.0.1:4222", path="x" * 1000)
    (line,) = lines(written)
    assert line["url"] == "nats://****@10.0.0.1:4222"
    assert len(line["path"]) == LONGEST


@given(st.text())
def test_what_a_caller_has_made_up_moves_no_cursor_and_begins_no_line(made_up: str) -> None:
    # A path is whatever bytes somebody has sent; `curl /%1b[2J` would have cleared the screen of who reads the log.
    told = listed(None, "info", {"path": f"/\x1b[2J\x9b2J\r\n{made_up}", "exception": "one\ntwo"})
    assert told["path"].isprintable()
    assert told["path"].startswith(r"/\x1b[2J\x9b2J\r\n")
    assert len(told["path"]) <= LONGEST
    assert told["exception"] == "one\ntwo"


def test_a_library_s_line_about_a_workflow_names_its_run(written: io.StringIO) -> None:
    logging.getLogger("temporalio.workflow").warning("x", extra={"temporal_workflow": {"workflow_id": "run-1"}})
    with structlog.contextvars.bound_contextvars(run_id="run-2", request_id="r"):
        logger("d").info("asked")
    first, second = lines(written)
    assert (first["run_id"], second["run_id"], second["request_id"]) == ("run-1", "run-2", "r")


def test_the_journal_keeps_what_was_written(written: io.StringIO) -> None:
    logger("e").info("first", prompt=CANARY)
    logging.getLogger("library").error("second %s", CANARY)
    kept = journal()
    assert kept is not None
    assert [line["event"] for line in kept.lines] == ["first", "library_message"]
    assert CANARY not in json.dumps(list(kept.lines))


@given(
    st.dictionaries(
        st.sampled_from(sorted(FIELDS)) | st.text(min_size=1).filter(lambda name: not name.startswith("_")),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()) | st.binary(),
    )
)
def test_whatever_is_told_can_be_written_and_is_listed(event: dict[str, Any]) -> None:
    told = listed(None, "info", dict(event))
    assert set(told) <= FIELDS
    json.dumps(told)


def test_an_exception_that_causes_itself_is_told() -> None:
    error = ValueError("a")
    error.__context__ = error
    assert places_of(error).count("ValueError") >= 1


class Bus:
    """Takes what it is told to take."""

    def __init__(self) -> None:
        self.there = True
        self.lines: list[str] = []
        self.dropped = 0
        self.asked = asyncio.Event()

    async def publish_quietly(self, subject: str, payload: bytes) -> bool:
        assert subject == "olo.logs.v1.tested"
        self.asked.set()
        if not self.there:
            return False
        told = json.loads(payload)
        self.lines += [line["event"] for line in told["lines"]]
        self.dropped += told["dropped"]
        return True

    async def has(self, event: str) -> None:
        async with asyncio.timeout(20):
            while event not in self.lines:
                await asyncio.sleep(0.02)


async def test_lines_are_sent_in_order_those_before_the_bus_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_PAUSE_SECONDS", 0.001)
    kept, bus = Journal("tested"), Bus()
    kept.keep(None, "", {"event": "before", "_record": object()})
    sending = asyncio.create_task(kept.send(bus))
    other = asyncio.create_task(kept.send(Bus()))
    await bus.has("before")
    for number in range(250):
        kept.keep(None, "", {"event": str(number)})
    await asyncio.to_thread(kept.keep, None, "", {"event": "last"})
    await bus.has("last")
    assert bus.lines == ["before", *map(str, range(250)), "last"]
    for task in (sending, other):
        task.cancel()
    await asyncio.gather(sending, other, return_exceptions=True)


async def test_whoever_asks_is_told_what_was_written_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_PAUSE_SECONDS", 0.001)
    kept, bus = Journal("tested"), Bus()
    await kept.asked("", b"")
    for event in ("first", "last"):
        kept.keep(None, "", {"event": event})
    sending = asyncio.create_task(kept.send(bus))
    await bus.has("last")
    bus.lines.clear()
    await kept.asked("", b"")
    await bus.has("last")
    assert bus.lines == ["first", "last"]
    assert [each["number"] for each in kept.lines] == [1, 2]
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("in_order", [True, False])
def test_a_second_loop_sends_after_the_first_is_closed(monkeypatch: pytest.MonkeyPatch, in_order: bool) -> None:
    monkeypatch.setattr(journals, "_PAUSE_SECONDS", 0.001)
    kept, left = Journal("tested"), []

    async def sent(event: str) -> list[str]:
        bus = Bus()
        sending = asyncio.create_task(kept.send(bus))
        await bus.has("first")
        kept.keep(None, "", {"event": event})
        await bus.has(event)
        if in_order:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        else:
            # What else would be said of it, when it is forgotten, is meant here.
            sending._log_destroy_pending = False  # type: ignore[attr-defined]
            left.append(sending)
        return bus.lines

    kept.keep(None, "", {"event": "first"})
    for event, expected in (("second", ["first", "second"]), ("third", ["first", "second", "third"])):
        loop = asyncio.new_event_loop()
        try:
            assert loop.run_until_complete(sent(event)) == expected
        finally:
            loop.close()


async def test_what_cannot_be_sent_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_PAUSE_SECONDS", 0.001)
    kept, bus = Journal("tested"), Bus()
    bus.there = False
    sending = asyncio.create_task(kept.send(bus))
    kept.keep(None, "", {"event": "first"})
    await asyncio.wait_for(bus.asked.wait(), 20)
    written = WAITING + KEPT
    for number in range(written):
        kept.keep(None, "", {"event": str(number)})
    assert len(kept.lines) == KEPT
    bus.there = True
    await bus.has(str(written - 1))
    assert len(bus.lines) == WAITING
    assert bus.dropped == written + 1 - WAITING
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_an_activity_names_its_run_in_each_line() -> None:
    seen: list[Any] = []

    class Inner:
        def init(self, _: object) -> None: ...

        async def execute_activity(self, _: object) -> None:
            seen.append(structlog.contextvars.get_contextvars()["run_id"])

    bound = RunIds().intercept_activity(Inner())  # type: ignore[arg-type]
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_id="run-7")
    await environment.run(bound.execute_activity, object())
    assert seen == ["run-7"]
    assert "run_id" not in structlog.contextvars.get_contextvars()

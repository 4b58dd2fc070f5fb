"""The last lines of all services, as a gateway hears and shows them."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from olo_common.journal import Journal
from olo_gateway.adapters.nats_logs import KEPT, NatsLogs
from olo_gateway.http import errors
from olo_gateway.http.log_routes import log_routes
from olo_gateway.ports import LogQuestion

NUMBERS = itertools.count(1)


def line(second: int, service: str = "router", level: str = "info", **fields: Any) -> dict[str, Any]:
    moment = f"2026-11-21T10:00:{second:02}.000000Z"
    number = next(NUMBERS)
    told = {"timestamp": moment, "level": level, "service": service, "event": f"event_{second}", "number": number}
    return told | fields


def batch(*lines: object, dropped: object = 0) -> bytes:
    return json.dumps({"lines": lines, "dropped": dropped}).encode()


@pytest.fixture
def own() -> Journal:
    return Journal("gateway")


@pytest.fixture
def logs(own: Journal) -> NatsLogs:
    return NatsLogs(own)


@pytest.fixture
async def http(logs: NatsLogs) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    errors.install(app)
    app.include_router(log_routes(logs))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as opened:
        yield opened


async def test_lines_of_all_services_are_shown_in_their_order(
    http: httpx.AsyncClient, logs: NatsLogs, own: Journal
) -> None:
    await logs.heard("", batch(line(3), line(1, "registry", process="a:1", reason="busy", prompt="secret")))
    own.keep(None, "", line(2))
    told = (await http.get("/logviewer/api/logs")).json()
    assert [(each["event"], each["service"]) for each in told["lines"]] == [
        ("event_1", "registry"),
        ("event_2", "gateway"),
        ("event_3", "router"),
    ]
    assert told["services"] == ["gateway", "registry", "router"]
    assert (told["lines"][0]["process"], told["lines"][0]["fields"]) == ("a:1", {"reason": "busy"})


async def test_lines_can_be_narrowed_down(http: httpx.AsyncClient, logs: NatsLogs) -> None:
    await logs.heard("", batch(line(1), line(2, level="error", run_id="run-1"), line(3, "registry", "warning")))
    await logs.heard("", batch(line(4, "retrieval", request_id="run-1")))

    async def events(**wanted: Any) -> list[str]:
        return [each["event"] for each in (await http.get("/logviewer/api/logs", params=wanted)).json()["lines"]]

    assert await events(service="registry") == ["event_3"]
    assert await events(level="warning") == ["event_2", "event_3"]
    assert await events(run_id="run-1") == ["event_2", "event_4"]
    assert await events(run_id="run-1", level="error", service="router") == ["event_2"]
    assert await events(limit=2) == ["event_3", "event_4"]
    assert await events(service="nobody") == []


@pytest.mark.parametrize(
    ("wanted", "field"), [({"level": "loud"}, "level"), ({"limit": 0}, "limit"), ({"limit": 1001}, "limit")]
)
async def test_a_wrong_parameter_is_named(http: httpx.AsyncClient, wanted: dict[str, Any], field: str) -> None:
    answer = await http.get("/logviewer/api/logs", params=wanted)
    assert answer.status_code == 400
    assert field in answer.text


async def test_the_gateway_s_own_lines_are_shown_once(logs: NatsLogs, own: Journal) -> None:
    own.keep(None, "", line(1))
    await logs.heard("", batch(*own.lines))
    assert len(logs.lines(LogQuestion())) == 1


async def test_what_others_send_is_shown_as_plain_text(http: httpx.AsyncClient, logs: NatsLogs) -> None:
    await logs.heard("", batch(line(1, path="/\x1b[2J")))
    (shown,) = (await http.get("/logviewer/api/logs")).json()["lines"]
    assert shown["fields"] == {"path": r"/\x1b[2J"}


async def test_lines_that_are_sent_again_are_shown_once(logs: NatsLogs) -> None:
    first, second, third = (line(each, process="a:1") for each in (1, 2, 3))
    other = {**first, "process": "b:2"}
    for sent in (batch(second), batch(first, second, third), batch(other)):
        await logs.heard("", sent)
    assert len(logs.lines(LogQuestion())) == 4


async def test_what_is_kept_is_bounded(logs: NatsLogs) -> None:
    for number in range(100):
        await logs.heard("", batch(line(number % 60, f"service-{number}")))
    assert len(logs.services) == 32
    for _ in range(KEPT // 50):
        await logs.heard("", batch(*[line(1, "service-99") for _ in range(100)]))
    assert len(logs.lines(LogQuestion(service="service-99", limit=KEPT * 2))) == KEPT


async def test_what_was_dropped_is_told(http: httpx.AsyncClient, logs: NatsLogs) -> None:
    await logs.heard("", batch(dropped=3))
    await logs.heard("", batch(dropped=-9))
    assert (await http.get("/logviewer/api/logs")).json()["dropped"] == 3


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.lists(_JSON | st.fixed_dictionaries(dict.fromkeys(("timestamp", "level", "event", "service"), _JSON))))
async def test_whatever_is_sent_is_a_line_or_is_left_out(sent: list[Any]) -> None:
    logs = NatsLogs(None)
    await logs.heard("", batch(*sent, line(1)))
    assert [each["event"] for each in logs.lines(LogQuestion(service="router"))][-1:] == (
        ["event_1"] if len(sent) < 100 else []
    )

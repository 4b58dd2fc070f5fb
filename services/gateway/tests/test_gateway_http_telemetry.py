"""What is told of HTTP calls: spans in their callers' traces, and how long they took."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from olo_common import tracing
from olo_common.metrics import Histogram
from olo_common.spans import Recorder
from olo_gateway.http.telemetry import HttpTelemetry
from olo_gateway.telemetry import HTTP_CALLS

CANARY = "canary-4711"
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing._Current, "recorder", Recorder("tested", 1.0, SimpleSpanProcessor(exporter)))
    return exporter


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The labels of every call that was measured."""
    told: list[dict[str, str]] = []

    def record(self: Histogram, value: float, **labels: str) -> None:
        if self is HTTP_CALLS:
            assert value >= 0
            told.append(labels)

    monkeypatch.setattr(Histogram, "record", record)
    return told


def one(spans: InMemorySpanExporter) -> ReadableSpan:
    (found,) = (each for each in spans.get_finished_spans() if each.kind is trace.SpanKind.SERVER)
    return found


async def asked(app: Any, method: str, path: str, **wish: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://there") as http:
        return await http.request(method, path, **wish)


async def test_a_call_goes_on_with_the_trace_of_its_caller(
    scripted: Any, spans: InMemorySpanExporter, measured: list[dict[str, str]]
) -> None:
    assert (await asked(scripted.app, "POST", "/v1/chat/completions", json=CHAT, headers=CALLER)).status_code == 200
    told = one(spans)
    assert told.name == "POST /v1/chat/completions"
    assert told.context is not None
    assert told.parent is not None
    assert (told.context.trace_id, told.parent.span_id) == (int(TRACE_ID, 16), int(SPAN_ID, 16))
    assert told.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
    }
    assert measured == [
        {
            "http_request_method": "POST",
            "http_route": "/v1/chat/completions",
            "http_response_status_code": "200",
            "error_type": "",
            "url_scheme": "http",
        }
    ]
    assert {*measured[0]} == {*HTTP_CALLS.labels}


async def test_what_is_in_the_path_is_no_label(
    scripted: Any, spans: InMemorySpanExporter, measured: list[dict[str, str]]
) -> None:
    for method, path in (("GET", f"/v1/runs/{CANARY}"), ("GET", f"/{CANARY}"), (CANARY.upper(), "/v1/models")):
        assert (await asked(scripted.app, method, path)).status_code >= 400
    assert {each.name for each in spans.get_finished_spans()} == {"GET /v1/runs/{run_id}", "GET", "HTTP /v1/models"}
    assert [each["http_route"] for each in measured] == ["/v1/runs/{run_id}", "", "/v1/models"]
    assert not any(CANARY in str(each).lower() for each in measured)


async def test_refusals_of_callers_are_no_failures_and_crashes_are(
    spans: InMemorySpanExporter, measured: list[dict[str, str]]
) -> None:
    async def crash(_: Any) -> None:
        raise ValueError(CANARY)

    async def unready(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def leave(_: Any) -> None:
        raise ClientDisconnect

    app = Starlette(routes=[Route("/crash", crash), Route("/leave", leave), Mount("/files", unready)])
    app.add_middleware(HttpTelemetry)
    for path in ("/crash", "/leave", "/files/some", "/nothing"):
        await asked(app, "GET", path)
    told = spans.get_finished_spans()
    assert [(each["http_route"], each["http_response_status_code"], each["error_type"]) for each in measured] == [
        ("/crash", "500", "ValueError"),
        ("/leave", "", "ClientDisconnect"),
        ("/files", "503", "503"),
        ("", "404", ""),
    ]
    assert [each.status.is_ok for each in told] == [False, False, False, True]
    assert not any(CANARY in each.to_json() for each in told)


async def test_probes_are_not_told(scripted: Any, spans: InMemorySpanExporter, measured: list[dict[str, str]]) -> None:
    await asked(scripted.app, "GET", "/healthz")
    assert not spans.get_finished_spans()
    assert not measured

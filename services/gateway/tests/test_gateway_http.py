"""The OpenAI dialect, spoken by the real client over a real socket."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from http_edge import Edge

from olo.gateway.v1.run_pb2 import REQUEST_PRIORITY_BATCH
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.errors import StartupError
from olo_common.lifecycle import Lifetime
from olo_gateway.http.server import http_server
from olo_gateway.streaming.events import Chunk

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture
async def edge() -> Edge:
    built = Edge()
    await built.health.cover([])
    return built


@pytest.fixture
async def address(edge: Edge) -> AsyncIterator[str]:
    async with http_server(edge.app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=5.0) as bound:
        yield bound


@pytest.fixture
async def client(address: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"http://{address}/v1", api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as opened:
        yield opened


async def test_an_answer_waits_for_no_thread(client: openai.AsyncOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    # FastAPI gives whatever is no coroutine to one.
    monkeypatch.delattr("anyio.to_thread.run_sync")
    assert await client.chat.completions.create(model="auto", messages=HELLO)


async def test_an_answer_with_everything_about_it(client: openai.AsyncOpenAI, edge: Edge) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ],
        max_completion_tokens=7,
        temperature=0,
        stop="END",
        user="somebody",
        extra_body={"rag": {"collection": "demo", "top_k": 2}, "timeout": 5, "unknown_key": 1},
        extra_headers={"Idempotency-Key": "order-7", "x-request-id": "call-1"},
    )
    answer = raw.parse()
    assert raw.headers["x-olo-run-id"] == "run-order-7"
    assert raw.headers["x-request-id"] == "call-1"
    assert answer.choices[0].message.content == "Hello [1]"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 5
    olo: Any = (answer.model_extra or {})["olo"]
    assert olo["run_id"] == "run-order-7"
    assert olo["citations"][0]["source"] == "s.md"
    assert olo["selection"]["candidates"][0]["reason"] == "default"
    assert "10.0.0.1" not in str(olo)
    assert set(olo["timings"]) == {"retrieve", "select", "generate", "total", "queue", "parked"}
    run_id, request = edge.runs.started[0]
    assert run_id == "run-order-7"
    assert [(m.role, m.content) for m in request.messages] == [
        (inference.ROLE_SYSTEM, "Be brief."),
        (inference.ROLE_USER, "a\nb"),
    ]
    assert request.sampling.max_tokens == 7
    assert request.sampling.HasField("temperature")
    assert not request.sampling.HasField("top_p")
    assert list(request.sampling.stop) == ["END"]
    assert request.rag.top_k == 2
    assert request.timeout.seconds == 5
    assert request.model == ""


async def test_a_stream_has_role_text_end_and_usage(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="auto", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks[1:-2]) == "Hello [1]"
    last, usage = chunks[-2], chunks[-1]
    assert last.choices[0].finish_reason == "length"
    assert (last.model_extra or {})["olo"]["model"] == last.model == "org/model-1"
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.prompt_tokens == 3
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(http: httpx.AsyncClient, edge: Edge) -> None:
    headers, body = {"Idempotency-Key": "k"}, chat("wait", stream=True)
    edge.release.set()
    whole = sse_events((await http.post("/v1/chat/completions", json=body, headers=headers)).text)
    assert "".join(text for _, text in whole) == "Hello [1]"
    for seen, (event_id, _) in enumerate(whole):
        if event_id:
            rest = "".join(text for _, text in whole[seen + 1 :])
            again = {**headers, "Last-Event-ID": event_id}
            posted = await http.post("/v1/chat/completions", json=body, headers=again)
            got = await http.get(RETRIEVE, params={"stream": True}, headers={"Last-Event-ID": event_id})
            for answer in (posted, got):
                assert answer.headers["x-olo-run-id"] == "run-k"
                assert "".join(text for _, text in sse_events(answer.text)) == rest
    assert len(edge.runs.started) == 1


async def test_another_instance_goes_on_while_the_run_does(http: httpx.AsyncClient, edge: Edge) -> None:
    """What was said before is known there from the chunks that are kept."""
    headers, body = {"Idempotency-Key": "k"}, chat("wait", stream=True)
    first = asyncio.create_task(http.post("/v1/chat/completions", json=body, headers=headers))
    await edge.begun.wait()
    edge.tokens.keep("run-k", Chunk(2, 1, 0, "Hel"))
    params, last = {"stream": True}, {"Last-Event-ID": f"2-{zlib.crc32(b'He'):08x}"}
    async with http.stream("GET", RETRIEVE, params=params, headers=last) as answer:
        lines = answer.aiter_lines()
        assert [text async for text in texts(lines, 2)] == ["", "l"]
        edge.release.set()
        assert "".join([text async for text in texts(lines)]) == "lo [1]"
    await first


async def test_an_answer_is_retrieved_by_its_id(client: openai.AsyncOpenAI, edge: Edge) -> None:
    made = await client.chat.completions.create(
        model="auto", messages=HELLO, store=True, extra_headers={"Idempotency-Key": "k"}
    )
    retrieved = await client.chat.completions.retrieve(made.id)
    assert retrieved.choices == made.choices
    assert edge.runs.started[0][1].store
    for unknown in ("chatcmpl-run-x", "run-k", "chatcmpl-..", "chatcmpl-%00"):
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.retrieve(unknown)
        assert caught.value.code == "run_not_found"


@pytest.mark.parametrize(
    ("event_id", "status", "code"),
    [
        ("10-00000000", 416, "offset_invalid"),
        ("x", 400, "field_invalid"),
        ("", 400, "field_invalid"),
        ("-1-00000000", 400, "field_invalid"),
    ],
)
async def test_a_place_that_no_answer_has_is_refused(
    http: httpx.AsyncClient, event_id: str, status: int, code: str
) -> None:
    headers = {"Idempotency-Key": "k", "Last-Event-ID": event_id}
    await http.post("/v1/chat/completions", json=chat("once"), headers={"Idempotency-Key": "k"})
    posted = await http.post("/v1/chat/completions", json=chat("once", stream=True), headers=headers)
    got = await http.get(RETRIEVE, params={"stream": True}, headers=headers)
    for answer in (posted, got):
        assert answer.status_code == status
        assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, "Last-Event-ID")


async def test_only_a_run_with_an_id_can_be_resumed(http: httpx.AsyncClient, edge: Edge) -> None:
    headers = {"Last-Event-ID": "1-00000000"}
    answer = await http.post("/v1/chat/completions", json=chat("once", stream=True), headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Last-Event-ID")
    assert edge.runs.started == []


async def test_what_was_shown_of_a_void_answer_is_taken_back(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k", "Last-Event-ID": f"3-{zlib.crc32(b'Bye'):08x}"}
    body = chat("reset", stream=True)
    await http.post("/v1/chat/completions", json=body, headers={"Idempotency-Key": "k"})
    answer = (await http.post("/v1/chat/completions", json=body, headers=headers)).text
    assert answer.startswith("id: 0-00000000\ndata: ")
    assert '"reset":"next_model"' in answer.splitlines()[1]
    assert "".join(text for _, text in sse_events(answer)) == "Hello [1]"


async def test_a_reset_is_told_beside_the_shape(client: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "reset"}]
    text = ""
    async for chunk in await client.chat.completions.create(model="auto", messages=messages, stream=True):
        extra = chunk.model_extra or {}
        text = "" if "reset" in extra.get("olo", {}) else text + (chunk.choices[0].delta.content or "")
    assert text == "Hello [1]"


@pytest.mark.usefixtures("short_silences")
async def test_silence_is_filled_with_comments(http: httpx.AsyncClient, edge: Edge) -> None:
    async with http.stream("POST", "/v1/chat/completions", json=chat("wait", stream=True)) as answer:
        lines = answer.aiter_lines()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        assert await anext(lines) == ": keep-alive"
        edge.release.set()
        rest = [line async for line in lines if line]
    assert rest[-1] == "data: [DONE]"


@pytest.mark.usefixtures("short_silences")
async def test_a_silence_within_an_answer_is_no_event_of_it(http: httpx.AsyncClient, edge: Edge) -> None:
    body = ""
    async with http.stream("POST", "/v1/chat/completions", json=chat("pause", stream=True)) as answer:
        async for text in answer.aiter_text():
            body += text
            if ": keep-alive" in body:
                edge.release.set()
    assert body.index("id: ") < body.index(": keep-alive")
    # The client remembers the id; a blank line behind the comment would be an event to it.
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=body))
    async with openai.AsyncOpenAI(api_key="any", http_client=httpx.AsyncClient(transport=transport)) as client:
        stream = await client.chat.completions.create(model="auto", messages=HELLO, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(said) == "Hello [1]"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_before_the_first_token_has_its_status(client: openai.AsyncOpenAI, stream: bool) -> None:
    missing: list[Any] = [{"role": "user", "content": "missing"}]
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="x", messages=missing, stream=stream)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    nobody: list[Any] = [{"role": "user", "content": "nobody"}]
    with pytest.raises(openai.InternalServerError) as away:
        await client.chat.completions.create(model="x", messages=nobody, stream=stream)
    assert away.value.status_code == 503
    assert away.value.response.headers["retry-after"] == "2"


async def test_an_error_in_the_middle_is_the_last_event(client: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "late failure"}]
    stream = await client.chat.completions.create(model="x", messages=messages, stream=True)
    with pytest.raises(openai.APIError, match="no model is there"):
        async for _ in stream:
            pass


@pytest.mark.parametrize("stream", [False, True])
async def test_a_bug_tells_nothing(http: httpx.AsyncClient, stream: bool) -> None:
    answer = await http.post("/v1/chat/completions", json=chat("bug", stream=stream))
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["type"] == "server_error"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hang_up_cancels_the_run(address: str, edge: Edge, stream: bool) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as http:
        call = asyncio.create_task(http.post("/v1/chat/completions", json=chat("wait", stream=stream)))
        await edge.begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    await asyncio.wait_for(edge.cancelled.wait(), 5)


async def test_beyond_the_limit_callers_are_sent_away_at_once(http: httpx.AsyncClient, edge: Edge) -> None:
    waiting = [asyncio.create_task(http.post("/v1/chat/completions", json=chat("wait"))) for _ in range(4)]
    while len(edge.runs.started) < 4:
        await asyncio.sleep(0)
    refused = await http.post("/v1/chat/completions", json=chat("hello"))
    edge.release.set()
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["error"]["code"] == "overloaded"


async def test_models_are_listed_and_shown(client: openai.AsyncOpenAI) -> None:
    models = [model async for model in client.models.list()]
    assert [model.id for model in models] == ["org/model-0", "org/model-1", "org/model-2"]
    shown = await client.models.retrieve("org/model-1")
    assert (shown.model_extra or {})["context_length"] == 512
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("none")


async def test_health_says_what_is_missing(http: httpx.AsyncClient, edge: Edge) -> None:
    answer = await http.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "missing": ["temporal"]})
    await edge.health.set("temporal", True)
    assert (await http.get("/healthz")).status_code == 200
    await edge.health.drain()
    assert (await http.get("/healthz")).status_code == 503


async def test_the_description_needs_no_other_host(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert "https://" not in page
    assert "http://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert f"/docs/assets/{asset}" in page
        assert (await http.get(f"/docs/assets/{asset}")).status_code == 200
    described = (await http.get("/openapi.json")).json()
    assert {"/v1/chat/completions", "/v1/models", "/healthz"} <= set(described["paths"])
    create = described["paths"]["/v1/chat/completions"]["post"]
    assert {"200", "400", "404", "409", "429", "503"} <= set(create["responses"])
    assert "text/event-stream" in create["responses"]["200"]["content"]


async def test_a_taken_port_is_one_clear_sentence(edge: Edge, address: str) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(StartupError, match="OLO_GATEWAY_HTTP_PORT"):
        async with http_server(edge.app, "127.0.0.1", port, 1.0, Lifetime(), client_patience=5.0):
            pass


RETRIEVE = "/v1/chat/completions/chatcmpl-run-k"


def sse_events(body: str) -> list[tuple[str, str]]:
    """Id and text of each event with a choice."""
    events = []
    for block in body.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields.get("data", "[DONE]") != "[DONE]":
            delta = json.loads(fields["data"])["choices"][0]["delta"]
            events.append((fields.get("id", ""), delta.get("content", "")))
    return events


async def texts(lines: AsyncIterator[str], events: int = -1) -> AsyncIterator[str]:
    """The texts of the next events, or of all."""
    async for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))["choices"][0]["delta"].get("content", "")
            events -= 1
        if events == 0:
            return


def chat(said: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": said}], **fields}


async def test_headers_say_how_urgent_a_request_is_and_how_long_its_caller_waits(
    edge: Edge, http: httpx.AsyncClient
) -> None:
    headers = {"X-Request-Priority": "batch", "X-Request-Timeout": "7.5"}
    await http.post("/v1/chat/completions", json={"messages": HELLO, "timeout": 20}, headers=headers)
    request = edge.runs.started[-1][1]
    assert (request.priority, request.timeout.ToTimedelta().total_seconds()) == (REQUEST_PRIORITY_BATCH, 7.5)


async def test_a_server_takes_nothing_new_from_the_moment_that_it_is_told(edge: Edge) -> None:
    stopping = asyncio.Event()
    async with http_server(
        edge.app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=5.0, stopping=stopping
    ) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/v1/models")).status_code == 200
        stopping.set()
        async with asyncio.timeout(30):
            while await listens(address):
                await asyncio.sleep(0.02)


async def listens(address: str) -> bool:
    """Whether somebody accepts connections there."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def test_a_gateway_that_stops_takes_nothing_new_and_says_where_to_go(edge: Edge, http: httpx.AsyncClient) -> None:
    edge.admission.close()
    answer = await http.post("/v1/chat/completions", json={"messages": HELLO})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_stopping")
    assert answer.headers["retry-after"] == "1"
    assert edge.runs.started == []

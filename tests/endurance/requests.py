"""What clients do: each function is one request, from its beginning to the end that it should have."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from tests.endurance.standing import COLLECTION

from olo.gateway.v1.batch_service_pb2 import BatchStatus
from olo_client import AsyncOlo, NotFoundError

QUESTIONS: Final = (
    "When did the harbour tram of Saltmere begin to run?",
    "Where does the drinking water of Saltmere come from?",
    "When was the comet Brandmark first seen?",
    "Who keeps the lighthouse?",
)
_PATIENCE = 90.0
"""Seconds after which what should end soon counts as left hanging."""
_STEP = 0.3
_ENDED = {"completed", "failed", "cancelled", "timed_out"}


class Refused(Exception):
    """Not accepted: the gateway said when to come back."""


class Wrong(Exception):
    """The request did not end as it should."""


@dataclass(frozen=True)
class World:
    """What a client has at hand. `number` tells it from the others."""

    number: int
    olo: AsyncOlo
    http: httpx.AsyncClient
    draw: random.Random

    @property
    def question(self) -> str:
        """One of the questions, in words that were hardly ever asked before."""
        return f"{self.draw.choice(QUESTIONS)} ({self.draw.randrange(10**6)})"

    @property
    def length(self) -> int:
        """Tokens of an answer."""
        return self.draw.randrange(4, 40)

    def chat(self, **more: Any) -> dict[str, Any]:
        """The body of a chat over HTTP."""
        turns = [{"role": "user", "content": self.question}]
        return {"model": "auto", "messages": turns, "max_tokens": self.length, **more}


Request = Callable[[World], Awaitable[None]]


def accepted(answer: httpx.Response, *statuses: int) -> Any:
    """The body of an answer that has one of the statuses.

    Raises:
        Refused: It was refused for now.
        Wrong: It has another status.
    """
    if answer.status_code in statuses or (not statuses and answer.status_code == 200):
        return answer.json()
    if answer.status_code in (429, 503) and "retry-after" in answer.headers:
        raise Refused(_code(answer))
    raise Wrong(f"{answer.status_code} {_code(answer)}")


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "no code"


async def chat(world: World) -> None:
    answer = await world.olo.chat(world.question, max_tokens=world.length)
    if not answer.run_id:
        raise Wrong("no run")


async def chat_stream(world: World) -> None:
    text, whole = "", None
    async for event in world.olo.chat_stream(world.question, max_tokens=world.length):
        match event.WhichOneof("event"):
            case "reset":
                text = ""
            case "delta":
                text += event.delta.text
            case "completed":
                whole = event.completed.message.content
    if text != whole:
        raise Wrong("the stream is not the answer")


async def http_chat(world: World) -> None:
    accepted(await world.http.post("/v1/chat/completions", json=world.chat()))


async def http_stream(world: World) -> None:
    async with world.http.stream("POST", "/v1/chat/completions", json=world.chat(stream=True)) as answer:
        if answer.status_code != 200:
            await answer.aread()
            accepted(answer)
        lines = [line async for line in answer.aiter_lines() if line]
    if lines[-1] != "data: [DONE]":
        raise Wrong("the stream was cut off")


async def rag(world: World) -> None:
    answer = await world.olo.chat(world.question, collection=COLLECTION, top_k=2, max_tokens=world.length)
    if not answer.citations:
        raise Wrong("no citations")


async def background(world: World) -> None:
    body = {"model": "auto", "input": world.question, "background": True, "max_output_tokens": world.length}
    response = accepted(await world.http.post("/v1/responses", json=body))

    async def over() -> bool:
        shown = accepted(await world.http.get(f"/v1/responses/{response['id']}"))
        if shown["status"] in ("failed", "cancelled"):
            raise Wrong(f"{shown['status']} {(shown['error'] or {}).get('code')}")
        return shown["status"] in ("completed", "incomplete")

    await _until(over)
    if world.draw.random() < 0.5:
        accepted(await world.http.delete(f"/v1/responses/{response['id']}"))


async def embed(world: World) -> None:
    vectors = await world.olo.embed([world.question for _ in range(world.draw.randrange(1, 9))])
    if not vectors:
        raise Wrong("no vectors")


async def http_embed(world: World) -> None:
    accepted(await world.http.post("/v1/embeddings", json={"model": "auto", "input": [world.question]}))


async def documents(world: World) -> None:
    """A document comes, or a further version of it, is found, and may go."""
    collection, document_id = f"of-{world.number}", f"d{world.draw.randrange(8)}"
    with_name = f"The name of the {document_id} ship is Nettle {world.draw.randrange(10**6)}. "
    try:
        await world.olo.collections.get(collection)
    except NotFoundError:
        await world.olo.collections.create(collection)
    await world.olo.documents.ingest(collection, with_name * world.draw.randrange(1, 30), document_id=document_id)

    async def indexed() -> bool:
        document = await world.olo.documents.get(collection, document_id)
        if document.state == 3:
            raise Wrong(f"document failed: {document.error.reason}")
        return document.state == 2

    await _until(indexed)
    if not await world.olo.search(collection, with_name):
        raise Wrong("nothing found")
    if world.draw.random() < 0.4:
        await world.olo.documents.delete(collection, document_id)
    if world.draw.random() < 0.1:
        await world.olo.collections.delete(collection)


async def cancel(world: World) -> None:
    run_id = ""
    async for event in world.olo.chat_stream(world.question, max_tokens=200, store=True):
        if event.WhichOneof("event") == "started":
            run_id = event.started.run_id
        elif event.WhichOneof("event") == "delta":
            break
    await world.olo.runs.cancel(run_id)
    await _run_over(world, run_id)


async def slow_reader(world: World) -> None:
    """A client that takes its stream byte by byte, through the smallest of buffers."""
    received = b""
    reader, writer = await _raw(world, world.chat(stream=True))
    try:
        while piece := await reader.read(96):
            received += piece
            await asyncio.sleep(0.02)
    finally:
        writer.close()
    if b" 429 " in received[:20] or b" 503 " in received[:20]:
        raise Refused("slow reader")
    if b"data: [DONE]" not in received:
        raise Wrong(f"cut off: {received[:12]!r}")


async def hang_up(world: World) -> None:
    """A client that is gone after the first bytes; its run ends soon."""
    reader, writer = await _raw(world, world.chat(stream=True, max_tokens=200))
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    finally:
        writer.transport.abort()
    if " 200 " not in head[:20]:
        raise Refused("hang up")
    run_id = next(line.partition(": ")[2] for line in head.splitlines() if line.startswith("x-olo-run-id"))
    await _run_over(world, run_id)


async def batch(world: World) -> None:
    """A file of lines, one of which nobody can answer, and what has come of them."""
    bodies = [world.chat(max_tokens=8) for _ in range(3)] + [world.chat(model="nobody")]
    lines = [
        {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for number, body in enumerate(bodies)
    ]
    file = await world.olo.files.upload("\n".join(map(json.dumps, lines)).encode(), purpose="batch", filename="b.jsonl")
    made = await world.olo.batches.create(file.file_id, completion_window=600.0)
    stops = world.draw.random() < 0.2
    if stops:
        await world.olo.batches.cancel(made.batch_id)

    async def over() -> bool:
        return bool((await world.olo.batches.get(made.batch_id)).HasField("end_time"))

    await _until(over)
    ended = await world.olo.batches.get(made.batch_id)
    counts = (ended.status, ended.completed_count, ended.failed_count)
    if not stops and counts != (BatchStatus.BATCH_STATUS_COMPLETED, 3, 1):
        raise Wrong(f"batch ended with {counts}")
    for file_id in filter(None, (file.file_id, ended.output_file_id, ended.error_file_id)):
        await world.olo.files.delete(file_id)


async def look_around(world: World) -> None:
    """What dashboards, probes and people ask."""
    for path in ("/healthz", "/v1/models", "/v1/runs?limit=20", "/api/cluster/status", "/admin/metrics", "/api/tags"):
        accepted(await world.http.get(path))


async def bad_input(world: World) -> None:
    """Something that is wrong, and has to be refused as such."""
    body, headers = world.draw.choice(BAD)
    headers = {"content-type": "application/json", **headers}
    answer = await world.http.post("/v1/chat/completions", content=body, headers=headers)
    if not 400 <= answer.status_code < 500:
        raise Wrong(f"{answer.status_code} to {body[:30]!r}")


_HELLO: Final = '"messages": [{"role": "user", "content": "hello"}]'
BAD: Final[list[tuple[bytes, dict[str, str]]]] = [
    (b"{", {}),
    (b"[" * 100_000, {}),
    (b"\xff\xfe{}", {}),
    (b'{"messages": []}', {}),
    (b'{"messages": "hello"}', {}),
    (f'{{{_HELLO}, "model": "nobody"}}'.encode(), {}),
    (f'{{{_HELLO}, "max_tokens": 1e400}}'.encode(), {}),
    (f'{{{_HELLO}, "temperature": -1}}'.encode(), {}),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', {}),
    (f"{{{_HELLO}}}".encode(), {"content-type": "text/plain"}),
    (f"{{{_HELLO}}}".encode(), {"content-encoding": "gzip"}),
    (f"{{{_HELLO}}}".encode(), {"x-request-timeout": "soon"}),
    (f'{{{_HELLO}, "rag": {{"collection": "nowhere"}}}}'.encode(), {}),
    (f'{{"messages": [{{"role": "user", "content": "{"tide " * 9000}"}}]}}'.encode(), {}),
]

MIX: Final[dict[Request, int]] = {
    chat: 10,
    chat_stream: 10,
    http_chat: 10,
    http_stream: 10,
    rag: 10,
    background: 8,
    embed: 6,
    http_embed: 6,
    documents: 6,
    cancel: 4,
    slow_reader: 4,
    hang_up: 5,
    batch: 2,
    look_around: 4,
    bad_input: 8,
}
"""How often each comes, beside the others."""


async def _raw(world: World, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(str(world.http.base_url))
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (place.hostname, place.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=65536)
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {place.netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    writer.write(head.encode() + content)
    return reader, writer


async def _run_over(world: World, run_id: str) -> None:
    async def over() -> bool:
        return bool(accepted(await world.http.get(f"/v1/runs/{run_id}"))["state"] in _ENDED)

    await _until(over)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await condition():
                await asyncio.sleep(_STEP)
    except TimeoutError as error:
        raise Wrong(f"not over after {_PATIENCE:g} s") from error

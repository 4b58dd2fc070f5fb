"""A server on a real socket that answers as it is told, and tells what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


@dataclass
class Reply:
    """What to answer: parts are sent one by one; `hold` waits before the rest; `cut` hangs up without an end."""

    parts: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(EVENTS))
    hold: asyncio.Event | None = None
    cut: bool = False


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Stub:
    """Answers each path with its reply; others with an empty list of models."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[Asked] = []
        self.left = asyncio.Event()
        """Set once a client has gone before its answer was complete."""
        self.held = asyncio.Event()
        """Set once an answer waits in its middle."""
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append(Asked(method, path, headers, json.loads(body) if body else None))
            await self._answer(self.replies.get(path, Reply([b'{"data": []}'], headers={})), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = {**reply.headers, "transfer-encoding": "chunked", "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode())
        for number, part in enumerate(reply.parts):
            if reply.hold is not None and number == 1:
                self.held.set()
                gone = asyncio.ensure_future(reader.read())
                waiting = asyncio.ensure_future(reply.hold.wait())
                await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if gone.done():
                    self.left.set()
                    return
                gone.cancel()
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        if not reply.cut:
            writer.write(b"0\r\n\r\n")
        await writer.drain()


@asynccontextmanager
async def stub_server() -> AsyncIterator[Stub]:
    stub = Stub()
    server = await asyncio.start_server(stub._serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield stub


def openai_events(*chunks: dict[str, Any] | str) -> list[bytes]:
    """As OpenAI, vLLM and llama.cpp write them."""
    return [f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n".encode() for chunk in chunks]


def chunk(
    content: str | None = None, finish: str | None = None, usage: dict[str, int] | None = None, **delta: Any
) -> dict[str, Any]:
    """One chunk of a chat completion; with usage, the one that has no choices."""
    shape = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763700000, "model": "m"}
    if usage is not None:
        return shape | {"choices": [], "usage": usage}
    said = ({} if content is None else {"content": content}) | delta
    return shape | {"choices": [{"index": 0, "delta": said, "finish_reason": finish}], "usage": None}


def anthropic_events(*events: dict[str, Any]) -> list[bytes]:
    """As Anthropic writes them."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def message_start(tokens: int = 25) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": None}
    return {"type": "message_start", "message": message | {"usage": {"input_tokens": tokens, "output_tokens": 1}}}


def message_end(reason: str = "end_turn", tokens: int = 15) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ]


def text_block(*texts: str, index: int = 0) -> list[dict[str, Any]]:
    deltas = [
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}} for text in texts
    ]
    begin = {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}
    return [begin, *deltas, {"type": "content_block_stop", "index": index}]

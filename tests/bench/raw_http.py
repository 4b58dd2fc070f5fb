"""HTTP/1.1 over a kept connection, with hardly any cost of its own: a client library would be measured along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RawHttp:
    """One connection; one request after the other. Where the server has closed it, having heard nothing for long, the
    next request opens another one."""

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        """Connects."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)

    def close(self) -> None:
        """Ends the connection."""
        self._writer.close()

    async def ask(self, request: bytes) -> bytes:
        """Sends a whole request; gives the body of the answer.

        Raises:
            AssertionError: The status is not 200.
        """
        if self._reader.at_eof():
            self.close()
            await self.open()
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = _after(head, b"content-length: ")
        body = await self._reader.readexactly(int(length)) if length else await self._chunks()
        assert head.startswith(b"http/1.1 200"), head[:40] + body[:300]
        return body

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[RawHttp]:
    """A connection to a port of this machine."""
    http = RawHttp(port)
    await http.open()
    try:
        yield http
    finally:
        http.close()


def get(path: str, **headers: str) -> bytes:
    """A request without a body."""
    return _head("GET", path, headers) + b"\r\n"


def post(path: str, body: object, **headers: str) -> bytes:
    """A request with a body of JSON."""
    content = json.dumps(body).encode()
    told = {"content-type": "application/json", "content-length": str(len(content)), **headers}
    return _head("POST", path, told) + b"\r\n" + content


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: bench", *(f"{name}: {value}" for name, value in headers.items())]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _after(head: bytes, name: bytes) -> bytes:
    return head.partition(name)[2].partition(b"\r\n")[0]

"""Bytes on the HTTP port that no client library would send: each is refused or read, and the next call works."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from dialect_edge import DialectEdge

HELLO = json.dumps({"model": "org/small", "messages": [{"role": "user", "content": "hello"}]}).encode()
HEADERS = (
    "x-request-timeout", "idempotency-key", "x-request-priority", "x-request-id", "last-event-id", "traceparent",
    "tracestate", "authorization", "x-api-key", "accept", "accept-encoding", "cookie", "range", "expect", "forwarded",
    "anthropic-version", "content-encoding", "x-forwarded-for",
)  # fmt: skip
VALUES = (
    b"", b" ", b"0", b"-0", b"-1", b"1e400", b"nan", b"inf", b"0x10", b"1_000", b"9" * 400, b"\xd9\xa3", b"\xff\xfe",
    b"\xed\xa0\x80", b"\xe2\x80\xae", b"%00", b"a" * 9000, b"{}", b"../..", b"00-0-0-0", b"=?utf-8?q?=00?=", b",,,",
)  # fmt: skip
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-type: application/json\r\n"
LENGTH = b"content-length: %d\r\n" % len(HELLO)
WIRE = {
    "nothing": b"\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "two lengths": CHAT + LENGTH + b"content-length: 3\r\n\r\n" + HELLO,
    "length and chunks": CHAT + LENGTH + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks of no size": CHAT + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + HELLO,
    "endless chunk": CHAT + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + HELLO,
    "unknown encoding": CHAT + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "length of no number": CHAT + b"content-length: +5\r\n\r\n" + HELLO,
    "length beyond all": CHAT + b"content-length: " + b"9" * 5000 + b"\r\n\r\n" + HELLO,
    "long header": CHAT + b"x-a: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": CHAT + b"".join(b"x-%d: 1\r\n" % number for number in range(5000)) + b"\r\n",
    "NUL in a header": CHAT + LENGTH + b"x-a: a\0b\r\n\r\n" + HELLO,
    "folded header": CHAT + LENGTH + b"x-a: a\r\n b\r\n\r\n" + HELLO,
    "space before colon": CHAT + LENGTH + b"x-a : a\r\n\r\n" + HELLO,
    "no host": b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n",
    "odd path": b"GET /v1/models/%ff%00%ed%a0%80?limit=%ff HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n",
    "bytes in the path": b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n",
    "whole URL": b"GET http://elsewhere/v1/models HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n",
    "odd method": b"BR\xffW / HTTP/1.1\r\nhost: gateway\r\n\r\n",
    "cut off": CHAT + LENGTH + b"\r\n" + HELLO[:10],
}


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    edge = DialectEdge()
    await edge.forget()
    async with edge.served() as url:
        yield int(url.rpartition(":")[2])


async def answered(port: int, sent: bytes, patience: float | None = None) -> bytes:
    """All that comes back until the connection is closed.

    With `patience`, the sending side is closed after so many seconds of silence: the server may be waiting for more.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        try:
            first = await asyncio.wait_for(reader.read(1), patience)
        except TimeoutError:
            writer.write_eof()
            first = b""
        return first + await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status(answer: bytes) -> int:
    """0: the connection was closed without an answer."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


async def healthy(port: int) -> bool:
    told = await answered(port, b"GET /healthz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")
    return status(told) == 200


@pytest.mark.parametrize("header", HEADERS)
async def test_no_value_of_a_header_breaks_a_call(port: int, header: str) -> None:
    for value in VALUES:
        told = await answered(port, CHAT + LENGTH + header.encode() + b": " + value + b"\r\n\r\n" + HELLO)
        assert 200 <= status(told) < 500, (header, value, told)
    assert await healthy(port)


@pytest.mark.parametrize("sent", WIRE.values(), ids=WIRE)
async def test_what_is_no_call_is_refused_and_the_next_one_works(port: int, sent: bytes) -> None:
    assert status(await answered(port, sent, patience=1.0)) < 500
    assert await healthy(port)

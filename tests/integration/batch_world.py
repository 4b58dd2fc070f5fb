"""A gateway that keeps files; batches and their files as a client of the OpenAI SDK makes and reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
from openai.types import Batch
from tests.integration.gateway_world import World, worlds

from olo_testing.ports import free_port
from olo_testing.waiting import until

CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


@asynccontextmanager
async def batch_worlds(nats_url: str, temporal_address: str, place: Path) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        await built.inner.aclose()
        built.settings = built.settings.model_copy(
            update={
                "port": free_port(),
                "files": str(place),
                "batch_window": 3,
                "max_batch_lines": 40,
                "max_file_bytes": 65_536,
            }
        )
        await built.enter()
        yield built


def line(custom_id: str, said: str = "hello", **more: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": said}], **more.pop("body", {})}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body, **more}


def jsonl(lines: Sequence[Any]) -> bytes:
    return b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines)


async def create(client: openai.AsyncOpenAI, lines: Sequence[Any], **more: Any) -> Batch:
    file = await client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id,
        endpoint=more.pop("endpoint", CHAT),
        completion_window=more.pop("window", "24h"),
        **more,
    )


async def reached(
    client: openai.AsyncOpenAI, batch_id: str, holds: Callable[[Batch], bool], seconds: float = 60
) -> Batch:
    found: list[Batch] = []

    async def look() -> bool:
        found[:] = [await client.batches.retrieve(batch_id)]
        return holds(found[0])

    await until(look, seconds)
    return found[0]


async def ended(client: openai.AsyncOpenAI, batch_id: str, seconds: float = 60) -> Batch:
    return await reached(client, batch_id, lambda batch: batch.status in ENDED, seconds)


async def rows(client: openai.AsyncOpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    text = (await client.files.content(file_id)).text
    return [json.loads(each) for each in text.splitlines()]

"""CPU time of each process for one durable chat, with and without passages, models that compute nothing.

The real services as processes of their own. What they use while nobody asks is taken off. `scripts/sizing.py` reads it.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil
from tests.bench.harness import write_csv
from tests.chaos.house import COLLECTION, House, house

from olo_client import AsyncOlo
from olo_client.requests import ChatOptions

REQUESTS, AT_ONCE, WARM = 120, 4, 10
REST_SECONDS = 5.0
TOKENS_PER_SECOND = 100
KINDS: dict[str, ChatOptions] = {"plain": {}, "rag": {"collection": COLLECTION}}


def used(built: House) -> dict[str, float]:
    """CPU seconds of each process so far, with those of its children."""
    found = {}
    for part in built.parts:
        process = psutil.Process(built.pid(part))
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        found[part] = sum(each.user + each.system for each in times)
    return found


async def asked(olo: AsyncOlo, requests: int, options: ChatOptions) -> None:
    """So many questions, some at once, each streamed to its end."""
    left = requests

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async for _ in olo.chat_stream(f"#{left}# When did the tram begin to run?", **options):
                pass

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))


async def measure() -> None:
    rows: list[tuple[str, str, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        async with (
            house(Path(scratch), tokens_per_second=TOKENS_PER_SECOND) as built,
            AsyncOlo(built.gateway, timeout=60, attempts=20) as olo,
        ):
            for kind, options in KINDS.items():
                await asked(olo, WARM, options)
                loop = asyncio.get_running_loop()
                before, began = used(built), loop.time()
                await asyncio.sleep(REST_SECONDS)
                idle = {part: (now - before[part]) / (loop.time() - began) for part, now in used(built).items()}
                before, began = used(built), loop.time()
                await asked(olo, REQUESTS, options)
                took = loop.time() - began
                for part, now in used(built).items():
                    cost = max(0.0, now - before[part] - idle[part] * took) / REQUESTS
                    rows.append((kind, part, round(cost, 5)))
    write_csv("cpu_by_part", ["request", "part", "cpu_s"], rows)
    for kind in ("plain", "rag"):
        told = ", ".join(f"{part} {cost * 1000:.1f}" for each, part, cost in rows if each == kind)
        print(f"cpu_by_part {kind}, ms: {told}")


def main() -> None:
    asyncio.run(measure())

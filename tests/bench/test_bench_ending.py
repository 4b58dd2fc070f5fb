"""A benchmark that is ended, and what it has started."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

import psutil
import pytest

BENCHMARK = """
import asyncio, subprocess, sys
from tests.bench.ending import ended_with_all_it_started

async def served(over, ended):
    await over.wait()
    ended.set()

async def main():
    over, ended = asyncio.Event(), asyncio.Event()
    service = asyncio.create_task(served(over, ended))
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
    try:
        print(server.pid, flush=True)
        await asyncio.Event().wait()
    finally:
        # As services do, it stops with the help of a task.
        over.set()
        await ended.wait()
        if "tidy" in sys.argv:
            server.kill()
            print("tidied up", flush=True)

with ended_with_all_it_started():
    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("number", "tidy", "left"),
    [
        (signal.SIGTERM, "tidy", b"tidied up\n"),
        (signal.SIGHUP, "tidy", b"tidied up\n"),
        (signal.SIGINT, "tidy", b"tidied up\n"),
        (signal.SIGTERM, "untidy", b""),
        (signal.SIGKILL, "tidy", b""),
    ],
)
async def test_whatever_ends_a_benchmark_its_servers_end_too(number: signal.Signals, tidy: str, left: bytes) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BENCHMARK, tidy, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    server = psutil.Process(int(await child.stdout.readline()))
    try:
        child.send_signal(number)

        # The server holds the other end of this, too: what is read ends once both have.
        assert await child.stdout.read() == left
        assert await child.wait() == (-number if number is signal.SIGKILL else 128 + signal.SIGTERM)
    finally:
        for process in (child, server):
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
                process.kill()

"""Clients that come with all kinds of requests, and a model that comes and goes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
from tests.endurance.requests import MIX, Refused, Request, World, Wrong
from tests.endurance.standing import Standing, guest
from tests.endurance.tally import End, Result, Tally

from olo_client import AsyncOlo, ExhaustedError, OloError

_GUEST_SECONDS = 120.0
_CALL_SECONDS = 120.0


class Load:
    """So many clients, each with one request after the other and a pause between them.

    Args:
        standing: The stack.
        clients: How many.
        pause: Seconds, on average.
        seed: Of what they ask.
        directory: For the guest's journal.
    """

    def __init__(self, standing: Standing, clients: int, pause: float, seed: int, directory: Path) -> None:
        self._standing = standing
        self._clients = clients
        self._pause = pause
        self._seed = seed
        self._directory = directory
        self._over = asyncio.Event()
        self._began = time.monotonic()
        self.tally = Tally()

    @property
    def seconds(self) -> float:
        """Since the load began."""
        return time.monotonic() - self._began

    async def once(self) -> None:
        """Each request once, so that everything has been used before it is measured."""
        async with self._world(0) as world:
            for request in MIX:
                await self._ask(request, world)

    def begin(self) -> None:
        """Forgets what was asked before: from now on it counts."""
        self._began = time.monotonic()
        self.tally = Tally()

    async def run(self) -> None:
        """Asks until `stop`; every request that was begun comes to its end."""
        await asyncio.gather(*(self._client(number) for number in range(self._clients)), self._guests())

    def stop(self) -> None:
        """Begins nothing new."""
        self._over.set()

    async def _client(self, number: int) -> None:
        async with self._world(number) as world:
            requests: Sequence[Request] = list(MIX)
            while not self._over.is_set():
                (request,) = world.draw.choices(requests, list(MIX.values()))
                await self._ask(request, world)
                await self._rest(world.draw.uniform(0, 2 * self._pause))

    @contextlib.asynccontextmanager
    async def _world(self, number: int) -> AsyncIterator[World]:
        async with (
            AsyncOlo(self._standing.target, timeout=_CALL_SECONDS, attempts=1, tls=False, api_key="") as olo,
            httpx.AsyncClient(base_url=self._standing.url, timeout=_CALL_SECONDS) as http,
        ):
            yield World(number, olo, http, random.Random(f"{self._seed}-{number}"))

    async def _ask(self, request: Request, world: World) -> None:
        began, end, reason = time.monotonic(), End.WELL, ""
        try:
            await request(world)
        except (Refused, ExhaustedError) as error:
            end, reason = End.REFUSED, str(error)
        except Wrong as error:
            end, reason = End.BADLY, str(error)
        except OloError as error:
            end, reason = End.BADLY, error.reason
        except Exception as error:
            end, reason = End.BADLY, f"{type(error).__name__}: {error}"
        took = time.monotonic() - began
        self.tally.results.append(Result(request.__name__, end, reason, took, self.seconds))

    async def _guests(self) -> None:
        """A worker with a model of its own is there for a while, answers, leaves in good order; again and again."""
        async with self._world(-1) as world:
            while not self._over.is_set():
                await self._ask(self._guest, world)
                await self._rest(_GUEST_SECONDS / 4)

    async def _guest(self, world: World) -> None:
        command, env = guest(self._standing, self._directory)
        process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.DEVNULL)
        try:
            await self._available(world, wanted=True)
            await world.olo.chat("#1# Are you there?", model="guest", max_tokens=8)
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
        await self._available(world, wanted=False)

    async def _available(self, world: World, *, wanted: bool) -> None:
        try:
            async with asyncio.timeout(_GUEST_SECONDS):
                while wanted != ("guest" in [m.model_id async for m in world.olo.models.list() if m.available]):
                    await asyncio.sleep(0.5)
        except TimeoutError as error:
            raise Wrong(f"the guest is {'not ' if wanted else ''}listed") from error

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

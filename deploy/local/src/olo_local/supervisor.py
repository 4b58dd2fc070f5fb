"""Starts children in order, keeps them running, stops them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from olo_local.errors import ChildFailed
from olo_local.probes import until
from olo_local.processes import ChildProcess, last_words, launch
from olo_local.types import ChildSpec, ChildState, ChildStatus

Changed = Callable[[ChildStatus], None]


@dataclass(frozen=True)
class Pace:
    """Times of the supervisor, in seconds.

    Attributes:
        first_pause: Before the first restart of a child that has ended.
        longest_pause: The pause doubles up to this.
        steady_after: A life of this length makes the next pause the first one again.
        check_every: Between two probes of a child that is ready.
        grace: How long a child may take to end before it is killed.
    """

    first_pause: float = 0.5
    longest_pause: float = 10.0
    steady_after: float = 30.0
    check_every: float = 3.0
    grace: float = 15.0


@dataclass
class Backoff:
    """The pauses before the restarts of one child."""

    pace: Pace
    _next: float = field(default=0.0, init=False)

    def pause_after(self, lived: float) -> float:
        """Seconds to wait before the next start, after a life of `lived` seconds."""
        if lived >= self.pace.steady_after or not self._next:
            self._next = self.pace.first_pause
        pause, self._next = self._next, min(self._next * 2, self.pace.longest_pause)
        return pause


class _Child:
    def __init__(self, spec: ChildSpec, pace: Pace) -> None:
        self.spec = spec
        self.status = ChildStatus(spec.name, spec.address)
        self.backoff = Backoff(pace)
        self.process: ChildProcess | None = None
        self.was_ready = asyncio.Event()
        self.stopped = asyncio.Event()
        self.stopping = False
        self.life: asyncio.Task[None] | None = None


class Supervisor:
    """Supervises a set of children.

    Args:
        specs: The children; each name in `needs` and `uses` is that of another one.
        logs: The folder of their log files.
        changed: Called with the status of a child whenever it changes.
        pace: Times.
    """

    def __init__(self, specs: Iterable[ChildSpec], logs: Path, changed: Changed, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._logs = logs
        self._changed = changed
        self._children = {spec.name: _Child(spec, self._pace) for spec in specs}
        self._failure: asyncio.Future[None] | None = None

    @property
    def statuses(self) -> Mapping[str, ChildStatus]:
        """What is known of each child, by name."""
        return {name: child.status for name, child in self._children.items()}

    async def start(self) -> None:
        """Starts all children and waits until each has been ready once.

        Raises:
            ChildFailed: One has ended before; the others still run until `stop`.
        """
        self._failure = asyncio.get_running_loop().create_future()
        for child in self._children.values():
            child.life = asyncio.create_task(self._live(child), name=f"child-{child.spec.name}")
        ready = asyncio.gather(*(child.was_ready.wait() for child in self._children.values()))
        try:
            await asyncio.wait((ready, self._failure), return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
        finally:
            ready.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ready

    async def stop(self) -> None:
        """Stops each child once those that need it have ended. Leaves no process behind."""
        await asyncio.gather(*(self._stop(child) for child in self._children.values()))

    async def _stop(self, child: _Child) -> None:
        for other in self._children.values():
            if child.spec.name in (*other.spec.needs, *other.spec.uses):
                await other.stopped.wait()
        # Said before the signal, so that the end is not taken for a crash.
        child.stopping = True
        if child.process is not None:
            await child.process.end(self._pace.grace)
        if child.life is not None:
            child.life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await child.life
        if child.process is not None:
            # The start may have been under way when the signal was sent.
            await child.process.end(self._pace.grace)
            await child.process.wait()
        child.status.pid = 0
        self._set(child, ChildState.STOPPED)
        child.stopped.set()

    async def _live(self, child: _Child) -> None:
        try:
            for need in child.spec.needs:
                await self._children[need].was_ready.wait()
            while True:
                born = time.monotonic()
                code = await self._one_life(child)
                if child.stopping:
                    return
                if not child.was_ready.is_set():
                    raise ChildFailed(self._obituary(child.spec.name, code))
                pause = child.backoff.pause_after(time.monotonic() - born)
                child.status.restarts += 1
                child.status.pid = 0
                self._set(child, ChildState.RESTARTING, f"ended with {code}; starts again in {pause:g} s")
                await asyncio.sleep(pause)
        except (ChildFailed, OSError) as error:
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(
                    error if isinstance(error, ChildFailed) else ChildFailed(f"{child.spec.name} cannot be started")
                )

    async def _one_life(self, child: _Child) -> int:
        child.process = process = await launch(child.spec, self._logs / f"{child.spec.name}.log")
        child.status.pid, child.status.pid_created = process.pid, process.created
        child.status.started_at = time.time()
        self._set(child, ChildState.STARTING)
        watch = asyncio.create_task(self._watch(child), name=f"watch-{child.spec.name}")
        try:
            return await process.wait()
        finally:
            watch.cancel()

    async def _watch(self, child: _Child) -> None:
        await until(child.spec.probe)
        self._set(child, ChildState.READY)
        child.was_ready.set()
        while True:
            await asyncio.sleep(self._pace.check_every)
            serves = await child.spec.probe()
            self._set(child, ChildState.READY if serves else ChildState.UNHEALTHY)

    def _set(self, child: _Child, state: ChildState, note: str = "") -> None:
        if child.stopping and state is not ChildState.STOPPED:
            return
        child.status.state, child.status.note = state, note
        self._changed(child.status)

    def _obituary(self, name: str, code: int) -> str:
        log = self._logs / f"{name}.log"
        return f"{name} ended with {code} before it was ready: {last_words(log) or 'it said nothing'} (log: {log})"

"""The place of the model: loaded or not, and who may use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from olo_llm_worker.errors import MemoryShort, ModelUnavailable
from olo_llm_worker.generation.engine import Engine, EngineInfo
from olo_llm_worker.generation.scheduler import Policy, Scheduler


class ModelSlot:
    """Loads, unloads and gives out the model. While it is away calls are refused, and may come again.

    Args:
        make: Makes the engine; blocks, and runs in a thread.
        policy: How the engine is shared.
        changed: Told True once the model can be used, and False before it goes.
    """

    def __init__(self, make: Callable[[], Engine], policy: Policy, changed: Callable[[bool], Awaitable[None]]) -> None:
        self._make = make
        self._policy = policy
        self._changed = changed
        self._changing = asyncio.Lock()
        self._scheduler: Scheduler | None = None
        self._engine: Engine | None = None
        self._info: EngineInfo | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model can be used."""
        return self._scheduler is not None

    @property
    def running(self) -> int:
        """Answers that the engine works on now."""
        return 0 if self._scheduler is None else self._scheduler.running

    @property
    def info(self) -> EngineInfo:
        """What is served, also while it is not in memory.

        Raises:
            ModelUnavailable: It has never been loaded.
        """
        if self._info is None:
            raise ModelUnavailable("the model is still being loaded", retry_after=1.0)
        return self._info

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler.

        Raises:
            ModelUnavailable: The model is not loaded.
        """
        if self._scheduler is None:
            raise ModelUnavailable("the model is not loaded", retry_after=1.0)
        return self._scheduler

    async def load(self) -> float:
        """Loads the model where it is not loaded; returns the seconds that took. Being cancelled does not stop it.

        Raises:
            ModelDirectoryError: The model directory is not sound.
            MemoryShort: There is not enough memory.
        """
        return await asyncio.shield(asyncio.ensure_future(self._load()))

    async def _load(self) -> float:
        async with self._changing:
            if self._scheduler is not None:
                return 0.0
            began = time.monotonic()
            try:
                self._engine = await asyncio.to_thread(self._make)
            except MemoryError as error:
                raise MemoryShort from error
            self._info = self._engine.info
            self._scheduler = Scheduler(self._engine, self._policy)
            await self._changed(True)
            return time.monotonic() - began

    async def unload(self) -> None:
        """Frees the model once all that was taken has ended; cancelled before, it stays."""
        async with self._changing:
            if self._scheduler is None:
                return
            scheduler, self._scheduler = self._scheduler, None
            try:
                await self._changed(False)
                await scheduler.rest()
            except BaseException:
                self._scheduler = scheduler
                await self._changed(True)
                raise
            await self._free(scheduler)

    async def warm(self, system_prompts: Sequence[str]) -> float:
        """Has the engine answer shortly, and read these system prompts; returns the seconds that took."""
        began = time.monotonic()
        await self.scheduler.warm(system_prompts)
        return time.monotonic() - began

    async def close(self) -> None:
        """Ends what runs, and frees the model."""
        async with self._changing:
            scheduler, self._scheduler = self._scheduler, None
            if scheduler is not None:
                await self._free(scheduler)

    async def _free(self, scheduler: Scheduler) -> None:
        await scheduler.close()
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.close)

"""The place of the model: loaded or not, and who may use it. A model whose engine has died is loaded anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_llm_worker.errors import MemoryShort, ModelDirectoryError, ModelUnavailable
from olo_llm_worker.generation.engine import Engine, EngineInfo
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler

STEADY_SECONDS: Final = 60.0
"""An engine that has lived so long has not died of its start: the next one is started at once."""
LONGEST_PAUSE_SECONDS: Final = 30.0


def pause_before(attempt: int) -> float:
    """Seconds before the engine is started for the nth time in a row: none, 0.5, 1, 2, ... up to half a minute."""
    return 0.0 if attempt <= 1 else min(LONGEST_PAUSE_SECONDS, 0.5 * 2.0 ** min(attempt - 2, 16))


class ModelSlot:
    """Loads, unloads and gives out the model. While it is away calls are refused, and may come again.

    Args:
        make: Makes the engine.
        policy: How the engine is shared.
        changed: Told True once the model can be used, and False before it goes.
        pause: Seconds before the nth start in a row of an engine that dies.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[Engine]],
        policy: Policy,
        changed: Callable[[bool], Awaitable[None]],
        *,
        pause: Callable[[int], float] = pause_before,
    ) -> None:
        self._make = make
        self._policy = policy
        self._changed = changed
        self._pause = pause
        self._changing = asyncio.Lock()
        self._scheduler: Scheduler | None = None
        self._engine: Engine | None = None
        self._info: EngineInfo | None = None
        self._wanted = False
        self._arrived = asyncio.Event()

    @property
    def loaded(self) -> bool:
        """Whether the model can be used."""
        return self._scheduler is not None

    @property
    def running(self) -> int:
        """Answers that the engine works on now."""
        return 0 if self._scheduler is None else self._scheduler.running

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return 0 if self._scheduler is None else self._scheduler.waiting

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
            EngineLost: The engine has died while it loaded the model.
        """
        return await asyncio.shield(asyncio.ensure_future(self._load()))

    async def unload(self) -> None:
        """Frees the model once all that was taken has ended; cancelled before, it stays."""
        async with self._changing:
            self._wanted = False
            if self._scheduler is None:
                return
            scheduler, self._scheduler = self._scheduler, None
            try:
                await self._changed(False)
                await scheduler.rest()
            except BaseException:
                self._scheduler, self._wanted = scheduler, True
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
            self._wanted = False
            scheduler, self._scheduler = self._scheduler, None
            if scheduler is not None:
                await self._free(scheduler)

    async def keep(self) -> None:
        """For ever: starts the engine anew each time that it dies, ever later where it dies of its start."""
        attempt = 0
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if (engine := self._engine) is None:
                continue
            began = time.monotonic()
            await engine.lost()
            await self._mourn(engine)
            attempt = 0 if time.monotonic() - began >= STEADY_SECONDS else attempt
            while self._wanted and not self.loaded:
                attempt += 1
                await asyncio.sleep(self._pause(attempt))
                await self._start_again()

    async def _load(self) -> float:
        async with self._changing:
            self._wanted = True
            return 0.0 if self._scheduler is not None else await self._start()

    async def _start(self) -> float:
        began = time.monotonic()
        try:
            self._engine = await self._make()
        except MemoryError as error:
            raise MemoryShort from error
        self._info = self._engine.info
        self._scheduler = Scheduler(self._engine, self._policy)
        self._arrived.set()
        await self._changed(True)
        return time.monotonic() - began

    async def _free(self, scheduler: Scheduler) -> None:
        await scheduler.close()
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    async def _mourn(self, engine: Engine) -> None:
        """Settles what a dead engine leaves behind; nothing, where it was freed on purpose."""
        async with self._changing:
            if self._engine is not engine:
                return
            scheduler, self._scheduler, self._engine = self._scheduler, None, None
            if scheduler is not None:
                await scheduler.lose()
                await self._changed(False)
            await engine.close()

    async def _start_again(self) -> None:
        async with self._changing:
            if not self._wanted or self._scheduler is not None:
                return
            try:
                await self._start()
            except (OloError, ModelDirectoryError) as error:
                logger(__name__).error("engine_not_started", problem=str(error))
            else:
                logger(__name__).info("engine_started_anew")

"""What a run is busy with, asked for now and then on behalf of a caller that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Final, TypeAlias

from olo.gateway.v1.run_pb2 import RUN_PHASE_GENERATING, RunProgress
from olo_common.errors import OloError
from olo_gateway.calls.following import ChatEvent, Progress, Started
from olo_gateway.ports import Runs
from olo_gateway.streaming.events import Delta
from olo_gateway.streaming.silences import with_silences

PROGRESS_SECONDS: Final = 1.0
"""Silence after which a caller is told what its run is busy with, and the first pause between two looks at it."""
_LONGEST_PAUSE: Final = 5.0
_SHARE: Final = 0.1
"""Each pause is this part of the time without a change: who waits for minutes is looked at seldom."""

Tell: TypeAlias = Callable[[RunProgress], None]
"""Takes a progress, at once."""


@asynccontextmanager
async def watched(runs: Runs, run_id: str, tell: Tell) -> AsyncIterator[None]:
    """Tells what a run is busy with, each time that it has changed, while entered."""
    task = asyncio.create_task(_watch(runs, run_id, tell), name="watch-run")
    try:
        yield
    finally:
        task.cancel()


async def with_progress(
    events: AsyncGenerator[ChatEvent, None], runs: Runs, run_id: str, tell: Tell | None = None
) -> AsyncGenerator[ChatEvent, None]:
    """The events, and between `Started` and the first text what the run is busy with, where it is silent.

    Args:
        events: Of the run.
        runs: Where to ask.
        run_id: The run.
        tell: Is told, too, to the end: a run that has lost its model over the text is parked again.
    """
    begun, texted, latest, told = False, False, RunProgress(), RunProgress()

    def hear(progress: RunProgress) -> None:
        nonlocal latest
        latest = progress
        if tell is not None:
            tell(progress)

    async with aclosing(with_silences(events, PROGRESS_SECONDS)) as noticed, AsyncExitStack() as watching:
        await watching.enter_async_context(watched(runs, run_id, hear))
        async for event in noticed:
            if event is not None:
                begun = begun or isinstance(event, Started)
                if isinstance(event, Delta):
                    texted = True
                    hear(RunProgress(phase=RUN_PHASE_GENERATING))
                    if tell is None:
                        await watching.aclose()
                yield event
            elif begun and not texted and latest != told:
                told = latest
                yield Progress(told)


async def _watch(runs: Runs, run_id: str, tell: Tell) -> None:
    clock, told = asyncio.get_running_loop().time, RunProgress()
    changed = clock()
    while True:
        await asyncio.sleep(min(max(PROGRESS_SECONDS, (clock() - changed) * _SHARE), _LONGEST_PAUSE))
        try:
            progress = await runs.progress(run_id)
        except OloError:
            # It is a courtesy; the run's own error, if it has one, comes by itself.
            continue
        if progress.phase and progress != told:
            told, changed = progress, clock()
            tell(progress)

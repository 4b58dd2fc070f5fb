"""How a test waits: for what is to come about, and never for a time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from olo_common.errors import OloError

GENEROUS_SECONDS: Final = 60.0
"""Longer than anything takes on a busy machine; what has come about ends the wait."""
_LOOKING_PAUSE: Final = 0.001
"""Between two looks at what this process knows: a state that passes within milliseconds is seen."""
_ASKING_PAUSE: Final = 0.05
"""Between two questions to another process."""

T = TypeVar("T")


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = GENEROUS_SECONDS) -> None:
    """Returns as soon as the condition holds.

    Raises:
        TimeoutError: It has not in this time.
    """
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if inspect.isawaitable(held):
                if await held:
                    return
                await asyncio.sleep(_ASKING_PAUSE)
            elif held:
                return
            else:
                await asyncio.sleep(_LOOKING_PAUSE)


async def eventually(
    read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float = GENEROUS_SECONDS
) -> T:
    """What `read` gives as soon as it `holds`; errors of the project are waited out.

    Raises:
        AssertionError: It has not come about in this time; with what was read last.
    """
    last: object = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    last = value = await read()
                except OloError as error:
                    last = error.reason
                else:
                    if holds(value):
                        return value
                await asyncio.sleep(_ASKING_PAUSE)
    except TimeoutError:
        raise AssertionError(f"it did not come about; last: {last}") from None

"""Reading on what a caller still sends of a call that fails already, so that the caller learns why.

A client of gRPC that is in the midst of a write when its call ends may take the broken write for the end: it then tells
INTERNAL, and the status is lost. So the end waits for the caller's: within bounds, and only while something comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Draining:
    """How much is read of what nobody needs.

    Attributes:
        max_bytes: Of messages, about.
        seconds: For all of it.
        silence: Seconds without a message: a caller that writes nothing now loses nothing either.
    """

    max_bytes: int = 64 * 1024 * 1024
    seconds: float = 10.0
    silence: float = 1.0


USUAL: Final = Draining()


async def drain(requests: AsyncIterator[Any], limits: Draining = USUAL) -> None:
    """Reads and forgets, until the caller has sent everything or a limit is reached."""
    read, until = 0, asyncio.get_running_loop().time() + limits.seconds
    # What cannot be read needs no reading: how the call ends is known already.
    with contextlib.suppress(Exception):
        while read < limits.max_bytes:
            async with asyncio.timeout_at(min(until, asyncio.get_running_loop().time() + limits.silence)):
                message = await anext(requests, None)
            if message is None:
                return
            # Handlers of calls that are refused leave messages as the bytes that they came in.
            read += 1 + (len(message) if isinstance(message, bytes) else message.ByteSize())

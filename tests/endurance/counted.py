"""A service as it is, that also tells how many tasks it has: `python -m tests.endurance.counted olo_router`.

The number is written to the file ENDURANCE_TASKS twice a second: nothing outside a process can see its tasks.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
from pathlib import Path

from olo_common import lifecycle

_EVERY_SECONDS = 0.5


class CountedLifetime(lifecycle.Lifetime):
    """Begins to count where the service begins to live."""

    def __init__(self) -> None:
        super().__init__()
        self._counting = asyncio.create_task(_count(Path(os.environ["ENDURANCE_TASKS"])), name="count-tasks")


async def _count(file: Path) -> None:
    while True:
        file.write_text(str(len(asyncio.all_tasks()) - 1))
        await asyncio.sleep(_EVERY_SECONDS)


def main() -> None:
    lifecycle.Lifetime = CountedLifetime  # type: ignore[misc]
    module = sys.argv.pop(1)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

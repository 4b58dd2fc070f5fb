"""How many cores the machine has that do not share their arithmetic."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TOPOLOGY: Final = Path("/sys/devices/system/cpu")


def physical_cores() -> int:
    """Physical cores that this process may use; logical ones where the system does not tell. At least 1."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for number in allowed:
        try:
            cores.add((_TOPOLOGY / f"cpu{number}/topology/thread_siblings_list").read_text(encoding="ascii"))
        except OSError:
            cores.add(str(number))
    return max(1, len(cores))

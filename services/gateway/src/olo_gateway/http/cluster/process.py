"""What this process knows of itself."""

from __future__ import annotations

import os
import platform
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

from olo_gateway.http.cluster import schemas

_STATM: Final = Path("/proc/self/statm")


class Process:
    """This process, from when on it was asked to serve."""

    def __init__(self) -> None:
        self._started = time.time()
        self._since = time.monotonic()

    def metrics(self, admission: schemas.Admission) -> schemas.SystemMetrics:
        """What it uses."""
        used = os.times()
        return schemas.SystemMetrics(
            uptime=round(time.monotonic() - self._since, 3),
            cpu=used.user + used.system,
            memory=_resident(),
            threads=threading.active_count(),
            admission=admission,
        )

    def described(self) -> schemas.System:
        """What it is, and what it runs on."""
        return schemas.System(
            version=version("olo-gateway"),
            python=platform.python_version(),
            system=platform.system(),
            machine=platform.machine(),
            cpus=os.cpu_count(),
            started=round(self._started, 3),
            uptime=round(time.monotonic() - self._since, 3),
        )


def _resident() -> int | None:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        # Only Linux has the file.
        return None

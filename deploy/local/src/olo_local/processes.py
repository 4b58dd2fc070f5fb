"""Processes in groups of their own: started, heard, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil

from olo_local import launcher
from olo_local.types import ChildSpec


class ChildProcess:
    """A running child, its group and its log."""

    def __init__(self, process: asyncio.subprocess.Process, log: asyncio.Task[None]) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid
        self.created = created_at(process.pid)

    async def wait(self) -> int:
        """Waits for the end, until the last line is in the log; gives the exit code, negative for a signal."""
        code = await self._process.wait()
        # Whatever the child has left in its group must not outlive it, nor keep its log open.
        signal_group(self.pid, signal.SIGKILL)
        await asyncio.shield(self._log)
        return code

    async def end(self, grace_seconds: float) -> None:
        """Asks the group to stop; kills it where it has not ended after the grace."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.returncode is not None:
                return
            signal_group(self.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._process.wait()


async def launch(spec: ChildSpec, log_file: Path) -> ChildProcess:
    """Starts a child; what it says goes, with times, to its log."""
    process = await asyncio.create_subprocess_exec(
        *tied_to_this_process(spec.command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **spec.env},
        # Ctrl-C reaches the supervisor alone, which then stops its children in order.
        start_new_session=True,
    )
    assert process.stdout is not None
    return ChildProcess(process, asyncio.create_task(_write_log(process.stdout, log_file), name=f"log-{spec.name}"))


def tied_to_this_process(command: Sequence[str]) -> list[str]:
    """The command that runs `command` so that it dies with this process."""
    return [sys.executable, "-I", "-S", str(Path(launcher.__file__)), str(os.getpid()), *command]


async def _write_log(source: asyncio.StreamReader, log_file: Path) -> None:
    with log_file.open("ab", buffering=0) as log:
        rest = b""
        while piece := await source.read(65536):
            *lines, rest = (rest + piece).split(b"\n")
            _write_lines(log, lines)
        if rest:
            _write_lines(log, [rest])


def _write_lines(log: IO[bytes], lines: Sequence[bytes]) -> None:
    now = datetime.now().astimezone().isoformat(timespec="milliseconds").encode()
    if lines:
        log.write(b"".join(now + b" " + line + b"\n" for line in lines))


def signal_group(pid: int, number: signal.Signals) -> None:
    """Sends a signal to the group that a process leads, where there still is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def created_at(pid: int) -> float:
    """When a process began, in seconds since the epoch; 0 where it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def is_alive(pid: int, created: float) -> bool:
    """Whether the very process that began then still runs, and not another one with its number."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def last_words(log_file: Path, limit: int = 200) -> str:
    """The last line that a child has said, cut to `limit` characters."""
    try:
        lines = log_file.read_bytes()[-4096:].decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].partition(" ")[2][:limit] if lines else ""

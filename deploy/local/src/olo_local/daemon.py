"""The stack in the background: the supervisor's own process, and how it is started and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from rich.console import Console

from olo_common.errors import StartupError
from olo_common.settings import load_settings
from olo_local.errors import StackError, Unwritable
from olo_local.processes import is_alive, last_words
from olo_local.progress import Progress
from olo_local.session import running_stack
from olo_local.settings import LocalSettings
from olo_local.signals import run_until_told
from olo_local.state import StackState, clear_remains, read_state

_POLL_SECONDS = 0.1
_STOP_SECONDS = 120.0


def start(settings: LocalSettings, told: Callable[[StackState], None]) -> StackState:
    """Starts the stack in the background and waits until it is ready.

    Args:
        settings: The settings; the background process is given them through its environment.
        told: Called with each state that is seen.

    Raises:
        StackError: It cannot be started; nothing is left running.
    """
    try:
        settings.logs.mkdir(parents=True, exist_ok=True)
        log = (settings.logs / "supervisor.log").open("ab")
    except OSError as error:
        raise Unwritable(settings.home, error) from None
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "olo_local.daemon"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **_variables(settings)},
            start_new_session=True,
        )
    try:
        return _await_ready(settings, process, told)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        process.wait()
        raise


def _await_ready(
    settings: LocalSettings, process: subprocess.Popen[bytes], told: Callable[[StackState], None]
) -> StackState:
    while True:
        ended = process.poll() is not None
        state = read_state(settings.state_file)
        mine = state is not None and state.pid == process.pid
        if state is not None and mine:
            told(state)
            if state.phase == "ready" and not ended:
                return state
        if process.returncode == 0:
            raise StackError("the stack was stopped before it was ready")
        if ended:
            problem = state.problem if state is not None and mine else ""
            words = last_words(settings.logs / "supervisor.log").removeprefix("olo-local: ")
            raise StackError(problem or words or "the supervisor has ended without a word")
        time.sleep(_POLL_SECONDS)


def _variables(settings: LocalSettings) -> dict[str, str]:
    fields = settings.model_dump(mode="json", exclude_none=True, exclude={"tls"})
    return {f"OLO_LOCAL_{name.upper()}": str(value) for name, value in fields.items()}


def stop(settings: LocalSettings, told: Callable[[StackState], None]) -> bool:
    """Stops the stack and waits for its end; kills what a dead supervisor has left.

    Returns:
        Whether there was anything to stop.
    """
    state = read_state(settings.state_file)
    if state is None:
        return False
    was_running = state.is_running
    if was_running:
        os.kill(state.pid, signal.SIGTERM)
        give_up = time.monotonic() + _STOP_SECONDS
        while is_alive(state.pid, state.pid_created) and time.monotonic() < give_up:
            time.sleep(_POLL_SECONDS)
            told(read_state(settings.state_file) or state)
        if is_alive(state.pid, state.pid_created):
            os.kill(state.pid, signal.SIGKILL)
    return bool(clear_remains(read_state(settings.state_file) or state)) or was_running


async def _supervise(settings: LocalSettings) -> None:
    progress = Progress(Console(stderr=True, no_color=True, width=200))
    async with running_stack(settings, "up", progress.told) as stack:
        await stack.over()


def main() -> None:
    """The background process: runs the stack until SIGTERM."""
    try:
        run_until_told(_supervise(load_settings(LocalSettings)))
    except (StackError, StartupError) as error:
        # The first word stands where a child's log has its time.
        sys.stderr.write(f"olo-local: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()

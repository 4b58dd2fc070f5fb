"""Whatever ends a benchmark, what it has started ends too: servers would go on and disturb what is measured next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

MARK = "OLO_BENCH_RUN"
"""The variable by which descendants are known, whoever is their parent by then."""
ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_with_all_it_started() -> Iterator[None]:
    """Has signals end the body in good order, and a process of its own kill what is left where that was impossible.

    Raises:
        SystemExit: It was told to end.
    """
    # A shell that starts it in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in ENDINGS:
        signal.signal(each, _end)
    os.environ[MARK] = run = uuid.uuid4().hex
    command = [sys.executable, "-I", __file__, run]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        try:
            yield
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGTERM)


def _end(number: int, frame: object) -> None:
    """As Ctrl-C: the benchmark is cancelled, and ends the servers that it has started while its event loop still runs.

    An exception that is raised here would fly through whatever task has its turn; the loop would then cancel all of
    them at once, those too that the services need to stop. Told again meanwhile, it does not stop in the middle.
    """
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


def main() -> None:
    """Waits until its parent is no more, and kills what carries its mark."""
    sys.stdin.read()
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == sys.argv[1]:
                process.kill()
        except psutil.Error:
            # It is another user's, or has ended.
            continue


if __name__ == "__main__":
    main()

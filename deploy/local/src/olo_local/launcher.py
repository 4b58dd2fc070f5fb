"""Becomes another program that dies with the process that started it: `launcher.py PARENT PROGRAM ARGUMENT...`.

Started with `-I -S`, it imports next to nothing and costs a few milliseconds.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ties this process to its parent, where the system can, and becomes the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the supervisor has ended")
    os.execvp(program[0], program)  # noqa: S606 - a program without a shell is the point


if __name__ == "__main__":
    main()

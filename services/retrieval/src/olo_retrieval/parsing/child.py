"""The process that reads one file and ends: `python -m olo_retrieval.parsing.child FORMAT MAX_CHARS MEMORY CPU`.

The file comes on standard input; standard output gets one JSON object. Nothing is unpickled on either side. The limits
are set here, before the first byte is read, and nothing of the parent is inherited but the pipes.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence

from olo_common.errors import OloError
from olo_retrieval.parsing.formats import Format
from olo_retrieval.parsing.readers.dispatch import extract, reader_of

_DENIED = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "ctypes.")


def main(arguments: Sequence[str]) -> None:
    """Reads standard input, writes the outcome."""
    claimed, max_chars, memory_bytes, cpu_seconds = Format(arguments[0]), *map(int, arguments[1:])
    # With the reader loaded, nothing but the file is left to be opened.
    reader_of(claimed)
    limit(memory_bytes, cpu_seconds)
    sys.addaudithook(_deny)
    try:
        found = extract(sys.stdin.buffer.read(), claimed, max_chars)
        outcome: dict[str, object] = {"text": found.text, "structure": found.structure, "pages": list(found.pages)}
    except OloError as error:
        outcome = {"error": error.reason}
    sys.stdout.buffer.write(json.dumps(outcome, ensure_ascii=False).encode())


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Bounds what this process may use from here on; it can write no file and leaves no core."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(kind, (most, most))


def _deny(event: str, _: object) -> None:
    if event.startswith(_DENIED):
        raise PermissionError(event)


if __name__ == "__main__":
    main(sys.argv[1:])

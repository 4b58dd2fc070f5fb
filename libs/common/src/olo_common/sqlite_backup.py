"""`python -m olo_common.sqlite_backup SOURCE TARGET`: a whole copy of an SQLite database that is in use.

A copy of the file alone would miss what is still in its log, or hold half of a transaction.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import sys
from pathlib import Path

from olo_common.errors import StartupError

_PAGES_AT_A_TIME = 1024
_BUSY_SECONDS = 30.0


def back_up(source: Path, target: Path) -> int:
    """Copies a database as it is at one moment, checks the copy, and gives its size in bytes. Writers go on meanwhile.

    Raises:
        StartupError: There is no database, the target exists, cannot be written, or the copy is not sound.
    """
    if not source.is_file():
        raise StartupError(f"{source} is no file")
    if target.exists():
        raise StartupError(f"{target} exists; a backup is never written over")
    # Beside the target, so that it appears whole or not at all.
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _copy(source, unfinished)
        unfinished.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StartupError(f"{source} cannot be backed up to {target}: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as origin,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        origin.execute(f"PRAGMA busy_timeout={int(_BUSY_SECONDS * 1000)}")
        # One transaction of reading, so that writers in between do not begin the copy anew.
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_master").fetchone()
        origin.backup(copy, pages=_PAGES_AT_A_TIME)
        copy.execute("PRAGMA journal_mode=DELETE")
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the copy is not sound")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m olo_common.sqlite_backup",
        description="Copies an SQLite database that is in use. To restore, stop the service and put the copy in place.",
    )
    parser.add_argument("source", type=Path, help="the database, such as .olo/data/registry.db")
    parser.add_argument("target", type=Path, help="the copy; it must not exist")
    told = parser.parse_args()
    try:
        size = back_up(told.source, told.target)
    except StartupError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(StartupError.EXIT_CODE)
    sys.stdout.write(f"{told.target}: {size} bytes\n")


if __name__ == "__main__":
    main()

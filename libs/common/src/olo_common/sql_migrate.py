"""The command that brings the tables of a service to its release, for jobs that run before its processes are replaced.

Needs the extra `sql` of this distribution.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from olo_common.errors import StartupError
from olo_common.logs import configure_logs
from olo_common.settings import ServiceSettings, load_settings, print_help
from olo_common.sql import Database

S = TypeVar("S", bound=ServiceSettings)


def migrate(name: str, settings_class: type[S], opened: Callable[[S], AbstractAsyncContextManager[Database]]) -> None:
    """Migrates and says at which revision the tables are. The exit code is 1 where the database cannot be used.

    Several at once are safe, also beside services that start: one works, the others wait and find nothing to do.

    Args:
        name: Of the service, as in `olo-registry`.
        settings_class: Its settings.
        opened: Its database, opened and migrated.
    """
    if len(sys.argv) > 1:
        about = f"Brings the tables of {name} to this release, as each of its processes does when it starts."
        print_help(f"{name}-migrate", about, settings_class)
        sys.exit(0 if sys.argv[1] in ("--help", "-h") else 2)
    try:
        settings = load_settings(settings_class)
        configure_logs(settings.log, name)
        revision = asyncio.run(_revision(opened(settings)))
    except StartupError as error:
        sys.stderr.write(f"{name}: {error}\n")
        sys.exit(StartupError.EXIT_CODE)
    sys.stdout.write(f"{name}: the tables are at revision {revision}\n")


async def _revision(opened: AbstractAsyncContextManager[Database]) -> str:
    async with opened as database:
        return await database.migrate()

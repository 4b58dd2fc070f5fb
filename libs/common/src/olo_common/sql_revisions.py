"""The revisions of a service's tables: which ones there are, which one a database has, and how it gets the newest.

Needs the extra `sql` of this distribution.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

from sqlalchemy import Connection, inspect, text

_SCRIPT: Final = re.compile(r"[a-z](\d{4})_\w+\.py")
_TABLE: Final = "alembic_version"


def known(migrations: str) -> list[str]:
    """The revisions that this release knows, the oldest first: their numbers begin the names of their scripts.

    Args:
        migrations: As of `sql.Database`.
    """
    package, _, folder = migrations.partition(":")
    scripts = resources.files(package).joinpath(folder, "versions").iterdir()
    return sorted(named[1] for script in scripts if (named := _SCRIPT.fullmatch(script.name)))


def current(connection: Connection) -> str | None:
    """The revision of the tables; None where there are none."""
    if not inspect(connection).has_table(_TABLE):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def upgrade(connection: Connection, migrations: str) -> None:
    """Brings the tables to the newest revision."""
    # Imported here: most processes find their tables as they need them, and it costs a start 0.2 s.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", migrations)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

"""TLS to a Postgres server, by the parameters of its URL that libpq and every Postgres tool know."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy.engine import URL

_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_FILES: Final = ("sslrootcert", "sslcert", "sslkey")
_NAMES: Final = ("sslmode", *_FILES)


def without_tls_parameters(url: URL) -> tuple[URL, dict[str, Any]]:
    """The URL for SQLAlchemy, whose driver knows none of these, and the arguments of the driver that stand for them.

    Raises:
        ValueError: A mode that does not exist, or a file that is not there; the message names the parameter.
    """
    given = {name: str(url.query[name]) for name in _NAMES if name in url.query}
    if not given:
        return url, {}
    if given.get("sslmode", "prefer") not in _MODES:
        raise ValueError(f"sslmode must be one of {', '.join(_MODES)}")
    for name in _FILES:
        if name in given and not Path(given[name]).is_file():
            raise ValueError(f"{name}: {given[name]} is no file")
    # asyncpg reads them out of a URL of its own; host, user and database are told to it beside that.
    return url.difference_update_query(given), {"dsn": f"postgresql://?{urlencode(given)}"}

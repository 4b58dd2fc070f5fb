"""The settings file of the command line: variables, as in the environment, where the environment does not set them.

Whatever the command line starts, such as the local stack, is given them too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from olo_client.tls import Tls

SETTINGS_FILE = "OLO_SETTINGS_FILE"
"""The variable that names the file; where it is not set, `olo.env` in the current directory is read if it is there."""
USUAL_FILE = Path("olo.env")
TLS = "OLO_TLS"
"""The variable that says whether to speak TLS to the gateway."""
TLS_FILES = {
    "ca_file": "OLO_TLS_CA_FILE",
    "client_cert_file": "OLO_TLS_CLIENT_CERT_FILE",
    "client_key_file": "OLO_TLS_CLIENT_KEY_FILE",
}
"""The variables that name the files of a `Tls`; services read the same ones for their calls to each other."""
TLS_SERVER_NAME = "OLO_TLS_SERVER_NAME"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("OLO_", "TEMPORAL_")
_YES = ("1", "true", "yes", "on")


class SettingsFileError(Exception):
    """The settings file cannot be read; the message names the line."""


def settings_file() -> Path | None:
    """The file that is read; None where there is none."""
    named = os.environ.get(SETTINGS_FILE)
    if named:
        return Path(named)
    return USUAL_FILE if USUAL_FILE.is_file() else None


def read_settings_file(path: Path) -> dict[str, str]:
    """Its variables.

    Raises:
        SettingsFileError: It cannot be read, or a line is no `NAME=VALUE` of a variable that begins with OLO_ or
            TEMPORAL_.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingsFileError(f"the settings file {path} cannot be read") from None
    found: dict[str, str] = {}
    for number, line in enumerate((line.strip() for line in lines), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise SettingsFileError(f"{path}, line {number}: is not NAME=VALUE")
        if not name.startswith(_OURS):
            raise SettingsFileError(f"{path}, line {number}: {name} begins neither with OLO_ nor with TEMPORAL_")
        found[name] = _plain(value)
    return found


def apply_settings_file() -> None:
    """Sets the variables of the file that the environment does not set.

    Raises:
        SettingsFileError: It cannot be read.
    """
    if (path := settings_file()) is not None:
        for name, value in read_settings_file(path).items():
            os.environ.setdefault(name, value)


def sources() -> tuple[Mapping[str, str], Mapping[str, str], str]:
    """What the environment says now, what the file says, and the name of the file (empty: there is none)."""
    path = settings_file()
    return dict(os.environ), read_settings_file(path) if path else {}, str(path or "")


def chosen_tls(said: Tls | bool | None = None) -> Tls | None:
    """How to connect to the gateway: what the caller has said, else what the variables say.

    `OLO_TLS=true` asks for TLS with public authorities; where it is not set, OLO_TLS_CA_FILE alone is enough.

    Returns:
        None: without TLS.
    """
    if isinstance(said, Tls):
        return said
    files = {name: os.environ.get(variable) or None for name, variable in TLS_FILES.items()}
    wanted = said
    if wanted is None and (told := os.environ.get(TLS)):
        wanted = told.lower() in _YES
    if wanted is None:
        wanted = files["ca_file"] is not None
    return Tls(**files, server_name=os.environ.get(TLS_SERVER_NAME, "")) if wanted else None


@contextmanager
def tls_flags(values: Mapping[str, str | None]) -> Iterator[None]:
    """Sets variables, as if the environment had them, while the context is entered; None leaves one alone."""
    before = {name: os.environ.get(name) for name, value in values.items() if value is not None}
    os.environ.update({name: value for name, value in values.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _plain(value: str) -> str:
    """The value without its quotes, or without the comment behind it."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.partition(" #")[0].rstrip()

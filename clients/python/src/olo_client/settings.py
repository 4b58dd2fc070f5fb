"""The settings file of the command line: variables, as in the environment, where the environment does not set them.

Whatever the command line starts, such as the local stack, is given them too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

SETTINGS_FILE = "OLO_SETTINGS_FILE"
"""The variable that names the file; where it is not set, `olo.env` in the current directory is read if it is there."""
USUAL_FILE = Path("olo.env")

API_KEY = "OLO_API_KEY"
"""The variable that holds the API key."""
API_KEY_FILE = "OLO_API_KEY_FILE"
"""The variable that names a file with nothing but the API key."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("OLO_", "TEMPORAL_")


class SettingsFileError(Exception):
    """The settings file cannot be read; the message names the line."""


def usual_api_key() -> str:
    """The API key of OLO_API_KEY, or else in the file that OLO_API_KEY_FILE names; empty where there is none.

    Raises:
        SettingsFileError: The file cannot be read.
    """
    told, place = os.environ.get(API_KEY, ""), os.environ.get(API_KEY_FILE, "")
    if told or not place:
        return told.strip()
    try:
        return Path(place).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsFileError(f"the file {place} of the API key cannot be read") from None


def use_api_key_file(path: Path) -> None:
    """Has the key of this file be used by whatever this process does, and whatever it starts."""
    os.environ.pop(API_KEY, None)
    os.environ[API_KEY_FILE] = str(path)


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


def _plain(value: str) -> str:
    """The value without its quotes, or without the comment behind it."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.partition(" #")[0].rstrip()

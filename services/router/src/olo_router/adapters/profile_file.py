"""The operator's profiles, from a TOML file: a table for each, with its weights."""

from __future__ import annotations

import tomllib
from pathlib import Path

from olo_common.errors import StartupError
from olo_router.selection.profiles import Profile, Profiles, profile_of

_MAX_BYTES = 64 * 1024


def load_profiles(path: Path | None, default: str) -> Profiles:
    """The built-in profiles and those of the file, which has entries such as `[fast]`, `latency = 0.9`, `cost = 0.1`.

    Raises:
        StartupError: The file cannot be read, holds something else, or there is no profile of the default's name.
    """
    own: tuple[Profile, ...] = ()
    try:
        if path is not None:
            text = path.read_text(encoding="utf-8")
            if len(text) > _MAX_BYTES:
                raise ValueError(f"it is larger than {_MAX_BYTES} bytes")
            own = tuple(profile_of(name, weights) for name, weights in tomllib.loads(text).items())
        return Profiles(own, default)
    except (OSError, ValueError) as error:
        where = "OLO_ROUTER_DEFAULT_PROFILE" if path is None else f"{path} (OLO_ROUTER_PROFILES_FILE)"
        raise StartupError(f"{where}: {error}") from None

"""The spelling of identifiers that callers choose."""

from __future__ import annotations

import re
from typing import Final

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
COLLECTION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DOCUMENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
AUTO_MODEL: Final = "auto"
DEFAULT_TENANT: Final = "default"


def is_valid(pattern: re.Pattern[str], value: str) -> bool:
    """Whether the whole value has the spelling, and no path can be climbed with it."""
    return pattern.fullmatch(value) is not None and ".." not in value

"""Which files of a folder, a bucket or a commit are documents. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from olo_common.errors import InvalidField
from olo_contracts.files import READABLE

_ANY_FOLDERS = "**"


def chooser(glob: str, field: str) -> Callable[[str], bool]:
    """Whether a relative path is a document: one that the glob matches, or without a glob one whose text can be read.

    `*`, `?` and `[...]` stay within a name, `**` stands for any folders. Hidden files and folders never are. However a
    glob is made, matching it takes time in proportion to the path.

    Raises:
        InvalidField: The glob leads out of the folder.
    """
    if not glob:
        return lambda path: not _hidden(path) and PurePosixPath(path).suffix.lower().removeprefix(".") in READABLE
    parts = glob.split("/")
    if not all(parts) or any(part in (".", "..") for part in parts):
        raise InvalidField(field, "must be relative, such as **/*.md")
    patterns = [None if part == _ANY_FOLDERS else re.compile(fnmatch.translate(part)) for part in parts]
    return lambda path: not _hidden(path) and _matches(patterns, path.split("/"))


def _matches(patterns: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Whether the names follow the patterns, of which None stands for any number of names."""
    reached = _through_folders(patterns, {0})
    for name in names:
        following = set[int]()
        for place in reached - {len(patterns)}:
            pattern = patterns[place]
            if pattern is None:
                following.add(place)
            elif pattern.match(name):
                following.add(place + 1)
        reached = _through_folders(patterns, following)
    return len(patterns) in reached


def _through_folders(patterns: Sequence[re.Pattern[str] | None], places: set[int]) -> set[int]:
    """The places, and those behind a pattern that may stand for no name at all."""
    found = set(places)
    for place in range(len(patterns)):
        if place in found and patterns[place] is None:
            found.add(place + 1)
    return found


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))

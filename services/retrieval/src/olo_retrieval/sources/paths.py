"""Which files of a folder, a bucket or a commit are documents. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from olo_common.errors import InvalidField
from olo_contracts.files import READABLE

_SPECIAL = {"*": "[^/]*", "?": "[^/]"}


def chooser(glob: str, field: str) -> Callable[[str], bool]:
    """Whether a relative path is a document: one that the glob matches, or without a glob one whose text can be read.

    `*` and `?` stop at a slash, `**/` stands for any folders, `[...]` is a set of characters. Hidden files and folders
    never are.

    Raises:
        InvalidField: The glob is no pattern.
    """
    if not glob:
        return lambda path: not _hidden(path) and PurePosixPath(path).suffix.lower().removeprefix(".") in READABLE
    if glob.startswith("/") or ".." in PurePosixPath(glob).parts:
        raise InvalidField(field, "must be relative, such as **/*.md")
    try:
        pattern = re.compile(_translated(glob))
    except re.error:
        raise InvalidField(field, "is no pattern, such as **/*.md") from None
    return lambda path: not _hidden(path) and pattern.fullmatch(path) is not None


def _translated(glob: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(glob):
        if glob.startswith("**", at):
            slash = glob.startswith("**/", at)
            parts.append("(?:[^/]+/)*" if slash else ".*")
            at += 3 if slash else 2
            continue
        end = glob.find("]", at + 2) if glob[at] == "[" else -1
        if end > 0 and "/" not in glob[at:end]:
            body = glob[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = body.startswith("!")
            parts.append(f"[{'^/' if negated else ''}{body.removeprefix('!')}]")
            at = end + 1
            continue
        parts.append(_SPECIAL.get(glob[at]) or re.escape(glob[at]))
        at += 1
    return "".join(parts)


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))

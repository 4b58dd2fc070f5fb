"""Files of a directory that somebody else has filled."""

from __future__ import annotations

from pathlib import Path

from olo_llm_worker.errors import ModelDirectoryError


def file_within(directory: Path, name: str) -> Path:
    """The path of a file that lies in a directory and nowhere else.

    Raises:
        ModelDirectoryError: The name is no plain one, or a link leads out of the directory.
    """
    if name != Path(name).name or name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise ModelDirectoryError(f"{directory} names the file {name!r}, which is not a plain file name")
    file = directory / name
    if not file.resolve().is_relative_to(directory.resolve()):
        raise ModelDirectoryError(f"{name} in {directory} is a link that leaves it; copy the file itself")
    return file

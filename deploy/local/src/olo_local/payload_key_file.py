"""The file of the keys that encrypt payloads: made and changed here. What people have written beside keys stays."""

from __future__ import annotations

from pathlib import Path

from olo_client.private_files import held, write_private
from olo_common.payload_key_lines import KEY_ID, PayloadKeysInvalid, keys_of, new_id, new_line

_HEAD = "# Keys of payloads: the first encrypts, all decrypt. Whoever has this file reads every prompt and answer.\n"


class PayloadKeyFileError(Exception):
    """The file cannot be used, or what was asked for cannot be done; the message says what."""


def ids_of(path: Path) -> list[str]:
    """The ids of the keys, in the order of the file. Raises PayloadKeyFileError."""
    return list(keys_of(_text(path)))


def created(path: Path, key_id: str = "") -> tuple[str, bool]:
    """Adds a key as the last one; makes the file where there is none.

    Args:
        path: The file.
        key_id: Its id; empty: one is made up.

    Returns:
        The id, and whether the key encrypts, as the first one.

    Raises:
        PayloadKeyFileError: The id is wrong or taken, or the file cannot be used.
    """
    key_id = key_id or new_id()
    if not KEY_ID.fullmatch(key_id):
        raise PayloadKeyFileError("id: 1 to 63 letters, digits, points, _ and - are allowed")
    path = path.resolve()
    try:
        with held(path.parent):
            text = _text(path) if path.exists() else _HEAD
            known = list(keys_of(text)) if path.exists() else []
            if key_id in known:
                raise PayloadKeyFileError(f"id: there is a key with the id {key_id} already")
            write_private(path, f"{text.rstrip()}\n{new_line(key_id)}\n")
    except OSError as error:
        raise PayloadKeyFileError(f"{path} cannot be written: {error.strerror}") from None
    return key_id, not known


def used(path: Path, key_id: str) -> None:
    """Has a key encrypt from now on: its line becomes the first one.

    Raises:
        PayloadKeyFileError: There is no such key, or the file cannot be used.
    """
    path = path.resolve()
    try:
        with held(path.parent):
            lines = _text(path).splitlines()
            places = [number for number, line in enumerate(lines) if _is_key(line)]
            place = next((number for number in places if lines[number].split()[0] == key_id), None)
            if place is None:
                raise PayloadKeyFileError(f"there is no key with the id {key_id}")
            lines.insert(places[0], lines.pop(place))
            write_private(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise PayloadKeyFileError(f"{path} cannot be written: {error.strerror}") from None


def _is_key(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _text(path: Path) -> str:
    """The file, once it was seen that every process can use it."""
    try:
        text = path.read_text()
        keys_of(text)
    except OSError as error:
        raise PayloadKeyFileError(f"{path} cannot be read: {error.strerror}") from None
    except (PayloadKeysInvalid, UnicodeDecodeError) as error:
        problem = error if isinstance(error, PayloadKeysInvalid) else "it is no text"
        raise PayloadKeyFileError(f"{path} cannot be used: {problem}") from None
    return text

"""The file of API keys that gateways read: made and changed here, by one at a time, and never half written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from olo_client.private_files import held, write_private
from olo_contracts.api_keys import LIMITS, PRIORITIES, ROLES, TENANT, hash_of, new_key
from olo_contracts.identifiers import MODEL_ID, is_valid

_HEAD = "# API keys of Open LLM Orchestrator. Hashes alone: no key can be made of it. `olo keys` writes it anew.\n"


class KeyFileError(Exception):
    """The file cannot be used, or what was asked for cannot be done; the message says what."""


@dataclass(frozen=True)
class Grant:
    """What a key is for.

    Attributes:
        tenant: Whose things its bearer sees and makes.
        roles: `user`, `admin`.
        name: For people.
        lasts: From now on; None: until it is revoked.
        models: Names of models and aliases; none: all.
        limits: Numbers by the names in `olo_contracts.api_keys.LIMITS`; those that are not there do not hold.
        priority: The most urgent that requests can be; empty: any.
    """

    tenant: str
    roles: tuple[str, ...] = ("user",)
    name: str = ""
    lasts: timedelta | None = None
    models: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    priority: str = ""

    def check(self) -> None:
        """Refuses what no gateway would take.

        Raises:
            KeyFileError: Naming the option.
        """
        if not is_valid(TENANT, self.tenant) or self.tenant.endswith("."):
            raise KeyFileError(
                "tenant: 1 to 63 of a-z, 0-9, point, _ and - are allowed, beginning with a letter or digit"
            )
        if not self.roles or set(self.roles) - set(ROLES):
            raise KeyFileError(f"role: must be one of {', '.join(ROLES)}")
        if self.priority and self.priority not in PRIORITIES:
            raise KeyFileError(f"priority: must be one of {', '.join(PRIORITIES)}")
        if wrong := [model for model in self.models if not is_valid(MODEL_ID, model)]:
            raise KeyFileError(f"model: {wrong[0]!r} cannot be the name of a model or an alias")
        if any(name not in LIMITS or number < 1 for name, number in self.limits.items()):
            raise KeyFileError("limits: must be at least 1")
        if len(self.name) > 200:
            raise KeyFileError("name: at most 200 characters are allowed")
        if self.lasts is not None and self.lasts <= timedelta(0):
            raise KeyFileError("expires: must be after now")


@dataclass(frozen=True)
class Known:
    """A key as its file knows it."""

    id: str
    tenant: str
    roles: tuple[str, ...]
    name: str
    created: str
    expires: str
    state: str
    """`active`, `expired` or `revoked`."""


@contextlib.contextmanager
def changed(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Gives the entries, and writes the file anew with what became of them; not where that raises.

    Raises:
        KeyFileError: It cannot be read or written.
    """
    path = path.resolve()
    try:
        with held(path.parent):
            entries = entries_of(path) if path.exists() else []
            yield entries
            write_private(path, _HEAD + yaml.safe_dump({"keys": entries}, sort_keys=False))
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from None


def entries_of(path: Path) -> list[dict[str, Any]]:
    """The entries of a file.

    Raises:
        KeyFileError: It is none.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError):
        raise KeyFileError(f"{path} is not valid YAML") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(each, dict) and "id" in each for each in entries):
        raise KeyFileError(f"{path} is no file of API keys")
    return entries


def created(entries: list[dict[str, Any]], grant: Grant, now: datetime) -> tuple[str, str]:
    """Adds a key; gives its id and the key itself, which is kept nowhere.

    Raises:
        KeyFileError: The grant is wrong.
    """
    grant.check()
    key_id, key = new_key()
    entry: dict[str, Any] = {
        "id": key_id,
        "hash": hash_of(key),
        "tenant": grant.tenant,
        "roles": list(grant.roles),
        "name": grant.name,
        "created": _spelled(now),
        "expires": None if grant.lasts is None else _spelled(now + grant.lasts),
        "models": list(grant.models),
        "limits": dict(grant.limits) | ({"priority": grant.priority} if grant.priority else {}),
    }
    entries.append({name: value for name, value in entry.items() if value})
    return key_id, key


def revoked(entries: list[dict[str, Any]], key_id: str, now: datetime) -> None:
    """Ends a key; its entry stays, so that it is known whose it was.

    Raises:
        KeyFileError: There is none.
    """
    _entry(entries, key_id).setdefault("revoked", _spelled(now))


def rotated(entries: list[dict[str, Any]], key_id: str, overlap: timedelta, now: datetime) -> tuple[str, str]:
    """Adds a key with everything that another one has, which ends after the overlap. Gives the id and the new key.

    Where the other one was made for some time, the new one is for as long.

    Raises:
        KeyFileError: There is none, or it was revoked.
    """
    old = _entry(entries, key_id)
    if "revoked" in old:
        raise KeyFileError(f"the key {key_id} was revoked; make a new one")
    new_id, key = new_key()
    before, made = _time(old.get("expires")), _time(old.get("created"))
    entry = {**old, "id": new_id, "hash": hash_of(key), "created": _spelled(now)}
    if before is not None and made is not None:
        entry["expires"] = _spelled(now + (before - made))
    entries.append(entry)
    end = now + overlap
    old["expires"] = _spelled(end if before is None else min(before, end))
    return new_id, key


def known(entries: list[dict[str, Any]], now: datetime) -> list[Known]:
    """The keys of a file, in its order."""
    found = []
    for entry in entries:
        ends, expires = _time(entry.get("revoked")), _time(entry.get("expires"))
        gone = "revoked" if ends is not None and ends <= now else "expired" if expires and expires <= now else "active"
        created_at = _time(entry.get("created"))
        found.append(
            Known(
                id=str(entry["id"]),
                tenant=str(entry.get("tenant", "")),
                roles=tuple(map(str, entry.get("roles") or ())),
                name=str(entry.get("name", "")),
                created=_spelled(created_at) if created_at else "",
                expires=_spelled(expires) if expires else "",
                state=gone,
            )
        )
    return found


def _entry(entries: list[dict[str, Any]], key_id: str) -> dict[str, Any]:
    for entry in entries:
        if entry["id"] == key_id:
            return entry
    raise KeyFileError(f"there is no key with the id {key_id}")


def _spelled(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(value: Any) -> datetime | None:
    """A time as people and YAML write it."""
    if value is None:
        return None
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise KeyFileError(f"{value!r} is no time") from None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)

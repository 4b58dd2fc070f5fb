"""Which key a call carries, whatever dialect it is spelled in, and what a call of some kind needs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from olo_gateway.access.caller import NOBODY, Caller
from olo_gateway.access.errors import Forbidden, KeyMissing, KeyRefused, KeysDisagree
from olo_gateway.access.keyring import Keyring

AUTHORIZATION: Final = "authorization"
API_KEY: Final = "x-api-key"
_BEARER: Final = "bearer "


class Need(Enum):
    """What a call needs."""

    NOTHING = "nothing"
    USER = "user"
    """A key."""
    ADMIN = "admin"
    """A key of the role `admin`."""


def permitted(headers: Iterable[tuple[str, str]], need: Need, keys: Keyring) -> Caller:
    """Who calls, where they may.

    Args:
        headers: Names, in small letters, and values of all headers or metadata, repeated ones too.
        need: What the call needs.
        keys: Who there is.

    Raises:
        KeyMissing, KeyRefused, KeysDisagree: Nobody can say who calls.
        Forbidden: Their key is not for such calls.
    """
    if need is Need.NOTHING:
        return NOBODY
    found = keys.find(presented(headers))
    if need is Need.ADMIN and not found.admin:
        raise Forbidden("this key is not for operators")
    return found


def presented(headers: Iterable[tuple[str, str]]) -> str:
    """The one key in the headers.

    Raises:
        KeyMissing: There is none.
        KeyRefused: There is something that can be none.
        KeysDisagree: There are two.
    """
    told = {_key_in(name, value) for name, value in headers if name in (AUTHORIZATION, API_KEY)}
    if not told:
        raise KeyMissing
    if len(told) > 1:
        raise KeysDisagree
    return told.pop()


def _key_in(name: str, value: str) -> str:
    if name == API_KEY:
        return value.strip()
    if value[: len(_BEARER)].lower() != _BEARER:
        raise KeyRefused
    return value[len(_BEARER) :].strip()

"""Every variable that the parts of the stack read: what it is now, where that comes from, and what it means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from olo_client.cli.options import TARGET
from olo_client.cluster import DEFAULT_URL
from olo_common.settings import variables
from olo_local.services import SERVICES
from olo_local.settings import LocalSettings

PARTS: Final[Mapping[str, type[BaseSettings]]] = {"local stack": LocalSettings, **SERVICES}
_CLIENT: Final = (
    ("OLO_TARGET", TARGET, "Host and port of the gateway that the command line asks."),
    ("OLO_TLS", "unset", "Whether the command line and the SDK speak TLS; unset: where OLO_TLS_CA_FILE is set."),
    ("OLO_API_KEY", "", "The API key of the command line and the Python client, where the gateway asks for one."),
    ("OLO_API_KEY_FILE", "", "A file with nothing but that API key; OLO_API_KEY goes before it."),
    ("OLO_URL", DEFAULT_URL, "HTTP address of the gateway, for `olo top` and `olo doctor --bundle`."),
)
_SECRET_NAME: Final = re.compile(r"(SECRET|PASSWORD|TOKEN|API_KEY|ACCESS_KEY|CREDENTIAL)S?$")
_SECRET_PART: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")
MASKED: Final = "****"

Source = Literal["environment", "file", "default"]


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        part: Who reads it; `shared` where several do.
        name: Its name.
        value: What it is, masked where it is a secret.
        source: Where that comes from.
        default: What it is where nobody says anything.
        meaning: What it does.
    """

    part: str
    name: str
    value: str
    source: Source
    default: str
    meaning: str


def all_variables(environment: Mapping[str, str], file: Mapping[str, str]) -> list[Variable]:
    """Every variable, by part.

    Args:
        environment: Variables as this process sees them, those of the settings file among them.
        file: Variables of the settings file.
    """
    secret = {name for settings in PARTS.values() for name in _where(settings, _is_secret)}
    found = []
    for name, (part, default, meaning) in _known().items():
        given = environment.get(name)
        source: Source = "default" if given is None else "file" if file.get(name) == given else "environment"
        value = default if given is None else masked(name, given, secret=name in secret)
        found.append(Variable(part, name, value, source, default, meaning))
    return found


def masked(name: str, value: str, *, secret: bool) -> str:
    """A value that can be shown: a secret, or the credentials in a URL, as stars."""
    if value and (secret or _SECRET_NAME.search(name)):
        return MASKED
    return _SECRET_PART.sub(MASKED, value)


def _known() -> dict[str, tuple[str, str, str]]:
    known = {name: ("command line", default, meaning) for name, default, meaning in _CLIENT}
    readers: dict[str, set[str]] = {}
    for part, settings in PARTS.items():
        made_up = set(_where(settings, _is_made_up))
        for name, default, meaning in variables(settings):
            readers.setdefault(name, set()).add(part)
            known[name] = (
                part if len(readers[name]) == 1 else "shared",
                "unset" if name in made_up else default,
                meaning,
            )
    return dict(sorted(known.items(), key=lambda item: [*PARTS, "shared", "command line"].index(item[1][0])))


def _where(settings: type[BaseSettings], holds: Callable[[FieldInfo], bool]) -> Iterator[str]:
    """The variables whose field is such."""
    prefix = settings.model_config.get("env_prefix") or ""
    for name, info in settings.model_fields.items():
        if holds(info):
            yield f"{prefix}{name}".upper()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseSettings):
            yield from _where(info.annotation, holds)


def _is_secret(info: FieldInfo) -> bool:
    return SecretStr in (info.annotation, *get_args(info.annotation))


def _is_made_up(info: FieldInfo) -> bool:
    """Whether the default is found anew at each start, on each machine."""
    return info.default_factory is not None

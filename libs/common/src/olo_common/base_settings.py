"""What all settings classes are made of: a prefix, docstrings as descriptions, and secrets that may stand in files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from olo_common.described import Described
from olo_common.errors import StartupError

FROM_FILE: Final = "may stand in a file"
"""Mark of a field, within `Annotated`, that holds a secret although it is plain text: the URL of a database."""
_SUFFIX: Final = "_FILE"
_MOST_BYTES: Final = 1024 * 1024


def settings_config(prefix: str) -> SettingsConfigDict:
    """The configuration of a settings class whose variables begin with `prefix`."""
    return SettingsConfigDict(env_prefix=prefix, frozen=True, extra="forbid")


class OloSettings(Described, BaseSettings):
    """Settings of which each secret can be given as `NAME`, or as `NAME_FILE`: a file that holds it.

    A file is read once, at start; white space at its end is no part of the secret.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is said in the code, then the environment, then files that the environment names."""
        return init_settings, env_settings, _NamedFiles(settings_cls)


class _NamedFiles(EnvSettingsSource):
    """The secrets of a class, out of the files that `NAME_FILE` names."""

    def __call__(self) -> dict[str, Any]:
        """Field names and values.

        Raises:
            StartupError: A file cannot be read, is empty, or the secret is given twice.
        """
        found: dict[str, Any] = {}
        for name, info in secrets_of(self.settings_cls):
            variable = f"{self.env_prefix}{name}".upper()
            path = self.env_vars.get(f"{variable}{_SUFFIX}".lower())
            if not path:
                continue
            if self.env_vars.get(variable.lower()) is not None:
                raise StartupError(f"{variable} and {variable}{_SUFFIX} are both set; set one")
            text = _read(Path(path), f"{variable}{_SUFFIX}")
            found[name] = self.prepare_field_value(name, info, text, self.field_is_complex(info))
        return found


def secrets_of(settings_class: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields that may stand in files; those of nested groups are theirs."""
    if issubclass(settings_class, OloSettings):
        for name, info in settings_class.model_fields.items():
            if is_secret(info) or FROM_FILE in info.metadata:
                yield name, info


def is_secret(info: FieldInfo) -> bool:
    """Whether a field holds what nobody may see."""
    return SecretStr in (info.annotation, *get_args(info.annotation))


def file_variable(variable: str) -> str:
    """The variable that names a file with the value of another one."""
    return f"{variable}{_SUFFIX}"


def _read(path: Path, variable: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES).rstrip()
    except OSError as error:
        raise StartupError(f"{variable}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartupError(f"{variable}: {path} is no text") from None
    if not text:
        raise StartupError(f"{variable}: {path} is empty")
    return text

"""The base of all settings. Only `settings` modules read the environment.

A service's settings are one frozen class with the prefix `OLO_<SERVICE>_`. What all services share has its own prefix:
`OLO_NATS_`, `OLO_LOG_`, and the standard `TEMPORAL_` and `OTEL_`.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from olo_common.base_settings import OloSettings, file_variable, secrets_of, settings_config
from olo_common.described import Described
from olo_common.errors import StartupError
from olo_common.nats_settings import NatsSettings
from olo_common.temporal_settings import PayloadSettings, TemporalSettings
from olo_common.tls_settings import TlsSettings

__all__ = [
    "LogSettings",
    "NatsSettings",
    "PayloadSettings",
    "Port",
    "Seconds",
    "SecuritySettings",
    "ServiceSettings",
    "TemporalSettings",
    "TlsSettings",
    "TracingSettings",
    "is_loopback",
    "load_settings",
    "print_help",
    "settings_config",
    "variables",
]

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0)]


class LogSettings(Described, BaseSettings):
    model_config = settings_config("OLO_LOG_")

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is written."""
    format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
    texts: bool = False
    """Whether the texts of exceptions and of libraries' messages are written. They help to find a bug, and may quote
    prompts, answers and keys."""


class TracingSettings(OloSettings):
    """The names are OpenTelemetry's own."""

    model_config = settings_config("OTEL_")

    exporter_otlp_endpoint: str = ""
    """Where spans are sent, by OTLP over gRPC, such as `http://127.0.0.1:4317`. Empty: nothing is traced."""
    exporter_otlp_headers: SecretStr | None = None
    """Headers that the collector asks for: `name=value`, separated by commas."""
    traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that are kept, of those that no caller has decided about."""
    logs_exporter: Literal["none", "otlp"] = "none"
    """`otlp`: the lines of the log are sent to the endpoint too, without texts of exceptions and of libraries. Standard
    error stays the complete log: lines are dropped on the way where the endpoint is away."""

    @model_validator(mode="after")
    def _logs_have_an_endpoint(self) -> Self:
        if self.logs_exporter == "otlp" and not self.exporter_otlp_endpoint:
            raise ValueError("OTEL_LOGS_EXPORTER=otlp needs OTEL_EXPORTER_OTLP_ENDPOINT")
        return self


class SecuritySettings(Described, BaseSettings):
    model_config = settings_config("OLO_")

    allow_insecure: bool = False
    """Serve addresses other than loopback although nothing authenticates the callers. Whoever reaches such an address
    can use, change and delete everything."""


class ServiceSettings(OloSettings):
    """What each service can be told. Subclasses set the prefix, the port and their own fields."""

    model_config = settings_config("OLO_")

    host: str = "127.0.0.1"
    """The address to bind. Other than loopback needs callers that are authenticated (OLO_TLS_CLIENT_CA_FILE), or
    OLO_ALLOW_INSECURE=true."""
    port: Port
    """The gRPC port; 0 takes a free one."""
    metrics_port: Port = 0
    """The port of the Prometheus endpoint /metrics; 0 turns it off."""
    reflection: bool = True
    """Whether gRPC reflection is served, so that grpcurl and buf curl can list the calls."""
    drain_seconds: Seconds = 0.0
    """How long to answer health checks with NOT_SERVING, and all else as usual, before stopping."""
    grace_seconds: Seconds = 10.0
    """How long running calls may take to finish when the service stops."""
    connection_age: Seconds = 300.0
    """Seconds after which clients are asked to connect anew, so that they find new instances; running calls end as
    usual. 0: never, and clients stay with the instance that they found first."""
    log: LogSettings = Field(default_factory=LogSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    tls: TlsSettings = Field(default_factory=TlsSettings)
    security: SecuritySettings = Field(default_factory=SecuritySettings)

    @property
    def authenticated(self) -> bool:
        """Whether every caller has to show who he is. Services that know further ways extend it."""
        return self.tls.client_ca_file is not None

    @model_validator(mode="after")
    def _loopback_or_told(self) -> ServiceSettings:
        if not (is_loopback(self.host) or self.authenticated or self.security.allow_insecure):
            raise ValueError(
                f"refusing to bind {self.host}: callers are not authenticated; bind 127.0.0.1, "
                "ask callers for certificates with OLO_TLS_CLIENT_CA_FILE, or set OLO_ALLOW_INSECURE=true"
            )
        return self


S = TypeVar("S", bound=BaseSettings)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(settings_class: type[S]) -> S:
    """Reads the settings from the environment.

    Raises:
        StartupError: Naming each variable that is missing or wrong.
    """
    try:
        return settings_class()
    except ValidationError as error:
        failed = _class_titled(settings_class, error.title)
        problems = "; ".join(_problem(failed, e["loc"], e["msg"]) for e in error.errors())
        raise StartupError(problems) from None


def _class_titled(settings_class: type[BaseSettings], title: str) -> type[BaseSettings]:
    """The class that refused a value: the settings themselves, or the group in them whose variables are meant."""
    return next((group for group in _groups(settings_class) if group.__name__ == title), settings_class)


def _groups(settings_class: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for info in settings_class.model_fields.values():
        group = info.annotation
        if isinstance(group, type) and issubclass(group, BaseSettings):
            yield group
            yield from _groups(group)


def _problem(settings_class: type[BaseSettings], loc: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not loc:
        return message
    title = (settings_class.model_config.get("env_prefix") or "") + "__".join(str(part) for part in loc)
    return f"{title.upper()}: {message}"


def variables(settings_class: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each variable that the settings read, nested groups last."""
    groups: list[type[BaseSettings]] = []
    prefix = settings_class.model_config.get("env_prefix") or ""
    in_files = dict(secrets_of(settings_class))
    for name, info in settings_class.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseSettings):
            groups.append(nested)
        elif not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            variable = f"{prefix}{name}".upper()
            yield variable, _default(info), " ".join((info.description or "").split())
            if name in in_files:
                yield file_variable(variable), "unset", f"A file that holds {variable}, instead of it; read at start."
    for group in groups:
        yield from variables(group)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    return "unset" if value is None or value == "" else str(value)


def print_help(program: str, description: str, settings_class: type[BaseSettings]) -> None:
    """Writes what the program is and which variables it reads to standard output."""
    lines = [f"usage: {program}", "", description, "", "Environment:"]
    for name, default, meaning in variables(settings_class):
        lines += [f"  {name} (default: {default})", f"      {meaning}"]
    sys.stdout.write("\n".join(lines) + "\n")

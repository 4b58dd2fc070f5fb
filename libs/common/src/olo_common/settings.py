"""The base of all settings. Only `settings` modules read the environment.

A service's settings are one frozen class with the prefix `OLO_<SERVICE>_`. What all services share has its own prefix:
`OLO_NATS_`, `OLO_LOG_`, and the standard `TEMPORAL_` and `OTEL_`.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from olo_common.base_settings import FROM_FILE, OloSettings, file_variable, secrets_of, settings_config
from olo_common.errors import StartupError
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


class NatsSettings(OloSettings):
    model_config = settings_config("OLO_NATS_")

    url: Annotated[str, FROM_FILE] = "nats://127.0.0.1:4222"
    """Where the NATS server listens; `tls://` instead of `nats://`: only if it speaks TLS."""
    user: str = ""
    """The name that the NATS server knows this process by, where it asks for names."""
    password: SecretStr | None = None
    """The password of that user."""
    token: SecretStr | None = None
    """The token that the NATS server asks for, instead of a user."""
    nkey_file: Path | None = None
    """File with the seed of the nkey (`SU...`) with which this process proves who it is, instead of a user. It is read
    at start."""
    creds_file: Path | None = None
    """File with a JWT and the seed of its nkey, as `nsc generate creds` writes it, instead of a user. It is read at
    each connection."""
    ca_file: Path | None = None
    """PEM file of the authorities of the NATS server. Set: nothing is said to a server without TLS. Unset: those of
    the system, where the URL begins with `tls://` or the server asks for TLS. It is read at each connection."""
    client_cert_file: Path | None = None
    """PEM file of the certificate that this process shows to the NATS server, where it asks for one."""
    client_key_file: Path | None = None
    """PEM file of the private key of that certificate, not encrypted."""

    @model_validator(mode="after")
    def _one_way(self) -> NatsSettings:
        ways = {
            "OLO_NATS_USER": self.user,
            "OLO_NATS_TOKEN": self.token,
            "OLO_NATS_NKEY_FILE": self.nkey_file,
            "OLO_NATS_CREDS_FILE": self.creds_file,
        }
        given = [name for name, value in ways.items() if value]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are set; set one")
        if bool(self.user) != bool(self.password):
            raise ValueError("OLO_NATS_USER and OLO_NATS_PASSWORD: both are needed, or none")
        if bool(self.client_cert_file) != bool(self.client_key_file):
            raise ValueError("OLO_NATS_CLIENT_CERT_FILE and OLO_NATS_CLIENT_KEY_FILE: both are needed, or none")
        return self


class PayloadSettings(BaseSettings):
    model_config = settings_config("OLO_PAYLOAD_")

    store: str = ""
    """Where prompts and answers over 256 KiB go: a directory that the gateway and all workers share, or `s3://` and a
    bucket (needs the extra `s3`). Empty: nowhere; an answer of more than 2 MiB then fails."""
    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 16 * 1024 * 1024
    """The largest prompt or answer that is stored, encoded; a larger one fails."""
    retention_hours: Annotated[float, Field(gt=0)] = 168.0
    """Hours after which the gateway deletes files of a directory. Must be longer than Temporal keeps finished runs: a
    run whose files are gone can no longer be shown. Buckets have rules of their own for this."""


class TemporalSettings(OloSettings):
    """Where they exist, the names are those of Temporal's own tools."""

    model_config = settings_config("TEMPORAL_")

    address: str = "127.0.0.1:7233"
    """Host and port of the Temporal frontend. Temporal Cloud: `<namespace>.<account>.tmprl.cloud:7233`, or with an API
    key the address of the region."""
    namespace: str = "default"
    """The Temporal namespace of all runs. Temporal Cloud: `<namespace>.<account>`."""
    api_key: SecretStr | None = None
    """API key of the Temporal frontend, where it asks for one."""
    tls: bool | None = None
    """Whether to speak TLS to the Temporal frontend. Unset: where there is an API key or one of the files below.
    `false` with an API key sends the key in the clear."""
    tls_server_ca_cert_path: Path | None = None
    """PEM file of the authorities of the Temporal frontend. Unset: those of the system."""
    tls_client_cert_path: Path | None = None
    """PEM file of the certificate that this process shows to the Temporal frontend."""
    tls_client_key_path: Path | None = None
    """PEM file of the private key of that certificate. These files are read at start: restart to use new ones."""
    tls_server_name: str = ""
    """The name that the certificate of the Temporal frontend must hold; empty: the host of the address."""
    payloads: PayloadSettings = Field(default_factory=PayloadSettings)

    @model_validator(mode="after")
    def _whole(self) -> TemporalSettings:
        files = (self.tls_server_ca_cert_path, self.tls_client_cert_path, self.tls_client_key_path)
        if bool(self.tls_client_cert_path) != bool(self.tls_client_key_path):
            raise ValueError("TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH: both are needed, or none")
        if self.tls is False and any(files):
            raise ValueError("TEMPORAL_TLS: is false, but files for TLS are set")
        return self

    @property
    def uses_tls(self) -> bool:
        """Whether the connection to the Temporal frontend is one of TLS."""
        return (
            bool(self.api_key or self.tls_server_ca_cert_path or self.tls_client_cert_path or self.tls_server_name)
            if self.tls is None
            else self.tls
        )


class LogSettings(BaseSettings):
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


class SecuritySettings(BaseSettings):
    model_config = settings_config("OLO_")

    allow_insecure: bool = False
    """Serve addresses other than loopback although nothing authenticates the callers. Whoever reaches such an address
    can use, change and delete everything."""


class ServiceSettings(OloSettings):
    """What each service can be told. Subclasses set the prefix, the port and their own fields."""

    # A class's docstrings are read when it is made, so the subclass's own configuration comes too late for these.
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

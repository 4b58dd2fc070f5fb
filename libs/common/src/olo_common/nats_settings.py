"""How the NATS server is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import SecretStr, model_validator

from olo_common.base_settings import FROM_FILE, OloSettings, settings_config


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

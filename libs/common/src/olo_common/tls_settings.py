"""The files with which a process shows who it is, and by which it knows others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pydantic import model_validator

from olo_common.base_settings import OloSettings, settings_config

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[a-z][a-z0-9+.-]*://[^\s,*]+")


class TlsSettings(OloSettings):
    """One group for the servers of a process and for its connections to other services."""

    model_config = settings_config("OLO_TLS_")

    cert_file: Path | None = None
    """PEM file of the certificate that the servers of this process show, followed by the rest of its chain. Unset: they
    speak plain gRPC and HTTP. A file that changes is read again, for new connections."""
    key_file: Path | None = None
    """PEM file of the private key of that certificate, not encrypted."""
    client_ca_file: Path | None = None
    """PEM file of the authorities of callers. Set: who cannot show a certificate of theirs is not let in, health checks
    included, and addresses other than loopback may be bound. Unset: TLS hides what is said, and everybody is let in."""
    allowed_callers: str = ""
    """Who may call the gRPC server of this process: names of hosts and URIs (`spiffe://...`), with commas between them,
    of which one must stand in the caller's certificate, whole and as it is; others get PERMISSION_DENIED. Health checks
    are let in all the same. Empty: whoever has a certificate of `OLO_TLS_CLIENT_CA_FILE`. Not for the gateway."""
    ca_file: Path | None = None
    """PEM file of the authorities of other services. Unset: they are called without TLS."""
    client_cert_file: Path | None = None
    """PEM file of the certificate that this process shows to other services, where they ask for one."""
    client_key_file: Path | None = None
    """PEM file of the private key of that certificate, not encrypted."""
    server_name: str = ""
    """The name that the certificates of other services must hold, whatever address they are called at: for workers
    that are reached by the address of a pod, which no certificate can hold. Empty: the host that is called."""

    @model_validator(mode="after")
    def _whole(self) -> TlsSettings:
        for one, other in (
            ("cert_file", "key_file"),
            ("key_file", "cert_file"),
            ("client_ca_file", "cert_file"),
            ("allowed_callers", "client_ca_file"),
            ("client_cert_file", "client_key_file"),
            ("client_key_file", "client_cert_file"),
            ("client_cert_file", "ca_file"),
            ("server_name", "ca_file"),
        ):
            if getattr(self, one) and not getattr(self, other):
                raise ValueError(f"OLO_TLS_{other.upper()}: is needed where OLO_TLS_{one.upper()} is set")
        return self

    @model_validator(mode="after")
    def _exact(self) -> TlsSettings:
        for name in self.allowed_callers.split(",") if self.allowed_callers else ():
            if not _NAME.fullmatch(name.strip()):
                raise ValueError(
                    f"OLO_TLS_ALLOWED_CALLERS: {name.strip()!r} is neither the name of a host nor a URI; names are "
                    "compared as a whole, so that there are no patterns"
                )
        return self

    @property
    def callers(self) -> frozenset[str]:
        """The names of which a caller's certificate must hold one; none: there is no such rule."""
        names = (name.strip() for name in self.allowed_callers.split(","))
        return frozenset(name if "://" in name else name.lower() for name in names if name)

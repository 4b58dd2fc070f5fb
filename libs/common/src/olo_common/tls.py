"""Certificates, keys and authorities out of files: checked when they are read, and read again when they change."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from olo_common.certificates import Named, TlsProblem, bytes_of, check_authorities, check_pair
from olo_common.changing_files import ChangingFiles
from olo_common.errors import StartupError
from olo_common.logs import logger
from olo_common.metrics import Counter, Figure, Gauge
from olo_common.settings import NatsSettings, TemporalSettings, TlsSettings

RELOADS = Counter(
    "olo_tls_reloads",
    "Changes of certificate files that were noticed: `loaded`, or `refused` and the old ones kept.",
    ("use", "outcome"),
)
EXPIRES = Gauge(
    "olo_tls_certificate_expires",
    "Unix time at which the certificate that is in use ceases to be valid.",
    ("use",),
)
INSTRUMENTS = (RELOADS, EXPIRES)

Use: TypeAlias = Literal["server", "client", "nats", "temporal"]


@dataclass(frozen=True, eq=False)
class Pem:
    """What the files held when they were read; empty where there is no such file.

    Attributes:
        certificate: The certificate and its chain.
        key: Its private key.
        authorities: Who is trusted.
        expires: Unix time at which the certificate ceases to be valid; 0 where there is none.
    """

    certificate: bytes = b""
    key: bytes = b""
    authorities: bytes = b""
    expires: float = 0.0


class TlsFiles:
    """The files of one use, as they are now. Safe to use from several threads.

    Args:
        use: What they are for, as logs and metrics call it.
        certificate: The certificate with its chain, or None.
        key: Its private key, or None.
        authorities: Who is trusted, or None.
        clock: Seconds, growing.

    Raises:
        StartupError: A file is missing, unreadable or senseless, the certificate is expired, or the key is another's.
    """

    def __init__(
        self,
        use: Use,
        *,
        certificate: Named | None = None,
        key: Named | None = None,
        authorities: Named | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.use = use
        self.certificate = certificate
        self.key = key
        self.authorities = authorities
        paths = [named.path for named in (certificate, key, authorities) if named]
        try:
            self._files = ChangingFiles(paths, self._read, problem=TlsProblem, told=self._told, clock=clock)
        except TlsProblem as problem:
            raise StartupError(str(problem)) from None

    def current(self) -> Pem:
        """What the files hold; another object where that has changed. Never raises."""
        return self._files.current()

    def _told(self, problem: Exception | None) -> None:
        if problem is None:
            RELOADS.add(use=self.use, outcome="loaded")
            logger(__name__).info("tls_files_loaded", name=self.use)
        else:
            RELOADS.add(use=self.use, outcome="refused")
            logger(__name__).warning("tls_files_refused", name=self.use, problem=str(problem))

    def _read(self) -> Pem:
        authorities = bytes_of(self.authorities)
        if self.authorities:
            check_authorities(self.authorities)
        certificate, key, expires = bytes_of(self.certificate), bytes_of(self.key), 0.0
        if self.certificate and self.key:
            expires = check_pair(certificate, self.certificate, key, self.key)
        return Pem(certificate, key, authorities, expires)


@cache
def server_files(settings: TlsSettings) -> TlsFiles | None:
    """The files of the servers of this process; None where they speak no TLS. Raises StartupError."""
    if settings.cert_file is None:
        return None
    return TlsFiles(
        "server",
        certificate=_named("OLO_TLS_CERT_FILE", settings.cert_file),
        key=_named("OLO_TLS_KEY_FILE", settings.key_file),
        authorities=_named("OLO_TLS_CLIENT_CA_FILE", settings.client_ca_file),
    )


@cache
def client_files(settings: TlsSettings) -> TlsFiles | None:
    """The files for calls to other services; None where they are called without TLS. Raises StartupError."""
    if settings.ca_file is None:
        return None
    return TlsFiles(
        "client",
        certificate=_named("OLO_TLS_CLIENT_CERT_FILE", settings.client_cert_file),
        key=_named("OLO_TLS_CLIENT_KEY_FILE", settings.client_key_file),
        authorities=_named("OLO_TLS_CA_FILE", settings.ca_file),
    )


@cache
def nats_files(settings: NatsSettings) -> TlsFiles | None:
    """The files for the connection to NATS; None where there are none. Raises StartupError."""
    if settings.ca_file is None and settings.client_cert_file is None:
        return None
    return TlsFiles(
        "nats",
        certificate=_named("OLO_NATS_CLIENT_CERT_FILE", settings.client_cert_file),
        key=_named("OLO_NATS_CLIENT_KEY_FILE", settings.client_key_file),
        authorities=_named("OLO_NATS_CA_FILE", settings.ca_file),
    )


def temporal_files(settings: TemporalSettings) -> TlsFiles:
    """The files for the connection to Temporal, of which there may be none. Raises StartupError."""
    return TlsFiles(
        "temporal",
        certificate=_named("TEMPORAL_TLS_CLIENT_CERT_PATH", settings.tls_client_cert_path),
        key=_named("TEMPORAL_TLS_CLIENT_KEY_PATH", settings.tls_client_key_path),
        authorities=_named("TEMPORAL_TLS_SERVER_CA_CERT_PATH", settings.tls_server_ca_cert_path),
    )


def authorities_in(variable: str, path: Path | None) -> bytes | None:
    """What a file of authorities holds; None where there is none. Raises StartupError."""
    return TlsFiles("client", authorities=Named(variable, path)).current().authorities if path else None


def show_expiry(files: Iterable[TlsFiles | None]) -> None:
    """Shows from now on when the certificates cease to be valid."""
    shown = [each for each in files if each is not None and each.certificate is not None]

    def read() -> list[Figure]:
        return [(each.current().expires, {"use": each.use}) for each in shown]

    if shown:
        EXPIRES.watch_each(read)


def http_context(files: TlsFiles) -> ssl.SSLContext:
    """How an HTTP server speaks TLS: each new connection by the files as they are then."""
    made: tuple[Pem, ssl.SSLContext] = (files.current(), _server_context(files))

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        nonlocal made
        pem = files.current()
        if pem is not made[0]:
            # Where they have changed again since they were checked, the next look finds them.
            with contextlib.suppress(OSError):
                made = (pem, _server_context(files))
        connection.context = made[1]

    # Asked at the beginning of every handshake, also of those that name no server.
    context = _server_context(files)
    context.sni_callback = choose
    return context


def client_context(files: TlsFiles | None) -> ssl.SSLContext:
    """How to connect to a server of TLS by the files as they are now; without any, by the system's authorities."""
    context = ssl.create_default_context()
    if files is None:
        return context
    if files.authorities:
        context = ssl.create_default_context(cafile=files.authorities.path)
    if files.certificate and files.key:
        context.load_cert_chain(files.certificate.path, files.key.path)
    return context


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate and files.key:
        context.load_cert_chain(files.certificate.path, files.key.path)
    if files.authorities:
        context.load_verify_locations(files.authorities.path)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _named(variable: str, path: Path | None) -> Named | None:
    return Named(variable, path) if path is not None else None

"""TLS to the gateway: whom to trust, and what to show."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from olo_client.errors import TLS_FILES_INVALID, InvalidRequestError


@dataclass(frozen=True)
class Tls:
    """A connection with TLS. The files are read when the client is made; make another one where they have changed.

    Attributes:
        ca_file: PEM file of the authorities of the gateway; None: the public ones.
        client_cert_file: PEM file of the certificate that is shown to a gateway that asks for one, with its chain.
        client_key_file: PEM file of its private key, not encrypted.
        server_name: The name that the gateway's certificate must hold; empty: the host of the target.
    """

    ca_file: str | Path | None = None
    client_cert_file: str | Path | None = None
    client_key_file: str | Path | None = None
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """For HTTP.

        Raises:
            InvalidRequestError: A file cannot be read, makes no sense, or the key is another certificate's.
        """
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context = ssl.create_default_context(cafile=self.ca_file)
            except ssl.SSLError:
                raise _unusable(self.ca_file, "holds no certificate in PEM") from None
            except OSError as error:
                raise _unusable(self.ca_file, f"cannot be read: {error.strerror}") from None
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise InvalidRequestError(*_WHICH, "a client certificate and its key are needed both, or none of them")
        if self.client_cert_file is not None and self.client_key_file is not None:
            for file in (self.client_cert_file, self.client_key_file):
                _read(file)
            try:
                context.load_cert_chain(self.client_cert_file, self.client_key_file, password=_no_password)
            except (ssl.SSLError, ValueError):
                message = "is no certificate, or that is not its key (PEM, not encrypted)"
                raise _unusable(self.client_cert_file, message) from None
        return context

    def credentials(self) -> grpc.ChannelCredentials:
        """For gRPC; else as `context`."""
        self.context()
        authorities, key, certificate = (
            None if file is None else _read(file)
            for file in (self.ca_file, self.client_key_file, self.client_cert_file)
        )
        return grpc.ssl_channel_credentials(authorities, key, certificate)

    def options(self) -> list[tuple[str, Any]]:
        """Further options of a gRPC channel."""
        return [("grpc.ssl_target_name_override", self.server_name)] if self.server_name else []


_WHICH: Final = ("INVALID_ARGUMENT", TLS_FILES_INVALID)


def _no_password() -> str:
    """Instead of a prompt on the terminal."""
    raise ValueError


def _read(file: str | Path) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise _unusable(file, f"cannot be read: {error.strerror}") from None


def _unusable(file: str | Path, problem: str) -> InvalidRequestError:
    return InvalidRequestError(*_WHICH, f"{file} {problem}")

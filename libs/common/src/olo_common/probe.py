"""Asks a gRPC server for its health: how a container finds out whether its service serves.

It imports as little as it can, because it is started anew every few seconds.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_SECONDS = 4.0


@dataclass(frozen=True)
class Files:
    """Files of TLS, in PEM.

    Attributes:
        ca: The authorities that the server is known by.
        cert: The certificate that is shown to it; None: none is.
        key: Its private key.
    """

    ca: Path
    cert: Path | None = None
    key: Path | None = None


def serves(target: str, service: str = "", tls: Files | None = None) -> bool:
    """Whether the server answers that it serves.

    Args:
        target: Host and port.
        service: The full name of a service of it; empty: all of them.
        tls: Files of TLS; None: it speaks none.
    """
    try:
        with _channel(target, tls) as channel:
            request = health_pb2.HealthCheckRequest(service=service)
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_SECONDS)
    except (grpc.RpcError, OSError):
        return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(target: str, tls: Files | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target)
    key, cert = (None if file is None else file.read_bytes() for file in (tls.key, tls.cert))
    credentials = grpc.ssl_channel_credentials(tls.ca.read_bytes(), key, cert)
    # The server is asked by its loopback address, which its certificate need not hold.
    options = [("grpc.ssl_target_name_override", name) for name in _names(target, tls)[:1]]
    return grpc.secure_channel(target, credentials, options=options)


def _names(target: str, tls: Files) -> list[str]:
    """The names in the certificate of the server, which the authorities have signed."""
    context = ssl.create_default_context(cafile=tls.ca)
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    host, _, port = target.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert() or {}
    alternatives = certificate.get("subjectAltName", ())
    return [str(entry[1]).replace("*", "any") for entry in alternatives if entry[0] == "DNS"]


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 where it serves, 1 where it does not; ends with 2 where the arguments are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m olo_common.probe", description="Asks a gRPC server for its health."
    )
    parser.add_argument("target", help="host and port")
    parser.add_argument("service", nargs="?", default="", help="the full name of one service of it")
    parser.add_argument("--ca", type=Path, help="the server speaks TLS, and is known by these authorities")
    parser.add_argument("--cert", type=Path, help="the certificate to show to it")
    parser.add_argument("--key", type=Path, help="the private key of that certificate")
    given = parser.parse_args(arguments)
    if (given.cert is None) != (given.key is None):
        parser.error("--cert and --key: both are needed, or none")
    if serves(given.target, given.service, Files(given.ca, given.cert, given.key) if given.ca else None):
        return 0
    sys.stderr.write(f"{given.target} does not serve\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

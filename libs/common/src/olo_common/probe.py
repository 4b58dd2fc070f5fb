"""Asks a gRPC server for its health: how a container finds out whether its service serves.

It imports as little as it can, because it is started anew every few seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_SECONDS = 4.0


def serves(target: str, service: str = "") -> bool:
    """Whether the server answers that it serves.

    Args:
        target: Host and port.
        service: The full name of a service of it; empty: all of them.
    """
    with grpc.insecure_channel(target) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_SECONDS)
        except grpc.RpcError:
            return False
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 where it serves, 1 where it does not, 2 where nobody knows whom to ask."""
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m olo_common.probe HOST:PORT [SERVICE]\n")
        return 2
    if serves(*arguments):
        return 0
    sys.stderr.write(f"{arguments[0]} does not serve\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A Qdrant server with TLS and an API key: what it is shown, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from qdrant_client.grpc import collections_pb2
from qdrant_client.grpc.collections_service_pb2_grpc import CollectionsServicer, add_CollectionsServicer_to_server

from olo_common.tls import authorities_in
from olo_retrieval.adapters.vectors.qdrant import _connect
from olo_testing.certificates import Authority


class Collections(CollectionsServicer):  # type: ignore[misc]
    """Tells whom it has heard."""

    def __init__(self) -> None:
        self.keys: list[Any] = []

    def CollectionExists(self, _: Any, context: grpc.ServicerContext) -> Any:
        self.keys.append(dict(context.invocation_metadata()).get("api-key"))
        return collections_pb2.CollectionExistsResponse(result=collections_pb2.CollectionExists(exists=True))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Collections, Authority]]:
    authority, collections = Authority(tmp_path / "ca"), Collections()
    issued = authority.issue()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_CollectionsServicer_to_server(collections, server)
        pair = (issued.key.read_bytes(), issued.certificate.read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        server.start()
        yield f"127.0.0.1:{port}", collections, authority
        server.stop(None).wait()


def test_the_key_is_shown_to_the_right_server_alone(served: tuple[str, Collections, Authority], tmp_path: Path) -> None:
    address, collections, authority = served
    stranger = Authority(tmp_path / "stranger", "stranger")
    for trusted, expected in ((authority, ["sesame"]), (stranger, ["sesame"])):
        client = _connect(f"grpcs://{address}", "sesame", authorities_in("OLO_X", trusted.file))
        try:
            if trusted is authority:
                assert client.collection_exists("c")
            else:
                with pytest.raises(grpc.RpcError, match="CERTIFICATE_VERIFY_FAILED"):
                    client.collection_exists("c")
        finally:
            client.close()
        assert collections.keys == expected

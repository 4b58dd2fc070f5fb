from __future__ import annotations

import pytest
from temporalio.service import GrpcCompression

from olo_common.settings import TemporalSettings
from olo_common.temporal import temporal_client


@pytest.mark.parametrize(
    ("settings", "compression"),
    [(TemporalSettings(), GrpcCompression.NONE), (TemporalSettings(compression=True), GrpcCompression.GZIP)],
    ids=["unset", "set"],
)
async def test_calls_are_compressed_where_that_is_asked_for(
    settings: TemporalSettings, compression: GrpcCompression
) -> None:
    client = await temporal_client(settings, "test")

    assert client.service_client.config.grpc_compression is compression

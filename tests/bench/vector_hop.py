"""What the message `EmbedResponse` costs on a call, beside the same bytes untyped over the same channel.

Subject: a request with 32 texts; the answer is made from a float32 array of 32 x 384 and read back into one. Peer: a
call with as many bytes each way that nobody packs or parses.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import numpy as np
from tests.bench.harness import CpuClock, compare, report

from olo.embedding.v1 import embedding_service_pb2 as pb
from olo_common.grpc_client import channel
from olo_embed_worker import convert
from olo_embed_worker.batching.tickets import Embedded

TEXTS, DIMENSION = 32, 384


def main() -> None:
    asyncio.run(measured())


async def measured() -> None:
    rows = np.random.default_rng(7).standard_normal((TEXTS, DIMENSION), np.float32)
    request = pb.EmbedRequest(texts=["what is the boiling point of water at this altitude"] * TEXTS)
    embedded = Embedded(rows, [12] * TEXTS)
    answer = convert.embed_response("bench", embedded, 256).SerializeToString()
    question = request.SerializeToString()

    async def embed(_: Any, __: Any) -> pb.EmbedResponse:
        return convert.embed_response("bench", embedded, 256)

    async def echo(_: Any, __: Any) -> bytes:
        return answer

    server = grpc.aio.server()
    handlers = {
        "Embed": grpc.unary_unary_rpc_method_handler(
            embed, pb.EmbedRequest.FromString, pb.EmbedResponse.SerializeToString
        ),
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with channel(f"127.0.0.1:{port}") as opened:
        typed: Any = opened.unary_unary("/bench/Embed", pb.EmbedRequest.SerializeToString, pb.EmbedResponse.FromString)
        untyped: Any = opened.unary_unary("/bench/Echo")

        async def array() -> None:
            vectors = (await typed(request)).vectors
            np.frombuffer(vectors.data, "<f4").reshape(vectors.count, vectors.dimension)

        async def raw() -> None:
            await untyped(question)

        comparison = await compare(array, raw, rounds=31, times=100, clock=CpuClock())
        report("vector_hop", comparison, ["p50"])
    await server.stop(None)

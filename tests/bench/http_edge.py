"""What HTTP costs over gRPC at the gateway, how much it serves beside LiteLLM's proxy, and what streams leave behind.

All parts are processes of their own, around a model that costs nothing. LiteLLM's proxy, where `make bench-proxy` has
installed it, hands the same chat to a server that answers at once; it makes no run durable, and asks no router.
HTTP_EDGE_STREAMS says how many streams are read for the figure of memory, HTTP_EDGE_SECONDS how long each load lasts.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from tests.bench.fleet import ROOT, fleet
from tests.bench.harness import CpuClock, compare, report, write_csv
from tests.bench.raw_http import RawHttp, connected, get, post
from tests.bench.zero_cost import MODEL, first_answer

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.grpc_client import channel
from olo_testing.ports import free_port
from olo_testing.processes import running

ROUNDS, TIMES = 7, 40
LOAD_ROUNDS = 3
CONNECTIONS = 8
"""As many as the gateway always lets in: refusals are quick, and would count as answers."""
LITELLM = ROOT / ".tools" / "litellm" / "bin" / "litellm"
KEY = "sk-bench"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
MODELS_REQUEST = get("/v1/models", authorization=f"Bearer {KEY}")
CHAT_REQUEST = post("/v1/chat/completions", CHAT, authorization=f"Bearer {KEY}")
STREAM_REQUEST = post("/v1/chat/completions", {**CHAT, "stream": True})


async def measure() -> None:
    seconds = float(os.environ.get("HTTP_EDGE_SECONDS", "5"))
    streams = int(os.environ.get("HTTP_EDGE_STREAMS", "10000"))
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch, fleet(Path(scratch), http_port=port) as (gateway, _):
        parts = psutil.Process().children(recursive=True)
        async with channel(gateway) as opened, connected(port) as http:
            await over_grpc(GatewayServiceStub(opened), http, CpuClock(parts))
        await beside_proxy(Path(scratch), port, seconds)
        edge = next(part for part in parts if "olo_gateway" in part.cmdline())
        await left_behind(edge, port, streams)


async def over_grpc(gateway: GatewayServiceStub, http: RawHttp, clock: CpuClock) -> None:
    """One chat after the other."""
    message = inference.ChatMessage(role=inference.ROLE_USER, content="hello")
    request = ChatRequest(model=MODEL, messages=[message])

    async def by_grpc() -> None:
        await gateway.Chat(request, timeout=30)

    async def by_http() -> None:
        await http.ask(CHAT_REQUEST)

    await first_answer(by_grpc)
    comparison = await compare(by_http, by_grpc, rounds=ROUNDS, times=TIMES, clock=clock)
    report("http_edge", comparison)
    added = [subject.p50 - peer.p50 for subject, peer in zip(comparison.subject, comparison.peer, strict=True)]
    print(f"http_edge added by HTTP: {1000 * statistics.median(added):+.2f} ms")


async def beside_proxy(directory: Path, port: int, seconds: float) -> None:
    """Requests a second, of both in turn."""
    if not LITELLM.exists():
        print("http_edge: LiteLLM's proxy is left out; make bench-proxy installs it")
        return
    rows = []
    with proxy(directory) as peer:
        for what, request in (("models", MODELS_REQUEST), ("chat", CHAT_REQUEST)):
            for each in (port, peer):
                await rate(each, request, 1.0)
            for number in range(LOAD_ROUNDS):
                rows.append((what, number, await rate(port, request, seconds), await rate(peer, request, seconds)))
    for what in ("models", "chat"):
        pairs = [(subject, other) for name, _, subject, other in rows if name == what]
        ratios = [subject / other for subject, other in pairs]
        print(
            f"http_edge {what}: {statistics.median(ratios):.1f}x ({min(ratios):.1f} to {max(ratios):.1f}) the requests "
            f"a second of LiteLLM's proxy; {statistics.median(s for s, _ in pairs):.0f} beside "
            f"{statistics.median(o for _, o in pairs):.0f}"
        )
    write_csv("http_edge_rates", ["request", "round", "subject_per_s", "peer_per_s"], rows)


async def rate(port: int, request: bytes, seconds: float) -> float:
    """Requests a second over some connections."""
    answered = 0
    began = time.perf_counter()

    async def load() -> None:
        nonlocal answered
        async with connected(port) as http:
            while time.perf_counter() - began < seconds:
                await http.ask(request)
                answered += 1

    await asyncio.gather(*(load() for _ in range(CONNECTIONS)))
    return answered / (time.perf_counter() - began)


async def left_behind(edge: psutil.Process, port: int, streams: int) -> None:
    """Memory of the gateway after streams, beside after a tenth of them."""
    await read(port, streams // 10)
    before = edge.memory_info().rss
    await read(port, streams - streams // 10)
    after = edge.memory_info().rss
    print(f"http_edge memory after {streams} streams: {after / before:.2f}x of that after {streams // 10}")
    mebibyte = 2**20
    write_csv("http_edge_memory", ["streams", "mib"], [(streams // 10, before / mebibyte), (streams, after / mebibyte)])


async def read(port: int, streams: int) -> None:
    """Reads streams to their ends."""
    left = streams

    async def load() -> None:
        nonlocal left
        async with connected(port) as http:
            while left > 0:
                left -= 1
                assert (await http.ask(STREAM_REQUEST)).endswith(b"data: [DONE]\n\n")

    await asyncio.gather(*(load() for _ in range(CONNECTIONS)))


@contextmanager
def proxy(directory: Path) -> Iterator[int]:
    """LiteLLM's proxy before a server that answers at once; gives its port."""
    upstream, port = free_port(), free_port()
    route = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": KEY}
    config = directory / "litellm.yaml"
    config.write_text(
        # JSON is YAML.
        json.dumps(
            {
                "model_list": [{"model_name": MODEL, "litellm_params": route}],
                "general_settings": {"master_key": KEY},
                "litellm_settings": {"telemetry": False},
            }
        )
    )
    answering = [sys.executable, "-m", "tests.bench.instant_openai", str(upstream)]
    command = [str(LITELLM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": ""}
    with (
        running(answering, port=upstream, log=directory / "instant.log", env={"PYTHONPATH": str(ROOT)}),
        running(command, port=port, log=directory / "litellm.log", env=env, wait_seconds=300),
    ):
        yield port


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()

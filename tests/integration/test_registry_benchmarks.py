"""Benchmarks on schedules: a real Temporal server, and a source of the test's own that speaks HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from temporalio.client import Client

from olo.common.v1 import common_pb2
from olo.registry.v1 import benchmark_service_pb2 as pb
from olo.registry.v1 import registry_service_pb2 as registry_pb
from olo.registry.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_registry.app import running
from olo_registry.settings import BenchmarkSettings, RegistrySettings

pytestmark = pytest.mark.integration

SAMPLES = Path(__file__).parents[2] / "samples" / "benchmarks"
MODEL = "meta-llama/Llama-3.1-8B-Instruct"
HUB = {
    f"/hub/api/models/{MODEL}": b'{"id": "x/y", "tags": ["license:llama3.1"], "safetensors": {"total": 8030261248}}',
    f"/hub/{MODEL}/resolve/main/config.json": b'{"max_position_embeddings": 131072}',
}


class Site:
    """Serves the samples with entity tags, until it is told to serve something else."""

    def __init__(self) -> None:
        self.pages = {"/prices": (SAMPLES / "openrouter.json").read_bytes(), **HUB}
        self.answers: list[tuple[str, int]] = []
        self.url = ""

    def count(self, path: str, status: int) -> int:
        return self.answers.count((path, status))


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path)
            tag = f'"{hash(page)}"'
            status = 404 if page is None else 304 if self.headers.get("If-None-Match") == tag else 200
            self.send_response(status)
            self.send_header("ETag", tag)
            self.end_headers()
            if status == 200 and page is not None:
                self.wfile.write(page)
            site.answers.append((self.path, status))

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        site.url = f"http://127.0.0.1:{server.server_port}"
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def registry(site: Site, temporal: str, directory: Path) -> AsyncIterator[tuple[Any, Any]]:
    settings = RegistrySettings(
        port=0,
        database_url=f"sqlite:///{directory}/registry.db",
        nats=NatsSettings(url="nats://127.0.0.1:1"),
        temporal=TemporalSettings(address=temporal),
        benchmarks=BenchmarkSettings(
            enabled=True,
            openrouter_url=f"{site.url}/prices",
            lmarena_url=f"file://{SAMPLES}/lmarena.csv",
            hugging_face_url=f"{site.url}/hub",
        ),
        grace_seconds=0.0,
    )
    async with running(settings, Lifetime()) as address, channel(address) as opened:
        yield RegistryServiceStub(opened), BenchmarkServiceStub(opened)


async def do(method: Any, request: Any) -> Any:
    return await call(method, request, peer="the registry", timeout=5)


def announcement() -> registry_pb.InstanceAnnouncement:
    instance = registry_pb.Instance(
        instance_id="i1",
        model_id=MODEL,
        address="127.0.0.1:50055",
        task_queue=f"llm.{MODEL}",
        max_concurrency=4,
        context_limit=2048,
        hardware_type=common_pb2.HARDWARE_TYPE_CPU,
    )
    return registry_pb.InstanceAnnouncement(instance=instance, model_type=common_pb2.MODEL_TYPE_LLM)


async def state_of(stub: Any, source: str) -> pb.BenchmarkSource:
    sources = (await do(stub.ListBenchmarkSources, pb.ListBenchmarkSourcesRequest())).sources
    return next(found for found in sources if found.source == source)


async def test_schedules_fetch_match_and_survive_a_source_that_drifts(temporal_address: str, tmp_path: Path) -> None:
    client = await Client.connect(temporal_address)
    with serving(Site()) as site:
        async with asyncio.timeout(60), registry(site, temporal_address, tmp_path) as (stub, benchmarks):
            await do(stub.RegisterInstance, registry_pb.RegisterInstanceRequest(announcement=announcement()))
            watch = stub.WatchModels(registry_pb.WatchModelsRequest())
            model = registry_pb.Model()
            while not (model.HasField("quality_score") and model.HasField("cost_per_1k_input_tokens")):
                model = [*(await watch.read()).models, model][0]
            watch.cancel()
            assert model.cost_per_1k_input_tokens == pytest.approx(0.00002)
            assert 0 < model.quality_score < 0.5

            await client.get_schedule_handle("sync-benchmarks-hugging_face").trigger()
            names: set[str] = set()
            while not {"license", "parameters", "elo", "cost_per_1k_input_tokens"} <= names:
                facts = (await do(benchmarks.ListModelFacts, pb.ListModelFactsRequest(model_id=MODEL))).facts
                names = {fact.name for fact in facts if fact.source != "hugging_face" or fact.value != "x/y"}
                await asyncio.sleep(0.05)
            assert {fact.value for fact in facts if fact.source == "hugging_face"} == {
                "llama3.1",
                "8030261248",
                "131072",
            }

            handle = client.get_schedule_handle("sync-benchmarks-openrouter")
            await handle.trigger()
            while not site.count("/prices", 304):
                await asyncio.sleep(0.05)
            good = await state_of(benchmarks, "openrouter")

            site.pages["/prices"] = b"<html>moved</html>"
            while not (drifted := await state_of(benchmarks, "openrouter")).problem:
                await handle.trigger()
                await asyncio.sleep(0.2)
            assert (drifted.records, drifted.fetch_time) == (good.records, good.fetch_time)
            model = (await do(stub.GetModel, registry_pb.GetModelRequest(model_id=MODEL))).model
            assert model.cost_per_1k_input_tokens == pytest.approx(0.00002)

        # The last word is in the database: it is there before anything is asked again.
        site.pages.clear()
        async with asyncio.timeout(30), registry(site, temporal_address, tmp_path) as (stub, benchmarks):
            assert (await state_of(benchmarks, "openrouter")).records == good.records
            model = (await do(stub.GetModel, registry_pb.GetModelRequest(model_id=MODEL))).model
            assert model.HasField("quality_score")
    for source in ("openrouter", "lmarena", "hugging_face"):
        await client.get_schedule_handle(f"sync-benchmarks-{source}").delete()

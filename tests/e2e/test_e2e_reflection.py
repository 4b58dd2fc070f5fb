"""Each service answers somebody who knows nothing of it but its address."""

from __future__ import annotations

import json
import subprocess

import pytest

from olo_testing.processes import binary
from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SERVICES = [
    ("gateway", "olo.gateway.v1.GatewayService", "ListModels"),
    ("gateway", "olo.retrieval.v1.RetrievalService", "ListCollections"),
    ("gateway", "olo.registry.v1.RegistryService", "ListModels"),
    ("gateway", "olo.registry.v1.BenchmarkService", "ListBenchmarkSources"),
    ("registry", "olo.registry.v1.RegistryService", "ListModels"),
    ("registry", "olo.registry.v1.BenchmarkService", "ListBenchmarkSources"),
    ("router", "olo.router.v1.RouterService", "SelectModels"),
    ("retrieval", "olo.retrieval.v1.RetrievalService", "ListCollections"),
    ("llm_worker", "olo.inference.v1.InferenceService", "GetModelInfo"),
    ("llm_worker_fp32", "olo.inference.v1.InferenceService", "GetModelInfo"),
    ("embed_worker", "olo.embedding.v1.EmbeddingService", "GetModelInfo"),
]


def buf_curl(*arguments: str) -> str:
    command = [binary("buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("part", "service", "method"), SERVICES)
def test_listed_and_called(stack: Stack, part: str, service: str, method: str) -> None:
    address = f"http://127.0.0.1:{stack.ports[part]}"
    listed = buf_curl("--list-methods", address)
    assert f"{service}/{method}" in listed
    assert json.loads(buf_curl("-d", "{}", f"{address}/{service}/{method}"))


@pytest.mark.parametrize(("part", "service"), sorted({(part, service) for part, service, _ in SERVICES}))
def test_health_by_service_name(stack: Stack, part: str, service: str) -> None:
    address = f"http://127.0.0.1:{stack.ports[part]}"
    said = buf_curl("-d", json.dumps({"service": service}), f"{address}/grpc.health.v1.Health/Check")
    assert json.loads(said) == {"status": "SERVING"}

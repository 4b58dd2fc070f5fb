"""The service config of the guide, in a channel of plain gRPC."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest

from olo.gateway.v1 import gateway_service_pb2 as gw
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.retrieval.v1 import retrieval_service_pb2 as rt

GUIDE = Path(__file__).resolve().parents[3] / "docs/guides/call-with-grpc.md"
AWAY = (grpc.StatusCode.UNAVAILABLE, "dependency_unavailable", "the registry is away", {})


@pytest.fixture
def config() -> str:
    found = re.search(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_it_names_calls_that_exist(config: str) -> None:
    services = {
        name: file.services_by_name[name.rpartition(".")[2]]
        for name, file in (
            ("olo.gateway.v1.GatewayService", gw.DESCRIPTOR),
            ("olo.retrieval.v1.RetrievalService", rt.DESCRIPTOR),
        )
    }
    names = json.loads(config)["methodConfig"][0]["name"]
    assert names
    assert all(each["method"] in services[each["service"]].methods_by_name for each in names)


def test_what_can_be_repeated_is_tried_three_times_and_a_chat_once(served: Any, config: str) -> None:
    with grpc.insecure_channel(served.target, options=[("grpc.service_config", config)]) as channel:
        stub = GatewayServiceStub(channel)
        served.gateway.failures = [AWAY, AWAY]
        assert stub.ListModels(gw.ListModelsRequest(), timeout=30).models
        assert len(served.gateway.requests) == 3
        served.gateway.failures = [AWAY]
        with pytest.raises(grpc.RpcError):
            stub.Chat(ChatRequest(), timeout=30)
        assert len(served.gateway.requests) == 4

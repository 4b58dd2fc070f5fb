"""A refusal is made before anything that costs, but what is wrong with a request is told first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import grpc
import httpx
import pytest

from olo.gateway.v1.gateway_service_pb2 import DESCRIPTOR as GATEWAY_FILE
from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub, add_GatewayServiceServicer_to_server
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import ROLE_USER, ChatMessage
from olo_common.errors import InvalidField, OloError
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.rpc_status import from_rpc_error
from olo_contracts.api_keys import hash_of, new_key
from olo_contracts.metadata import NEW_REQUEST
from olo_gateway.access.allowance import Allowance, Limits
from olo_gateway.access.caller import Caller, acting
from olo_gateway.access.errors import Forbidden, RateLimited
from olo_gateway.access.keyring import Keyring
from olo_gateway.access.records import records_of
from olo_gateway.adapters.in_memory import InMemoryRuns, InMemoryTokenStreams
from olo_gateway.calls import chats as module
from olo_gateway.calls.chats import Chats
from olo_gateway.errors import Overloaded
from olo_gateway.rpc.guard import KeyInterceptor
from olo_gateway.rpc.servicer import GatewayServicer
from olo_gateway.runs.admission.admission import Admission, Applicant
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.runs.validation import RunLimits
from olo_gateway.settings import GatewaySettings

from .conftest import ScriptedEdge

ORDER = ChatOrder((Turn(Role.USER, "hello"),), model="org/model")
MESSAGE = ChatMessage(role=ROLE_USER, content="hello")


class House:
    """A gateway with one place, and a count of what is done for a caller beyond asking for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.costs = {name: Mock(wraps=getattr(module, name)) for name in ("request_of", "fingerprint", "Following")}
        for name, counted in self.costs.items():
            monkeypatch.setattr(module, name, counted)
        self.runs = InMemoryRuns(self._answer)
        self.looked: list[str] = []
        self.runs.exists = self._exists  # type: ignore[method-assign]
        self.tokens = InMemoryTokenStreams()
        self.admission = Admission(Bounds(1, 1, 4.0))
        self.chats = Chats(self.runs, self.tokens, self.admission, RunLimits(30.0, 60.0))

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        return ChatResponse(run_id=run_id, message=ChatMessage(content="hello"))

    async def _exists(self, run_id: str) -> bool:
        self.looked.append(run_id)
        return False

    async def stream(self, order: ChatOrder) -> None:
        async for _ in self.chats.stream(order):
            pass


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    return House(monkeypatch)


def ways(house: House) -> list[Callable[[ChatOrder], Awaitable[object]]]:
    return [house.chats.answer, house.stream, house.chats.begin]


async def test_nothing_is_made_for_a_caller_who_is_turned_away(house: House) -> None:
    with house.admission.place(Applicant()):
        for ask in ways(house):
            with pytest.raises(Overloaded) as refused:
                await ask(ORDER)
            assert refused.value.retry_after is not None
    assert not any(cost.called for cost in house.costs.values())
    assert not house.looked
    assert not house.runs.started
    assert not house.tokens._listening


async def test_each_is_made_once_for_who_is_let_in(house: House) -> None:
    for number, ask in enumerate((house.chats.answer, house.stream), 1):
        await ask(ORDER)
        assert [house.costs[name].call_count for name in ("request_of", "fingerprint")] == [number, number]


@pytest.mark.parametrize(
    ("order", "who", "problem"),
    [
        (replace(ORDER, turns=()), Caller(), InvalidField),
        (replace(ORDER, model="org/other"), Caller(models=frozenset({"org/model"})), Forbidden),
        (ORDER, Caller(allowance=Allowance(Limits(concurrency=0))), RateLimited),
        (ORDER, Caller(allowance=Allowance(Limits(tokens_per_minute=1_000_000))), Overloaded),
    ],
)
async def test_what_the_caller_can_mend_is_told_before_that_there_is_no_room(
    house: House, order: ChatOrder, who: Caller, problem: type[OloError]
) -> None:
    with house.admission.place(Applicant()), acting(who):
        for ask in ways(house):
            with pytest.raises(problem):
                await ask(order)
    assert house.admission.in_flight == 0


async def test_who_is_turned_away_has_spent_nothing(house: House) -> None:
    allowance = Allowance(Limits(tokens_per_minute=100_000, concurrency=1), lambda: 100.0)
    assert allowance.tokens is not None
    with house.admission.place(Applicant()), acting(Caller(allowance=allowance)):
        for _ in range(3):
            with pytest.raises(Overloaded):
                await house.chats.answer(ORDER)
    assert allowance.tokens.level == 100_000


@asynccontextmanager
async def served(house: House, keys: Keyring | None) -> AsyncIterator[GatewayServiceStub]:
    nothing = Mock()
    servicer = GatewayServicer(house.chats, house.runs, nothing, nothing, nothing, client_patience=5.0)
    service = GATEWAY_FILE.services_by_name["GatewayService"]
    registration = Registration(service, add_GatewayServiceServicer_to_server, servicer)
    settings, guards = GatewaySettings(port=0), [] if keys is None else [KeyInterceptor(keys)]
    async with (
        grpc_server(settings, [registration], Health(), guards=guards) as address,
        channel(address) as opened,
    ):
        yield GatewayServiceStub(opened)


async def test_over_grpc_who_it_is_comes_first_then_what_is_wrong_then_whether_there_is_room(house: House) -> None:
    key_id, secret = new_key()
    keys = Keyring()
    keys.replace(records_of({"keys": [{"id": key_id, "hash": hash_of(secret), "tenant": "acme", "roles": ["user"]}]}))
    known, wrong = [("authorization", f"Bearer {secret}")], [("authorization", f"Bearer {new_key()[1]}")]
    cases = [
        (ChatRequest(), None, "auth_missing"),
        (ChatRequest(messages=[MESSAGE]), wrong, "auth_invalid"),
        (ChatRequest(), known, "messages_missing"),
        (ChatRequest(messages=[MESSAGE]), known, "overloaded"),
    ]
    async with asyncio.timeout(60), served(house, keys) as stub:
        with house.admission.place(Applicant()):
            for request, metadata, reason in cases:
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await stub.Chat(request, metadata=metadata)
                error = from_rpc_error(ended.value, peer="the gateway")
                assert error.reason == reason
                with pytest.raises(grpc.aio.AioRpcError) as streamed:
                    await stub.ChatStream(ChatStreamRequest(request=request), metadata=metadata).read()
                assert from_rpc_error(streamed.value, peer="the gateway").reason == reason
            assert error.retry_after is not None
    assert not any(cost.called for cost in house.costs.values())


async def test_over_grpc_a_new_request_is_refused_without_a_look_for_its_run(house: House) -> None:
    mine = ChatRequest(messages=[MESSAGE], request_id="mine")
    told = [(((NEW_REQUEST, "true"),), 0), (((NEW_REQUEST, "false"),), 1), (None, 1)]
    async with asyncio.timeout(60), served(house, None) as stub:
        with house.admission.place(Applicant()):
            for metadata, looks in told:
                for call in (stub.Chat(mine, metadata=metadata), _streamed(stub, mine, metadata)):
                    house.looked.clear()
                    with pytest.raises(grpc.aio.AioRpcError) as ended:
                        await call
                    assert from_rpc_error(ended.value, peer="the gateway").reason == "overloaded"
                    assert len(house.looked) == looks


async def _streamed(stub: GatewayServiceStub, request: ChatRequest, metadata: Any) -> None:
    await stub.ChatStream(ChatStreamRequest(request=request), metadata=metadata).read()


async def test_over_http_a_new_request_is_refused_without_a_look_for_its_run(
    scripted: ScriptedEdge, edge_http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def exists(run_id: str) -> bool:
        looked.append(run_id)
        return False

    monkeypatch.setattr(scripted.runs, "exists", exists)
    admission = Admission(Bounds(1, 1, 4.0))
    monkeypatch.setattr(scripted.chats, "_admission", admission)
    body = {"messages": [{"role": "user", "content": "hello"}]}
    with admission.place(Applicant()):
        for told, looks in (({NEW_REQUEST: "true"}, 0), ({}, 1), ({NEW_REQUEST: "false"}, 1)):
            looked.clear()
            headers = {"Idempotency-Key": "mine", **told}
            answer = await edge_http.post("/v1/chat/completions", json=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
            assert len(looked) == looks
    wrong = await edge_http.post("/v1/chat/completions", json=body, headers={NEW_REQUEST: "perhaps"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "X-Request-New")

"""Which certificate may call which service: real certificates, a real server, calls of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo.retrieval.v1 import transfer_service_pb2 as transfer
from olo.retrieval.v1 import transfer_service_pb2_grpc as transfer_rpc
from olo_common.errors import ErrorCode, RemoteError, StartupError
from olo_common.grpc_callers import names_of
from olo_common.grpc_client import channel
from olo_common.grpc_server import Registration, grpc_server
from olo_common.health import Health
from olo_common.occasional_log import OccasionalWarning
from olo_common.rpc_status import from_rpc_error
from olo_common.settings import ServiceSettings, TlsSettings, load_settings, settings_config
from olo_testing.certificates import Authority, Issued

PATIENCE = 30.0
ALLOWED = "gateway.olo.internal, spiffe://olo/retrieval"


class ExampleSettings(ServiceSettings):
    """An example of a service."""

    model_config = settings_config("OLO_EXAMPLE_")

    port: int = 0


class Inference(rpc.InferenceServiceServicer):
    async def GetModelInfo(self, request: Any, context: Any) -> pb.GetModelInfoResponse:
        return pb.GetModelInfoResponse(model_id="m")


class Transfer(transfer_rpc.TransferServiceServicer):
    def __init__(self) -> None:
        self.received = 0

    async def ExportCollection(self, request: Any, context: Any) -> AsyncIterator[transfer.ExportCollectionResponse]:
        yield transfer.ExportCollectionResponse()

    async def ImportCollection(self, request_iterator: Any, context: Any) -> transfer.ImportCollectionResponse:
        async for _ in request_iterator:
            self.received += 1
        return transfer.ImportCollectionResponse()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def servicer() -> Transfer:
    return Transfer()


@pytest.fixture
async def address(authority: Authority, servicer: Transfer) -> AsyncIterator[str]:
    mine = authority.issue()
    tls = TlsSettings(
        cert_file=mine.certificate, key_file=mine.key, client_ca_file=authority.file, allowed_callers=ALLOWED
    )
    served = [
        Registration(
            pb.DESCRIPTOR.services_by_name["InferenceService"],
            rpc.add_InferenceServiceServicer_to_server,
            Inference(),
        ),
        Registration(
            transfer.DESCRIPTOR.services_by_name["TransferService"],
            transfer_rpc.add_TransferServiceServicer_to_server,
            servicer,
        ),
    ]
    settings = ExampleSettings(tls=tls, drain_seconds=0.0, grace_seconds=0.0)
    async with grpc_server(settings, served, Health()) as at:
        yield at


@asynccontextmanager
async def as_caller(address: str, authority: Authority, shown: Issued) -> AsyncIterator[grpc.aio.Channel]:
    tls = TlsSettings(ca_file=authority.file, client_cert_file=shown.certificate, client_key_file=shown.key)
    async with channel(address, tls) as opened:
        yield opened


async def ask(opened: grpc.aio.Channel) -> None:
    await rpc.InferenceServiceStub(opened).GetModelInfo(pb.GetModelInfoRequest(), timeout=PATIENCE)


async def download(opened: grpc.aio.Channel) -> None:
    stub = transfer_rpc.TransferServiceStub(opened)
    async for _ in stub.ExportCollection(transfer.ExportCollectionRequest(), timeout=PATIENCE):
        pass


async def upload(opened: grpc.aio.Channel, *, waiting: bool = False) -> None:
    stub = transfer_rpc.TransferServiceStub(opened)
    request = transfer.ImportCollectionRequest()
    await stub.ImportCollection(said(request, waiting), timeout=PATIENCE)


async def reflect(opened: grpc.aio.Channel, *, waiting: bool = False) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(opened)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async for _ in stub.ServerReflectionInfo(said(asked, waiting), timeout=PATIENCE):
        pass


async def said(request: Any, waiting: bool) -> AsyncIterator[Any]:
    """One request, or none for as long as the call lasts.

    Where a server ends a call into which its caller still writes, gRPC may tell of the write that failed instead.
    """
    if waiting:
        await asyncio.Event().wait()
    yield request


CALLS = [ask, download, upload, reflect]


async def refusal(made: Awaitable[None]) -> RemoteError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await made
    error = from_rpc_error(caught.value, peer="the example")
    assert isinstance(error, RemoteError)
    return error


@pytest.mark.parametrize("names", [["gateway.olo.internal", "olo.internal"], ["spiffe://olo/retrieval"]])
@pytest.mark.parametrize("make", CALLS)
async def test_who_is_named_may_call(
    address: str, authority: Authority, names: list[str], make: Callable[[grpc.aio.Channel], Awaitable[None]]
) -> None:
    async with as_caller(address, authority, authority.issue(*names)) as opened:
        await make(opened)


@pytest.mark.parametrize(
    "names",
    [
        ["router.olo.internal", "olo.internal"],
        ["x.gateway.olo.internal"],
        ["*.olo.internal"],
        ["spiffe://olo/retrieval/more"],
        ["127.0.0.1"],
    ],
)
async def test_who_is_not_named_is_refused_with_the_reason(
    address: str, authority: Authority, servicer: Transfer, names: list[str]
) -> None:
    async with as_caller(address, authority, authority.issue(*names)) as opened:
        for made in (ask(opened), download(opened), upload(opened, waiting=True), reflect(opened, waiting=True)):
            refused = await refusal(made)
            assert (refused.code, refused.reason) == (ErrorCode.PERMISSION_DENIED, "caller_not_allowed")
            assert "OLO_TLS_ALLOWED_CALLERS" in refused.message
        assert servicer.received == 0
        health = health_pb2_grpc.HealthStub(opened)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_log_names_who_was_refused(
    address: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olo_common.grpc_callers._refused", OccasionalWarning("caller_refused"))
    async with as_caller(address, authority, authority.issue("router.olo.internal")) as opened:
        with capture_logs() as logs:
            await refusal(ask(opened))
    (told,) = [line for line in logs if line["event"] == "caller_refused"]
    assert (told["name"], told["rpc"]) == ("router.olo.internal", "/olo.inference.v1.InferenceService/GetModelInfo")


def test_without_such_a_rule_nobody_is_asked() -> None:
    assert TlsSettings().callers == frozenset()


def test_a_rule_needs_certificates_of_callers_and_whole_names(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLO_TLS_ALLOWED_CALLERS", "gateway")
    with pytest.raises(StartupError, match="OLO_TLS_CLIENT_CA_FILE"):
        load_settings(ExampleSettings)
    mine = authority.issue()
    monkeypatch.setenv("OLO_TLS_CERT_FILE", str(mine.certificate))
    monkeypatch.setenv("OLO_TLS_KEY_FILE", str(mine.key))
    monkeypatch.setenv("OLO_TLS_CLIENT_CA_FILE", str(authority.file))
    assert load_settings(ExampleSettings).tls.callers == {"gateway"}
    for wrong in ("*.olo.internal", "gateway,", ",", "a b", "spiffe://olo/*", "http://"):
        monkeypatch.setenv("OLO_TLS_ALLOWED_CALLERS", wrong)
        with pytest.raises(StartupError, match="OLO_TLS_ALLOWED_CALLERS"):
            load_settings(ExampleSettings)


@given(st.dictionaries(st.sampled_from(["peer_dns", "peer_uri", "peer_email"]), st.lists(st.binary(max_size=12))))
def test_names_of_one_kind_are_never_taken_for_another(shown: dict[str, list[bytes]]) -> None:
    found = names_of(shown)
    hosts = {name.decode("utf-8", "replace").lower() for name in shown.get("peer_dns", [])}
    uris = {name.decode("utf-8", "replace") for name in shown.get("peer_uri", [])}
    assert {name for name in found if "://" not in name} <= hosts
    assert {name for name in found if "://" in name} <= uris
    assert hosts - found == {host for host in hosts if "://" in host} - uris

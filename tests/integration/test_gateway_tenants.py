"""Keys and tenants on real Temporal, NATS and retrieval: what one tenant has is not there for another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pool import Default
from grpc_reflection.v1alpha import reflection_pb2
from temporalio.client import Client
from tests.integration.gateway_world import World, worlds
from tests.integration.retrieval_models import served_models

from olo.gateway.v1.run_pb2 import ChatRequest
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval_pb
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.retrieval.v1.source_service_pb2 import CreateSourceRequest, FileSource, GetSourceRequest, Source
from olo.retrieval.v1.source_service_pb2_grpc import SourceServiceStub
from olo_client import AsyncOlo
from olo_client.cli.program import run as olo_command
from olo_client.errors import AuthenticationError, NotFoundError, PermissionDeniedError
from olo_client.key_file import Grant, changed, created, revoked
from olo_common.lifecycle import Lifetime
from olo_common.settings import TemporalSettings
from olo_contracts.api_keys import id_of
from olo_gateway.access.credentials import Need
from olo_gateway.access.records import utc_now
from olo_gateway.edge import OPERATORS_CALLS, QUESTIONS_ABOUT_ROUTING
from olo_gateway.http import needs
from olo_gateway.rpc.needs import ADMIN, EXCEPTIONS, PUBLIC, USER, need_of
from olo_gateway.runs.identity import run_prefix
from olo_retrieval.app import running as retrieval_running
from olo_retrieval.settings import RetrievalSettings
from olo_testing.ports import free_port
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

CHAT = {"messages": [{"role": "user", "content": "hello"}]}
Reader = tuple[str, str, Any]
"""A call that shows or changes a thing: method, path and body."""


class Tenants:
    """A gateway that asks for keys, and the keys."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.path = folder / "keys.yaml"
        self.roots = folder / "documents"
        self.keys = {
            "acme": self.made(Grant("acme")),
            "other": self.made(Grant("other")),
            "default": self.made(Grant("default")),
            "narrow": self.made(Grant("acme", models=("one",))),
            "admin": self.made(Grant("ops", roles=("admin",))),
        }

    def made(self, grant: Grant) -> str:
        with changed(self.path) as entries:
            return created(entries, grant, utc_now())[1]

    def header(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}

    def metadata(self, name: str) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.keys[name]}")]

    def client(self, name: str) -> AsyncOlo:
        return AsyncOlo(f"127.0.0.1:{self.world.settings.port}", api_key=self.keys[name], attempts=1)

    async def asked(self, name: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.world.http.request(method, path, json=body, headers=self.header(name))

    async def uploaded(self, name: str, content: bytes, purpose: str = "assistants") -> str:
        files, data = {"file": ("lines.jsonl", content)}, {"purpose": purpose}
        answer = await self.world.http.post("/v1/files", files=files, data=data, headers=self.header(name))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def batch(self, name: str, *models: str) -> httpx.Response:
        lines = [
            {"custom_id": f"n{n}", "method": "POST", "url": "/v1/chat/completions", "body": CHAT | {"model": model}}
            for n, model in enumerate(models)
        ]
        file = await self.uploaded(name, "\n".join(map(json.dumps, lines)).encode(), "batch")
        order = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        return await self.asked(name, "POST", "/v1/batches", order)


@pytest.fixture(scope="module")
async def tenants(
    nats_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Tenants]:
    folder = tmp_path_factory.mktemp("tenants")
    async with worlds(nats_url, temporal_address) as world:
        await world.inner.aclose()
        built = Tenants(world, folder)
        built.roots.mkdir()
        documents = RetrievalSettings(
            port=0,
            grace_seconds=0.0,
            database_url=f"sqlite:///{folder}/retrieval.db",
            router_target=(await world.stack.enter_async_context(served_models())).address,
            upkeep_seconds=0.2,
            source_roots=str(built.roots),
            temporal=TemporalSettings(address=temporal_address),
        )
        retrieval = await world.stack.enter_async_context(retrieval_running(documents, Lifetime()))
        world.settings = world.settings.model_copy(
            update={
                "port": free_port(),
                "files": str(folder / "files"),
                "api_keys_file": str(built.path),
                "retrieval_target": retrieval,
            }
        )
        await world.enter()
        yield built


async def test_every_rpc_says_what_it_needs_and_holds_to_it(tenants: Tenants) -> None:
    channel = tenants.world.channel
    # One message instead of a stream of them, which is the same on the wire: grpc.aio tells who is refused while they
    # still write of the writing, now and then.
    ask = channel.unary_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        _ = [told async for told in ask(question)]
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    [told] = [told async for told in ask(question, metadata=tenants.metadata("acme"))]
    served = {service.name for service in told.list_services_response.service}
    assert served == PUBLIC | USER | ADMIN
    wanted = {}
    for service in served:
        for method in Default().FindServiceByName(service).methods:
            path = f"/{service}/{method.name}"
            wanted[path] = need_of(path)
            if wanted[path] is Need.NOTHING:
                continue
            code = await _code(channel, path, [])
            hidden = service.endswith(".RegistryService") and method.name not in OPERATORS_CALLS
            hidden |= service.endswith(".RouterService") and method.name not in QUESTIONS_ABOUT_ROUTING
            if hidden:
                assert code is grpc.StatusCode.UNIMPLEMENTED, path
                continue
            assert code is grpc.StatusCode.UNAUTHENTICATED, path
            if wanted[path] is Need.ADMIN:
                code = await _code(channel, path, tenants.metadata("acme"))
                assert code is grpc.StatusCode.PERMISSION_DENIED, path
    assert set(EXCEPTIONS) <= set(wanted)
    assert wanted["/olo.gateway.v1.GatewayService/Chat"] is Need.USER
    assert wanted["/olo.registry.v1.RegistryService/SetAlias"] is Need.ADMIN


async def test_every_path_of_the_real_gateway_is_listed(tenants: Tenants) -> None:
    described = (await tenants.asked("acme", "GET", "/openapi.json")).json()["paths"]
    assert len(described) > 60
    assert set(described) <= needs.PUBLIC | needs.USER | needs.ADMIN


async def _code(channel: grpc.aio.Channel, path: str, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    try:
        await channel.unary_unary(path)(b"", metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_what_one_tenant_has_is_not_there_for_another(tenants: Tenants) -> None:
    file = await tenants.uploaded("acme", b"The tram leaves at six.")
    batch = (await tenants.batch("acme", "one")).json()["id"]
    answer = (await tenants.asked("acme", "POST", "/v1/chat/completions", CHAT | {"store": True})).json()
    run = answer["olo"]["run_id"]
    response = (await tenants.asked("acme", "POST", "/v1/responses", {"input": "hello", "model": "one"})).json()["id"]
    assert (await tenants.asked("acme", "POST", "/v1/rag/collections", {"name": "trams"})).status_code == 200
    document = {"document_id": "tram", "title": "Tram", "content": "The tram leaves at six."}
    ingested = await tenants.asked("acme", "POST", "/v1/rag/ingest", {"collection": "trams", "documents": [document]})
    assert ingested.status_code == 200, ingested.text
    store = (await tenants.asked("acme", "POST", "/v1/vector_stores", {"name": "mine", "file_ids": [file]})).json()[
        "id"
    ]

    mine: dict[str, list[Reader]] = {
        "file": [("GET", f"/v1/files/{file}", None), ("GET", f"/v1/files/{file}/content", None)],
        "batch": [("GET", f"/v1/batches/{batch}", None), ("GET", f"/v1/batches/{batch}/results", None)],
        "run": [
            ("GET", f"/v1/runs/{run}", None),
            ("GET", f"/v1/runs/{run}/trace", None),
            ("GET", f"/v1/chat/completions/{answer['id']}", None),
        ],
        "response": [
            ("GET", f"/v1/responses/{response}", None),
            ("GET", f"/v1/responses/{response}/input_items", None),
        ],
        "collection": [
            ("GET", "/v1/rag/collections/trams", None),
            ("GET", "/v1/rag/documents?collection=trams", None),
            ("POST", "/v1/rag/search", {"collection": "trams", "query": "tram"}),
            ("GET", "/v1/rag/export?collection=trams", None),
        ],
        "document": [("GET", "/v1/rag/documents/tram?collection=trams", None)],
        "store": [
            ("GET", f"/v1/vector_stores/{store}", None),
            ("GET", f"/v1/vector_stores/{store}/files", None),
            ("GET", f"/v1/vector_stores/{store}/files/{file}", None),
            ("POST", f"/v1/vector_stores/{store}/search", {"query": "tram"}),
        ],
    }
    changes: list[Reader] = [
        ("POST", f"/v1/batches/{batch}/cancel", None),
        ("POST", f"/v1/batches/{batch}/pause", None),
        ("POST", f"/v1/runs/{run}/cancel", None),
        ("POST", f"/v1/responses/{response}/cancel", None),
        ("DELETE", f"/v1/responses/{response}", None),
        ("POST", f"/v1/vector_stores/{store}", {"name": "theirs"}),
        ("DELETE", f"/v1/vector_stores/{store}/files/{file}", None),
        ("DELETE", f"/v1/vector_stores/{store}", None),
        ("DELETE", "/v1/rag/documents/tram?collection=trams", None),
        ("DELETE", "/v1/rag/collections/trams", None),
        ("DELETE", f"/v1/files/{file}", None),
        (
            "POST",
            "/v1/batches",
            {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        ),
    ]
    for stranger in ("other", "default", "admin"):
        for kind, readers in mine.items():
            for method, path, body in readers:
                told = await tenants.asked(stranger, method, path, body)
                assert told.status_code == 404, (stranger, kind, path, told.text)
        for method, path, body in changes:
            told = await tenants.asked(stranger, method, path, body)
            assert told.status_code == 404, (stranger, path, told.text)
        for path in ("files", "batches", "runs", "rag/collections", "vector_stores"):
            told = await tenants.asked(stranger, "GET", f"/v1/{path}")
            assert told.status_code == 200
            seen = {each.get("id") or each.get("name") for each in told.json()["data"]}
            assert not seen & {file, batch, run, store, "trams"}, (stranger, path)
        taken = await tenants.asked(stranger, "POST", "/v1/vector_stores", {"file_ids": [file]})
        assert taken.status_code == 404, taken.text
        continued = {"input": "more", "model": "one", "previous_response_id": response}
        assert (await tenants.asked(stranger, "POST", "/v1/responses", continued)).status_code == 400
    # It is all there, as it was.
    for kind, readers in mine.items():
        for method, path, body in readers:
            told = await tenants.asked("acme", method, path, body)
            assert told.status_code == 200, (kind, path, told.text)

    async def listed() -> bool:
        found = (await tenants.asked("acme", "GET", "/v1/runs?limit=100")).json()["data"]
        return run in {each["id"] for each in found}

    # What lists runs hears of them a little later.
    await until(listed)


async def test_tenants_are_kept_apart_over_grpc(tenants: Tenants) -> None:
    async with tenants.client("acme") as acme, tenants.client("other") as other:
        mine = await acme.chat("hello", request_id="the-same")
        theirs = await other.chat("hello", request_id="the-same")
        assert mine.run_id != theirs.run_id
        assert (await acme.runs.get("run-the-same")).run_id == mine.run_id
        assert (await other.runs.get("run-the-same")).run_id == theirs.run_id
        for call in (other.runs.get, other.runs.cancel, other.runs.trace, other.runs.replay):
            with pytest.raises(NotFoundError):
                await call(mine.run_id)
        with pytest.raises(NotFoundError):
            _ = [event async for event in other.follow(mine.run_id)]
        with pytest.raises(PermissionDeniedError):
            await acme.routing.status()
    channel, acme_key, admin_key = tenants.world.channel, tenants.metadata("acme"), tenants.metadata("admin")
    documents, sources = RetrievalServiceStub(channel), SourceServiceStub(channel)
    wanted = retrieval_pb.ListCollectionsRequest(tenant="other")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await documents.ListCollections(wanted, metadata=acme_key)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    source = Source(source_id="docs", collection="sourced", files=FileSource(path=str(tenants.roots)))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await sources.CreateSource(CreateSourceRequest(source=source), metadata=acme_key)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    await documents.CreateCollection(
        retrieval_pb.CreateCollectionRequest(name="sourced", tenant="acme"), metadata=admin_key
    )
    await sources.CreateSource(CreateSourceRequest(source=source, tenant="acme"), metadata=admin_key)
    asked = GetSourceRequest(collection="sourced", source_id="docs")
    assert (await sources.GetSource(asked, metadata=acme_key)).source.source_id == "docs"
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await sources.GetSource(asked, metadata=tenants.metadata("other"))
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


async def test_lines_of_a_batch_are_run_for_the_tenant_and_for_models_of_the_key(tenants: Tenants) -> None:
    refused = await tenants.batch("narrow", "one", "two")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "line 2" in refused.json()["error"]["message"]
    batch = (await tenants.batch("narrow", "one")).json()["id"]
    found: dict[str, Any] = {}

    async def ended() -> bool:
        found.update((await tenants.asked("acme", "GET", f"/v1/batches/{batch}")).json())
        return found["status"] in ("completed", "failed")

    await until(ended, 60)
    assert found["status"] == "completed", found
    client: Client = tenants.world.client
    query = f"WorkflowType = 'chat' AND WorkflowId STARTS_WITH '{run_prefix('acme')}'"

    async def under_the_tenant() -> bool:
        ids = [each.id async for each in client.list_workflows(query)]
        return any(batch in each for each in ids)

    await until(under_the_tenant)


async def test_no_key_is_kept_in_a_history(tenants: Tenants) -> None:
    answer = (await tenants.asked("acme", "POST", "/v1/chat/completions", CHAT)).json()
    handle = tenants.world.client.get_workflow_handle(answer["olo"]["run_id"])
    history = (await handle.fetch_history()).to_json()
    request = await tenants.world.client.data_converter.decode(
        [(await anext(handle.fetch_history_events())).workflow_execution_started_event_attributes.input.payloads[0]],
        [ChatRequest],
    )
    assert request[0].tenant == "acme"
    for secret in tenants.keys.values():
        assert secret not in history
        assert secret.split("-", 2)[2] not in history


async def test_a_key_that_is_made_works_and_one_that_is_revoked_ends_while_the_gateway_runs(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tenants.keys["new"] = tenants.made(Grant("acme"))

    async def status(wanted: int) -> bool:
        return (await tenants.asked("new", "GET", "/v1/models")).status_code == wanted

    await until(lambda: status(200), 60)
    with changed(tenants.path) as entries:
        revoked(entries, id_of(tenants.keys["new"]), utc_now())
    await until(lambda: status(401), 60)
    async with tenants.client("new") as olo:
        with pytest.raises(AuthenticationError):
            await olo.chat("hello")
    for name in ("OLO_API_KEY", "OLO_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert olo_command(["keys", "list", "--file", str(tenants.path)]) == 0
    assert "revoked" in capsys.readouterr().out

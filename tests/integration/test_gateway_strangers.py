"""A gateway with keys on the real services, and who has none, a wrong one, or the key of another tenant and all ids."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.fuzz_cluster import COLLECTION, FuzzCluster, furnish, fuzz_cluster
from tests.integration.made_up import messages

import olo_gateway.app
from olo_client import AsyncOlo
from olo_client.key_file import Grant, changed, created
from olo_contracts.api_keys import id_of, renewed
from olo_gateway.access.caller import NOBODY, Caller, caller
from olo_gateway.access.credentials import Need
from olo_gateway.access.records import utc_now
from olo_gateway.http import needs
from olo_gateway.rpc.needs import USER, need_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CANARY = "canary7f3a"
"""Stands in contents alone, never in a name or an id: an answer that tells it tells what is another's."""
WAITING = {"Chat", "ChatStream", "ReplayRun"}
"""Calls that may take as long as they are given."""
METHODS = [
    method
    for name in sorted(service for service in USER if service.startswith("olo."))
    for method in Default().FindServiceByName(name).methods
    if need_of(f"/{name}/{method.name}") is Need.USER
]


@dataclass
class Guarded:
    """The services, the keys, and what the tenant `acme` has."""

    cluster: FuzzCluster
    keys: dict[str, str]
    idle: list[Caller] = field(default_factory=list)
    """Who acted in what the gateway does by itself."""
    ids: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}

    def olo(self, name: str) -> AsyncOlo:
        return AsyncOlo(self.cluster.addresses["gateway"], tls=False, api_key=self.keys[name], timeout=240)

    @property
    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.cluster.http, timeout=240)


@pytest.fixture(scope="module")
async def guarded(
    nats_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("strangers")
    path, keys, idle = folder / "keys.yaml", {}, list[Caller]()
    for name, grant in (("acme", Grant("acme")), ("other", Grant("other")), ("admin", Grant("ops", roles=("admin",)))):
        with changed(path) as entries:
            keys[name] = created(entries, grant, utc_now())[1]
    keys["wrong"] = renewed(id_of(keys["acme"]))
    sweeping = olo_gateway.app.sweep_for_ever

    async def swept(*what: Any) -> None:
        idle.append(caller())
        await sweeping(*what)

    olo_gateway.app.sweep_for_ever = swept
    try:
        async with fuzz_cluster(folder, nats_url, temporal_address, api_keys_file=str(path)) as cluster:
            built = Guarded(cluster, keys, idle)
            await _make(built)
            yield built
    finally:
        olo_gateway.app.sweep_for_ever = sweeping


async def _make(built: Guarded) -> None:
    """One thing of each kind, for `acme`."""
    async with built.olo("acme") as olo, built.http as http:
        await furnish(olo)
        await olo.documents.ingest(COLLECTION, f"The {CANARY} sings.", document_id="secret")
        while (await olo.documents.get(COLLECTION, "secret")).state != 2:
            await asyncio.sleep(0.05)
        file = await olo.files.upload(f"The {CANARY} sings.".encode(), purpose="assistants", filename="a.txt")
        body = {"messages": [{"role": "user", "content": CANARY}]}
        line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
        lines = await olo.files.upload(json.dumps(line).encode(), purpose="batch", filename="b.jsonl")
        batch = await olo.batches.create(lines.file_id, metadata={"word": CANARY})
        answer = await olo.chat(CANARY, request_id="mine", store=True)
        response = await http.post("/v1/responses", json={"input": CANARY}, headers=built.header("acme"))
        assert response.status_code == 200, response.text
        built.ids = {
            "file": file.file_id,
            "lines": lines.file_id,
            "batch": batch.batch_id,
            "run": answer.run_id,
            "request": "mine",
            "completion": f"chatcmpl-{answer.run_id}",
            "response": response.json()["id"],
            "collection": COLLECTION,
            "document": "secret",
            "store": f"vs_{COLLECTION}",
        }


async def test_what_a_gateway_does_by_itself_it_does_for_nobody(guarded: Guarded) -> None:
    assert guarded.idle == [NOBODY]
    assert caller() is not None


async def _paths(guarded: Guarded) -> dict[str, list[str]]:
    async with guarded.http as http:
        described = (await http.get("/openapi.json", headers=guarded.header("acme"))).json()["paths"]
    assert len(described) > 60
    return {path: [method.upper() for method in methods] for path, methods in described.items()}


def _spellings(path: str) -> list[str]:
    encoded = "".join(f"%{ord(letter):02x}" if letter.isalnum() else letter for letter in path)
    return [path, f"{path}/", f"/{path}", encoded, f"/healthz/..{path}", f"/healthz%2f..{path}", f"{path}%00"]


@pytest.mark.parametrize("who", ["nobody", "wrong", "upgrade"])
async def test_no_spelling_of_a_path_gets_in_without_a_key(guarded: Guarded, who: str) -> None:
    headers = {
        "nobody": {"X-Forwarded-Prefix": "/healthz", "X-HTTP-Method-Override": "GET", "X-Original-URL": "/healthz"},
        "wrong": guarded.header("wrong"),
        "upgrade": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"},
    }[who]
    public = needs.PUBLIC
    async with guarded.http as http:
        for template, methods in (await _paths(guarded)).items():
            path = re.sub(r"{\w+}", guarded.ids["run"], template)
            for spelled in _spellings(path):
                if who != "nobody" and spelled != path:
                    continue
                for method in ("HEAD", "OPTIONS", "TRACE", *methods) if spelled == path else methods:
                    answer = await http.request(method, f"{guarded.cluster.http}{spelled}", headers=headers)
                    if answer.status_code == 401:
                        continue
                    # Probes are for everybody.
                    assert template in public, (method, spelled, answer.status_code)
                    assert answer.status_code in (200, 404, 405), (method, spelled, answer.status_code)


async def test_no_path_tells_or_changes_what_is_anothers(guarded: Guarded) -> None:
    async with guarded.http as http:
        for template, methods in (await _paths(guarded)).items():
            asked = set(guarded.ids.values()) if "{" in template else {guarded.ids["run"]}
            for thing in sorted(asked):
                path = re.sub(r"{\w+}", thing, template)
                query = {"collection": COLLECTION, "purpose": "batch", "limit": "1", "after": thing}
                for method in methods:
                    if path.startswith("/api/") and method != "GET":
                        # Pulls and copies of models: they are nobody's.
                        continue
                    answer = await http.request(method, path, params=query, headers=guarded.header("other"))
                    assert CANARY not in answer.text, (method, path)
                    assert answer.status_code != 500, (method, path, answer.text)


@pytest.mark.parametrize("method", METHODS, ids=[f"{m.containing_service.name}.{m.name}" for m in METHODS])
async def test_no_call_tells_what_is_anothers_whatever_names_it_has(guarded: Guarded, method: MethodDescriptor) -> None:
    words = st.sampled_from([*guarded.ids.values(), f"run-{guarded.ids['run']}", "acme", "", "default", "fuzz"])
    cases: list[list[Any]] = []

    @settings(max_examples=3, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(messages(method.input_type, words), min_size=1, max_size=1))
    def made_up(requests: list[Any]) -> None:
        cases.append(requests)

    made_up()
    metadata = [("authorization", f"Bearer {guarded.keys['other']}")]
    for requests in cases:
        assert CANARY not in await _told(guarded.cluster.channels["gateway"], method, requests, metadata)


async def _told(channel: grpc.aio.Channel, method: MethodDescriptor, requests: list[Any], metadata: Any) -> str:
    """All that a call answers."""
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    path = f"/{method.containing_service.full_name}/{method.name}"
    codec = (lambda message: message.SerializeToString(), GetMessageClass(method.output_type).FromString)
    sent = iter(requests) if method.client_streaming else requests[0]
    call = getattr(channel, kind)(path, *codec)(
        sent, metadata=metadata, timeout=0.7 if method.name in WAITING else 60.0
    )
    try:
        if method.server_streaming:
            return "".join([str(message) async for message in call])
        return str(await call)
    except grpc.aio.AioRpcError as error:
        assert error.code() not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL), (path, requests)
        return str(error.details())


async def test_after_all_that_strangers_have_tried_it_is_all_there(guarded: Guarded) -> None:
    async with guarded.olo("acme") as olo, guarded.http as http:
        assert CANARY.encode() in b"".join([piece async for piece in olo.files.read(guarded.ids["file"])])
        assert any(CANARY in passage.text for passage in await olo.search(COLLECTION, CANARY))
        assert (await olo.runs.get(guarded.ids["run"])).response.run_id == guarded.ids["run"]
        assert (await olo.batches.get(guarded.ids["batch"])).metadata["word"] == CANARY
        path = f"/v1/responses/{guarded.ids['response']}"
        assert (await http.get(path, headers=guarded.header("acme"))).status_code == 200

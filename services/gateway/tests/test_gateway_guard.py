"""The guard of the HTTP calls: every route, every dialect, and what a key allows."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import structlog
from dialect_edge import ANSWER, DialectEdge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import olo_gateway
from olo_contracts.api_keys import hash_of, new_key, renewed
from olo_gateway.access.caller import Caller, acting
from olo_gateway.access.credentials import Need
from olo_gateway.access.errors import Forbidden
from olo_gateway.access.keyring import Keyring
from olo_gateway.access.records import records_of
from olo_gateway.batches.results import Endpoint
from olo_gateway.http import needs
from olo_gateway.http.batches.endpoints import ChatLines, CompletionLines, EmbeddingLines, ResponseLines
from olo_gateway.http.batches.routes import batch_routes
from olo_gateway.http.documents.routes import rag_routes
from olo_gateway.http.documents.transfers import transfer_routes
from olo_gateway.http.file_routes import file_routes
from olo_gateway.http.guard import Guarding, places_of, template_of
from olo_gateway.http.log_routes import log_routes
from olo_gateway.http.vector_stores.routes import vector_store_routes
from olo_gateway.runs.validation import RunLimits

NOBODY: Any = None
"""In the place of what no call of these tests reaches."""
CHAT: Final = {"model": "org/small", "messages": [{"role": "user", "content": "hello"}]}
KEYS: Final = {name: new_key() for name in ("user", "admin", "other", "old", "revoked", "narrow", "slow", "thrifty")}


def key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name][1]}"}


def entry(name: str, tenant: str = "acme", **more: Any) -> dict[str, Any]:
    key_id, secret = KEYS[name]
    return {"id": key_id, "hash": hash_of(secret), "tenant": tenant, "roles": ["user"], **more}


@pytest.fixture(scope="module")
def edge() -> DialectEdge:
    keys, now = Keyring(clock=lambda: 0.0), datetime.now(UTC)
    entries = [
        entry("user"),
        entry("admin", roles=["admin"]),
        entry("other", tenant="other"),
        entry("old", expires=now - timedelta(seconds=1)),
        entry("revoked", revoked=now - timedelta(seconds=1)),
        entry("narrow", models=["org/small"], limits={"priority": "batch"}),
        entry("slow", limits={"requests_per_minute": 2}),
        entry("thrifty", limits={"tokens_per_minute": 150}),
    ]
    keys.replace(records_of({"keys": entries}))
    retrieval = [rag_routes(NOBODY, NOBODY), vector_store_routes(NOBODY)]
    extras = [file_routes(NOBODY), batch_routes(NOBODY), *retrieval, transfer_routes(NOBODY), log_routes(NOBODY)]
    return DialectEdge(Guarding(keys), extras)


@pytest.fixture
async def http(edge: DialectEdge) -> AsyncIterator[httpx.AsyncClient]:
    await edge.health.cover([])
    await edge.forget()
    transport = httpx.ASGITransport(edge.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def calls_of(edge: DialectEdge) -> list[tuple[str, str]]:
    """Method and template of every route that there is."""
    found = []
    for place in places_of(edge.app.routes):
        found += [(method, place.template) for method in sorted(place.methods or {"GET"})]
    return found


async def asked(http: httpx.AsyncClient, method: str, template: str, headers: dict[str, str]) -> httpx.Response:
    return await http.request(method, re.sub(r"{\w+}", "x", template), headers=headers)


async def test_every_route_says_what_it_needs_and_holds_to_it(edge: DialectEdge, http: httpx.AsyncClient) -> None:
    calls = calls_of(edge)
    listed = needs.PUBLIC | needs.DOCUMENTATION | needs.USER | needs.ADMIN
    assert {template for _, template in calls} == listed
    assert not needs.USER & needs.ADMIN
    for method, template in calls:
        need = needs.need_of(template, public_docs=False)
        without = await asked(http, method, template, {})
        if need is Need.NOTHING:
            assert without.status_code == 200, (method, template)
            continue
        assert without.status_code == 401, (method, template)
        assert without.headers["www-authenticate"] == "Bearer"
        for wrong in ({"Authorization": f"Bearer {renewed(KEYS['admin'][0])}"}, key("old"), key("revoked")):
            assert (await asked(http, method, template, wrong)).status_code == 401, (method, template)
        if need is Need.ADMIN:
            assert (await asked(http, method, template, key("user"))).status_code == 403, (method, template)
    assert not edge.runs.started


def test_nobody_but_these_knows_the_default_tenant() -> None:
    """Whoever names it shows its things to everybody: the tenant is asked of `access.caller`."""
    sources = Path(olo_gateway.__file__).parent
    named = {path for path in sources.rglob("*.py") if "DEFAULT_TENANT" in path.read_text()}
    assert named == {sources / place for place in ("access/caller.py", "files/shelf.py", "runs/identity.py")}


async def test_whatever_does_not_hold_is_answered_alike(http: httpx.AsyncClient) -> None:
    wrong = [renewed(KEYS["user"][0]), new_key()[1], KEYS["old"][1], KEYS["revoked"][1], "sk-1", "' OR '1'='1"]
    answers = [await http.get("/v1/models", headers={"Authorization": f"Bearer {each}"}) for each in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["error"]["code"] == "auth_invalid"


@pytest.mark.parametrize(
    "path",
    ["//v1/models", "/v1//models", "/v1/models;x", "/v1%2fmodels", "/healthz/../v1/models", "/HEALTHZ", "/none", "//"],
)
async def test_odd_paths_get_nowhere_without_a_key(http: httpx.AsyncClient, path: str) -> None:
    forged = {"Host": "healthz", "X-Forwarded-Prefix": "/healthz", "X-Original-URL": "/healthz"}
    assert (await http.get(f"http://gateway{path}", headers=forged)).status_code == 401


async def test_no_websocket_is_let_in(edge: DialectEdge) -> None:
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {"type": "websocket", "path": "/v1/models", "headers": [], "query_string": b"", "subprotocols": []}
    await edge.app(scope, receive, send)  # type: ignore[arg-type]
    assert [(message["type"], message["code"]) for message in said] == [("websocket.close", 1008)]


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("POST", "/v1/chat/completions", {"error": {"type": "authentication_error", "code": "auth_missing"}}),
        ("POST", "/v1/responses", {"error": {"type": "authentication_error", "code": "auth_missing"}}),
        ("POST", "/v1/messages", {"type": "error", "error": {"type": "authentication_error"}}),
        ("POST", "/api/chat", {"error": "an API key is needed: Authorization: Bearer <key>"}),
        ("GET", "/api/nodes", {"error": {"type": "authentication_error", "code": "auth_missing"}}),
    ],
)
async def test_each_dialect_is_refused_in_its_own_shape(
    http: httpx.AsyncClient, method: str, path: str, told: dict[str, Any]
) -> None:
    answer = await http.request(method, path, content=b"{not json")
    assert answer.status_code == 401
    body = answer.json()
    if isinstance(told["error"], str):
        assert body == told
        return
    assert {name: body["error"][name] for name in told["error"]} == told["error"]
    assert body.get("type") == told.get("type")


async def test_two_keys_in_one_call_are_refused_and_one_key_twice_is_not(http: httpx.AsyncClient) -> None:
    both = key("user") | {"x-api-key": KEYS["admin"][1]}
    answer = await http.get("/v1/models", headers=both)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "auth_ambiguous")
    same = key("user") | {"x-api-key": KEYS["user"][1]}
    assert (await http.get("/v1/models", headers=same)).status_code == 200
    assert (await http.get("/v1/models", headers={"x-api-key": KEYS["user"][1]})).status_code == 200


async def test_the_description_is_public_where_the_operator_wants_it() -> None:
    for public, status in ((True, 200), (False, 401)):
        built = DialectEdge(Guarding(Keyring(), public_docs=public))
        transport = httpx.ASGITransport(built.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            for path in ("/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
                assert (await client.get(path)).status_code == status, path


async def test_tenants_do_not_see_each_others_runs(edge: DialectEdge, http: httpx.AsyncClient) -> None:
    again = {"Idempotency-Key": "same-for-all"}
    mine = await http.post("/v1/chat/completions", json=CHAT, headers=key("user") | again)
    theirs = await http.post("/v1/chat/completions", json=CHAT | {"store": True}, headers=key("other") | again)
    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert [request.tenant for _, request in edge.runs.started] == ["acme", "other"]
    (my_run, _), (their_run, _) = edge.runs.started
    assert my_run != their_run
    assert (await http.get(f"/v1/runs/{my_run}", headers=key("user"))).json()["id"] == my_run
    assert (await http.get("/v1/runs/run-same-for-all", headers=key("user"))).json()["id"] == my_run
    for path in (f"/v1/runs/{my_run}", f"/v1/chat/completions/chatcmpl-{my_run}", f"/v1/responses/resp_{my_run}"):
        assert (await http.get(path, headers=key("other"))).status_code == 404, path
    for path in (f"/v1/runs/{my_run}/cancel", f"/v1/responses/resp_{my_run}/cancel"):
        assert (await http.post(path, headers=key("other"))).status_code == 404, path


async def test_a_key_for_some_models_gets_no_other(edge: DialectEdge, http: httpx.AsyncClient) -> None:
    narrow = key("narrow") | {"x-request-priority": "interactive"}
    answer = await http.post("/v1/chat/completions", json=CHAT, headers=narrow)
    assert answer.json()["choices"][0]["message"]["content"] == ANSWER
    assert edge.asked.priority == 3  # REQUEST_PRIORITY_BATCH
    for path, body in (
        ("/v1/chat/completions", CHAT | {"model": "away"}),
        ("/v1/chat/completions", CHAT | {"model": "auto"}),
        ("/v1/embeddings", {"model": "embedder", "input": "text"}),
        ("/v1/tokenize", {"model": "away", "prompt": "text"}),
        ("/v1/messages", CHAT | {"model": "away", "max_tokens": 5}),
    ):
        refused = await http.post(path, json=body, headers=key("narrow"))
        assert refused.status_code == 403, (path, refused.text)
    models = (await http.get("/api/tags", headers=key("narrow"))).json()["models"]
    assert [model["name"].partition(":")[0] for model in models] == ["org/small"]


async def test_calls_beyond_the_keys_rate_are_told_when_to_come_back(http: httpx.AsyncClient) -> None:
    first = await http.get("/v1/models", headers=key("slow"))
    assert first.status_code == 200
    second = await http.post("/v1/chat/completions", json=CHAT, headers=key("slow"))
    assert second.headers["x-ratelimit-limit-requests"] == "2"
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    third = await http.post("/v1/chat/completions", json=CHAT, headers=key("slow"))
    assert (third.status_code, third.json()["error"]["code"]) == (429, "rate_limited")
    assert third.headers["retry-after"] == "30"
    assert third.headers["x-ratelimit-limit-requests"] == "2"
    assert (await http.post("/v1/chat/completions", json=CHAT, headers=key("user"))).status_code == 200


async def test_tokens_are_taken_as_they_are_used(edge: DialectEdge, http: httpx.AsyncClient) -> None:
    waiting = CHAT | {"max_tokens": 100, "messages": [{"role": "user", "content": "wait"}]}
    first = asyncio.create_task(http.post("/v1/chat/completions", json=waiting, headers=key("thrifty")))
    await edge.begun.wait()
    # While it is under way, it takes what it may cost.
    second = await http.post("/v1/chat/completions", json=CHAT | {"max_tokens": 100}, headers=key("thrifty"))
    assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limited")
    assert (second.headers["x-ratelimit-limit-tokens"], second.headers["x-ratelimit-remaining-tokens"]) == ("150", "49")
    edge.release.set()
    assert (await first).status_code == 200
    third = await http.post("/v1/chat/completions", json=CHAT | {"max_tokens": 100}, headers=key("thrifty"))
    assert third.status_code == 200


async def test_no_key_is_ever_written_to_the_log(http: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        for name in KEYS:
            await http.post("/v1/chat/completions", json=CHAT, headers=key(name))
        await http.get("/v1/models", headers=key("user") | {"x-api-key": "olo-secret"})
    assert lines
    written = repr(lines)
    for _, secret in KEYS.values():
        assert secret not in written
        assert secret.split("-", 2)[2] not in written
    assert "olo-secret" not in written


PARTS = st.sampled_from(
    [
        "",
        "v1",
        "api",
        "models",
        "chat",
        "completions",
        "runs",
        "x",
        "cancel",
        "files",
        "a:b",
        "vector_stores",
        "batches",
        "rag",
        "documents",
        "collections",
        "nodes",
        "cluster",
        "status",
        "tags",
        "healthz",
        "admin",
        "metrics",
        "docs",
    ]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, max_size=6), method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]))
async def test_the_guard_judges_the_route_that_answers(edge: DialectEdge, parts: list[str], method: str) -> None:
    path = "/" + "/".join(parts)
    headers = [(b"authorization", f"Bearer {KEYS['admin'][1]}".encode())]
    scope: dict[str, Any] = {"type": "http", "path": path, "method": method, "headers": headers, "query_string": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{"}

    async def send(message: dict[str, Any]) -> None:
        pass

    with contextlib.suppress(AttributeError):
        # What the routes ask is not there.
        await edge.app(scope, receive, send)  # type: ignore[arg-type]
    template = template_of(places_of(edge.app.routes), path, method)
    answered = getattr(scope.get("route"), "path_format", "") or getattr(scope.get("route"), "path", "")
    assert template == answered, path


def test_lines_of_batches_ask_for_models_of_the_key_alone() -> None:
    limits = RunLimits(30.0, 60.0)
    turns = [{"role": "user", "content": "hello"}]
    lines: list[tuple[Endpoint, dict[str, Any]]] = [
        (ChatLines(NOBODY, NOBODY, limits), {"messages": turns}),
        (CompletionLines(NOBODY, NOBODY, limits, NOBODY), {"prompt": "hello"}),
        (ResponseLines(NOBODY, NOBODY, limits), {"input": "hello"}),
        (ResponseLines(NOBODY, NOBODY, limits), {"input": "hello", "previous_response_id": "resp_run-1"}),
        (EmbeddingLines(NOBODY), {"input": "hello"}),
    ]
    for endpoint, body in lines:
        endpoint.check(body | {"model": "away"})
        with acting(Caller(models=frozenset({"org/small"}))):
            endpoint.check(body | {"model": "org/small"})
            with pytest.raises(Forbidden):
                endpoint.check(body | {"model": "away"})

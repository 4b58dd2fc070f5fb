"""The unmodified `openai` client against a gateway on real Temporal and NATS, with a real llm-worker that is told its
answers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import openai
import pytest

from olo.common.v1.common_pb2 import MODEL_TYPE_EMBEDDING
from olo.embedding.v1 import embedding_service_pb2 as embedding
from olo.embedding.v1 import embedding_service_pb2_grpc as embedding_grpc
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.inference.v1.inference_service_pb2 import TokenizeRequest
from olo.router.v1 import router_service_pb2 as router
from olo.router.v1 import router_service_pb2_grpc as router_grpc
from olo_common.errors import ErrorCode, RemoteError
from olo_common.grpc_client import call, channel
from olo_common.grpc_interceptors import ErrorInterceptor
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import llm_queue
from olo_contracts.vectors import pack
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_llm_worker import app as worker_app
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.settings import LlmWorkerSettings
from olo_testing.ports import free_port

pytestmark = pytest.mark.integration

MODEL = f"scripted-{uuid.uuid4().hex[:8]}"
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def told(prompt: str) -> str:
    """What the model answers: the script of the prompt's last words."""
    if "tool" in prompt:
        return '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>'
    if "json" in prompt:
        return '{"city": "Rome"}'
    return "The Nile rises in Burundi."


class Router(router_grpc.RouterServiceServicer):
    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}

    async def SelectModels(self, request: Any, context: Any) -> router.SelectModelsResponse:
        if request.model == "none":
            raise RemoteError(ErrorCode.NOT_FOUND, "model_not_found", "there is no such model", field="model")
        if request.model_type == MODEL_TYPE_EMBEDDING:
            names = ["bare", "embedder"]
            found = [router.Candidate(model_id=name, address=self.addresses[name]) for name in names]
            return router.SelectModelsResponse(candidates=found[-1:] if request.max_candidates == 1 else found)
        chosen = router.Candidate(
            model_id=MODEL,
            task_queue=llm_queue(MODEL),
            free_slots=4,
            reason=router.SELECTION_REASON_DEFAULT,
            address=self.addresses[MODEL],
        )
        return router.SelectModelsResponse(candidates=[chosen])


class Embedder(embedding_grpc.EmbeddingServiceServicer):
    def __init__(self, reranker: str) -> None:
        self.reranker = reranker

    async def Embed(self, request: Any, context: Any) -> embedding.EmbedResponse:
        return embedding.EmbedResponse(model_id="embedder", vectors=pack([[3.0, 4.0, 0.0] for _ in request.texts]))

    async def GetModelInfo(self, request: Any, context: Any) -> embedding.GetModelInfoResponse:
        return embedding.GetModelInfoResponse(reranker_model=self.reranker)

    async def Rerank(self, request: Any, context: Any) -> embedding.RerankResponse:
        if not self.reranker:
            raise RemoteError(ErrorCode.FAILED_PRECONDITION, "reranker_not_loaded", "there is no reranker")
        results = [embedding.RerankResult(index=1, score=0.9), embedding.RerankResult(index=0, score=0.1)]
        return embedding.RerankResponse(results=results, model_id=self.reranker)


class World:
    """Two gateways and their clients."""

    def __init__(self) -> None:
        self.engine = FakeEngine(told)
        self.clients: list[openai.AsyncOpenAI] = []
        self.http: list[httpx.AsyncClient] = []
        self.deleted: asyncio.Task[Any]

    async def delete_one(self) -> Any:
        """Makes a response and has it deleted."""
        client = self.clients[0].with_options(timeout=120)
        made = await client.responses.create(model=MODEL, input="Where?")
        await client.responses.delete(made.id)
        return made

    async def build(self, stack: AsyncExitStack, nats_url: str, temporal_address: str, directory: Path) -> None:
        async def serve(add: Any, servicer: Any) -> str:
            server = grpc.aio.server(interceptors=[ErrorInterceptor()])
            add(servicer, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, 0)
            return f"127.0.0.1:{port}"

        nats, temporal = NatsSettings(url=nats_url), TemporalSettings(address=temporal_address)
        self.router = Router()
        target = await serve(router_grpc.add_RouterServiceServicer_to_server, self.router)
        add = embedding_grpc.add_EmbeddingServiceServicer_to_server
        self.router.addresses["bare"] = await serve(add, Embedder(""))
        self.router.addresses["embedder"] = await serve(add, Embedder("ranker"))
        worker = LlmWorkerSettings(
            model_id=MODEL,
            model_directory=directory,
            port=0,
            max_concurrency=4,
            grace_seconds=0.2,
            nats=nats,
            temporal=temporal,
        )
        self.router.addresses[MODEL] = await stack.enter_async_context(worker_app.running(worker, Lifetime()))
        for _ in range(2):
            settings = GatewaySettings(
                port=0, http_port=free_port(), router_target=target, nats=nats, temporal=temporal, grace_seconds=0.5
            )
            self.grpc = await stack.enter_async_context(running(settings, Lifetime()))
            url = f"http://127.0.0.1:{settings.http_port}"
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            async with asyncio.timeout(30):
                while (await http.get("/healthz")).status_code != 200:
                    await asyncio.sleep(0.05)
            self.http.append(http)
            client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=60)
            self.clients.append(await stack.enter_async_context(client))


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    built = World()

    async def load(*_: object) -> FakeEngine:
        return built.engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_app, "_load", load)
        async with AsyncExitStack() as stack:
            await built.build(stack, nats_url, temporal_address, tmp_path_factory.mktemp("model"))
            built.deleted = asyncio.create_task(built.delete_one())
            yield built


async def test_tools_are_called_by_the_worker_and_told_by_the_gateway(world: World) -> None:
    raw = await world.clients[0].chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": "tool"}], tools=[TOOL], n=2
    )
    answer = raw.parse()
    for choice in answer.choices:
        (call,) = choice.message.tool_calls or []
        assert (choice.finish_reason, call.type) == ("tool_calls", "function")
        assert json.loads(call.function.arguments) == {"city": "Rome"}  # type: ignore[union-attr]
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert raw.headers["x-olo-model"] == MODEL
    assert raw.headers["x-olo-route-reason"] == "default"
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert int(raw.headers["x-ratelimit-limit-requests"]) >= int(raw.headers["x-ratelimit-remaining-requests"]) >= 0


async def test_json_and_log_probabilities_come_from_the_worker(world: World) -> None:
    answer = await world.clients[0].chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "json"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object", "required": ["city"]}},
        },
        logprobs=True,
    )
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Rome"}
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert "".join(token.token for token in logprobs.content or []) == '{"city": "Rome"}'


async def test_the_likeliest_tokens_come_from_the_engine(world: World) -> None:
    client, messages = world.clients[0], [{"role": "user", "content": "Where?"}]
    chat: Any = client.chat.completions
    whole = await chat.create(model=MODEL, messages=messages, logprobs=True, top_logprobs=3)
    told = whole.choices[0].logprobs.content
    assert "".join(token.token for token in told) == whole.choices[0].message.content
    for token in told:
        assert token.top_logprobs[0].token == token.token
        assert [each.logprob for each in token.top_logprobs] == [0.0, -1.0, -2.0]
    async with client.chat.completions.stream(
        model=MODEL,
        messages=messages,
        logprobs=True,
        top_logprobs=3,  # type: ignore[arg-type]
    ) as stream:
        streamed = await stream.get_final_completion()
    assert streamed.choices[0].logprobs == whole.choices[0].logprobs
    plain = await chat.create(model=MODEL, messages=messages, logprobs=True)
    assert all(token.top_logprobs == [] for token in plain.choices[0].logprobs.content)
    completed = await client.completions.create(model=MODEL, prompt="Where?", logprobs=2)
    assert completed.choices[0].logprobs is not None
    assert completed.choices[0].logprobs.top_logprobs[:2] == [{"T": 0.0, "U": -1.0}, {"h": 0.0, "i": -1.0}]  # type: ignore[index]
    made: Any = await client.responses.create(model=MODEL, input="Where?", top_logprobs=1)
    part = made.output[0].content[0]
    assert [token.top_logprobs[0].token for token in part.logprobs] == list(part.text)
    with pytest.raises(openai.BadRequestError) as caught:
        await chat.create(model=MODEL, messages=messages, logit_bias={"65": 5})
    assert (caught.value.param, caught.value.code) == ("logit_bias", "unsupported_parameter")


async def test_what_an_engine_cannot_do_is_refused_by_the_callers_name_for_it(world: World) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await world.clients[0].chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], presence_penalty=0.5
        )
    assert (caught.value.param, caught.value.code) == ("presence_penalty", "unsupported_parameter")
    with pytest.raises(openai.BadRequestError) as refused:
        await world.clients[0].responses.create(
            model=MODEL,
            input="x",
            text={"format": {"type": "json_schema", "name": "x", "schema": {"pattern": "(a+)+$"}}},
        )
    assert (refused.value.param, refused.value.code) == ("text.format.schema", "schema_invalid")


async def test_a_response_is_made_here_and_followed_there(world: World) -> None:
    here, there = world.clients
    made = await here.responses.create(model=MODEL, input="Where?", background=True, metadata={"a": "b"})
    events = [event async for event in await there.responses.retrieve(made.id, stream=True)]
    assert events[-1].type == "response.completed"
    middle = next(event for event in events if event.type == "response.output_text.delta")
    rest = await here.responses.retrieve(made.id, stream=True, starting_after=middle.sequence_number)
    numbers = [event.sequence_number async for event in rest]
    assert numbers[-1] == events[-1].sequence_number
    assert min(numbers) > middle.sequence_number
    found = await there.responses.retrieve(made.id)
    assert (found.output_text, found.metadata) == ("The Nile rises in Burundi.", {"a": "b"})
    assert found.usage is not None
    second = await there.responses.create(model=MODEL, input="And then?", previous_response_id=made.id)
    asked = [event async for event in here.responses.input_items.list(second.id)]
    assert len(asked) == 1
    prompt = "".join(bytes(b for b in row if b < 256).decode() for row in world.engine.dispatched[-1].prompts)
    assert "Where?The Nile rises in Burundi.And then?" in prompt


async def test_a_running_response_is_cancelled(world: World) -> None:
    made = await world.clients[0].responses.create(
        model=MODEL, input="x", background=True, extra_headers={"Idempotency-Key": f"c-{uuid.uuid4().hex}"}
    )
    ended = await world.clients[1].responses.cancel(made.id)
    again = await world.clients[0].responses.cancel(made.id)
    # It may have been quicker than we.
    assert ended.status == again.status
    assert ended.status in ("cancelled", "completed")


async def test_texts_and_tokens_go_to_the_models_own_tokenizer(world: World) -> None:
    http = world.http[0]
    found = (await http.post("/v1/tokenize", json={"model": MODEL, "prompt": "Nile"})).json()
    assert (found["model"], found["tokens"], found["count"]) == (MODEL, list(b"Nile"), 4)
    rendered = (await http.post("/v1/tokenize", json={"messages": [{"role": "user", "content": "Nile"}]})).json()
    assert rendered["count"] == 5
    back = (await http.post("/v1/detokenize", json={"model": MODEL, "tokens": found["tokens"]})).json()
    assert back["prompt"] == "Nile"
    wrong = await http.post("/v1/detokenize", json={"model": MODEL, "tokens": [100_000]})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "field_invalid")
    missing = await http.post("/v1/tokenize", json={"model": "none", "prompt": "x"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_vectors_and_ranks_come_from_instances_that_the_router_names(world: World) -> None:
    made = await world.clients[0].embeddings.create(model="auto", input=["a", "b"])
    assert [item.embedding for item in made.data] == [[3.0, 4.0, 0.0]] * 2
    asked = {"query": "q", "documents": ["a", {"text": "b"}], "return_documents": True}
    for model in (None, "ranker", "embedder"):
        ranked = (await world.http[0].post("/v1/rerank", json={**asked, "model": model})).json()
        assert ranked["model"] == "ranker"
        assert [(one["index"], one["document"]["text"]) for one in ranked["results"]] == [(1, "b"), (0, "a")]
    unknown = await world.http[0].post("/v1/rerank", json={**asked, "model": "other"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


async def test_tokens_and_ranks_are_there_over_grpc_too(world: World) -> None:
    async with channel(world.grpc) as opened:
        stub: Any = GatewayServiceStub(opened)
        asked = gateway.TokenizeRequest(model=MODEL, input=TokenizeRequest(text="Nile"))
        told = await call(stub.Tokenize, asked, peer="gateway", timeout=30)
        assert (told.model, bytes(told.token_ids)) == (MODEL, b"Nile")
        back = gateway.DetokenizeRequest(token_ids=told.token_ids)
        assert (await call(stub.Detokenize, back, peer="gateway", timeout=30)).text == "Nile"
        ranked = await call(
            stub.Rerank, gateway.RerankRequest(query="q", documents=["a", "b"]), peer="gateway", timeout=30
        )
        assert [result.index for result in ranked.results] == [1, 0]


async def test_prompts_are_completed_one_run_each(world: World) -> None:
    answer = await world.clients[0].completions.create(
        model=MODEL, prompt=["Where?", "And where?"], echo=True, extra_headers={"Idempotency-Key": uuid.uuid4().hex}
    )
    texts = ["Where?The Nile rises in Burundi.", "And where?The Nile rises in Burundi."]
    assert [choice.text for choice in answer.choices] == texts
    stream = await world.clients[0].completions.create(model=MODEL, prompt="Where?", stream=True, logprobs=0)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks) == "The Nile rises in Burundi."
    last = chunks[-1].choices[0]
    assert last.logprobs is not None
    assert last.logprobs.text_offset is not None
    assert last.logprobs.text_offset[:2] == [0, 1]


async def test_a_deleted_response_is_gone_from_temporal(world: World) -> None:
    """At the end of the module: Temporal takes its time, and the other tests use it."""
    made = await world.deleted
    run_id = made.id.removeprefix("resp_")
    with pytest.raises(openai.NotFoundError):
        await world.clients[1].responses.retrieve(made.id)
    hidden = await world.http[1].get(f"/v1/chat/completions/chatcmpl-{run_id}")
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "run_not_found")

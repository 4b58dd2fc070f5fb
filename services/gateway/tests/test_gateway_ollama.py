"""The Ollama dialect, spoken by its own client and by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import ollama
import pytest
from dialect_edge import ANSWER, DialectEdge

from olo.inference.v1.inference_service_pb2 import ROLE_SYSTEM, ROLE_USER, ResponseFormat

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
async def served_edge() -> AsyncIterator[DialectEdge]:
    edge = DialectEdge()
    async with edge.served():
        yield edge


@pytest.fixture(autouse=True)
async def edge(served_edge: DialectEdge) -> DialectEdge:
    await served_edge.forget()
    return served_edge


@pytest.fixture(scope="module")
def client(served_edge: DialectEdge) -> ollama.AsyncClient:
    return ollama.AsyncClient(host=served_edge.url)


@pytest.fixture(scope="module")
async def http(served_edge: DialectEdge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served_edge.url, timeout=20) as opened:
        yield opened


async def test_an_answer_with_its_figures(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    answer = await client.chat("org/small:latest", messages=[{"role": "system", "content": "Be brief."}, *HELLO])
    assert (answer.message.role, answer.message.content, answer.done, answer.done_reason) == (
        "assistant",
        ANSWER,
        True,
        "length",
    )
    assert answer.model == "org/small:latest", "the name is the caller's"
    assert (answer.prompt_eval_count, answer.eval_count, answer.prompt_eval_duration) == (5, 2, None)
    assert (answer.total_duration, answer.load_duration, answer.eval_duration) == (3 * 10**9, 2 * 10**9, 10**9)
    assert [message.role for message in edge.asked.messages] == [ROLE_SYSTEM, ROLE_USER]
    assert edge.asked.model == "org/small"


async def test_a_stream_is_lines_whose_pieces_are_the_answer(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    edge.release.set()
    parts = [
        part
        async for part in await client.chat("auto", messages=[{"role": "user", "content": "same answer"}], stream=True)
    ]
    assert "".join(part.message.content or "" for part in parts) == ANSWER
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].eval_count, parts[-1].done_reason) == (2, "length")
    assert edge.asked.stream
    assert edge.asked.model == ""


async def test_a_stream_is_what_who_says_nothing_gets(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/generate", json={"model": "org/small", "prompt": "hello"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(line["response"] for line in lines) == ANSWER
    assert lines[-1]["olo"]["run_id"] == answer.headers["x-olo-run-id"]


async def test_a_prompt_with_its_options(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    options = {"num_predict": 7, "temperature": 0, "top_k": 0, "top_p": 0.5, "seed": 3, "stop": ["x"], "num_ctx": 4096}
    answer = await client.generate("org/small", "hello", system="Be brief.", options={**options, "repeat_penalty": 1.1})
    assert answer.response == ANSWER
    sampling = edge.asked.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p, sampling.seed) == (7, 0.0, 0.5, 3)
    assert (list(sampling.stop), sampling.HasField("top_k")) == (["x"], False)
    assert sampling.repetition_penalty == pytest.approx(1.1)
    await client.generate("org/small", "hello", options={"num_predict": -1, "seed": -1})
    assert not edge.asked.sampling.HasField("max_tokens")
    assert not edge.asked.sampling.HasField("seed")


WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


async def test_the_model_calls_tools_and_reads_what_they_say(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    asked: list[Any] = [{"role": "user", "content": "weather"}]
    answer = await client.chat("org/small", messages=asked, tools=[WEATHER])
    calls = answer.message.tool_calls or []
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("weather", {"city": "Rome"}),
        ("weather", {"city": "Oslo"}),
    ]
    assert (edge.asked.tools[0].name, edge.asked.tools[0].description) == ("weather", "Of a city.")
    assert json.loads(edge.asked.tools[0].parameters_json)["type"] == "object"
    streamed = [part async for part in await client.chat("org/small", messages=asked, tools=[WEATHER], stream=True)]
    assert [len(part.message.tool_calls or ()) for part in streamed] == [2, 0]
    results = [{"role": "tool", "tool_name": "weather", "content": text} for text in ("sun", "snow")]
    await client.chat("org/small", messages=[*asked, answer.message, *results], tools=[WEATHER])
    _, said, first, second = edge.asked.messages
    assert [call.id for call in said.tool_calls] == [first.tool_call_id, second.tool_call_id]
    assert (first.content, first.name, second.content) == ("sun", "weather", "snow")


async def test_forms_of_answers(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    await client.chat("org/small", messages=HELLO, format="json")
    assert edge.asked.response_format.kind == ResponseFormat.KIND_JSON_OBJECT
    await client.generate("org/small", "hello", format={"type": "object"}, logprobs=True)
    assert json.loads(edge.asked.response_format.schema_json) == {"type": "object"}
    assert edge.asked.sampling.logprobs


async def test_an_answer_that_turns_into_another_one_ends_with_an_error(
    client: ollama.AsyncClient, edge: DialectEdge
) -> None:
    stream = await client.chat("auto", messages=[{"role": "user", "content": "other answer"}], stream=True)
    said = await anext(stream)
    assert said.message.content == "Good"
    edge.release.set()
    with pytest.raises(ollama.ResponseError, match="begun again"):
        [part async for part in stream]


async def test_a_prompt_of_white_space_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/generate", json={"model": "org/small", "prompt": "  ", "system": "Be brief."})
    assert (answer.status_code, answer.json()) == (400, {"error": "prompt: the text is empty"})


async def test_a_failure_in_a_stream_is_its_last_line(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    stream = await client.chat("auto", messages=[{"role": "user", "content": "late failure"}], stream=True)
    assert (await anext(stream)).message.content == "Hel"
    edge.release.set()
    with pytest.raises(ollama.ResponseError, match="no model is there"):
        [part async for part in stream]


@pytest.mark.usefixtures("short_silences")
async def test_silences_are_pieces_without_text_and_who_hangs_up_is_let_go(
    client: ollama.AsyncClient, edge: DialectEdge
) -> None:
    stream = await client.chat("auto", messages=[{"role": "user", "content": "wait"}], stream=True)
    assert (await anext(stream)).message.content == ""
    await stream.aclose()
    await edge.cancelled.wait()


async def test_errors_have_one_sentence_and_a_status(client: ollama.AsyncClient) -> None:
    with pytest.raises(ollama.ResponseError) as missing:
        await client.chat("org/none", messages=[{"role": "user", "content": "missing"}])
    assert (missing.value.status_code, missing.value.error) == (404, "there is no model with this id")
    with pytest.raises(ollama.ResponseError) as nobody:
        await client.chat("auto", messages=[{"role": "user", "content": "nobody"}], stream=False)
    assert nobody.value.status_code == 503


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"think": True}, "think"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ({"format": "yaml"}, "format"),
    ({"format": {"type": 3}}, "format"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    ({"messages": [{"role": "tool", "content": "7"}]}, "messages[0].tool_name"),
    ({"options": {"mirostat": 2}}, "options.mirostat"),
    ({"options": {"min_p": 0.1}}, "options.min_p"),
    ({"options": {"presence_penalty": 3.0}}, "options.presence_penalty"),
    ({"options": {"num_predict": 2_000_000}}, "options.num_predict"),
    ({"options": {"temperature": 9}}, "options.temperature"),
    ({"keep_alive": "soon", "messages": []}, "keep_alive"),
    ({"messages": [{"role": "user", "content": "a", "images": ["x"]}]}, "messages[0].images"),
    ({"messages": [{"role": "wizard", "content": "a"}]}, "messages[0].role"),
    ({"messages": "a"}, "messages"),
    ({"model": ""}, "model"),
    ({"model": 3}, "model"),
    ({"rag": {"collection": "A B"}}, "rag.collection"),
]


@pytest.mark.parametrize(("fields", "named"), REFUSED)
async def test_what_cannot_be_kept_is_refused_by_name(
    http: httpx.AsyncClient, edge: DialectEdge, fields: dict[str, Any], named: str
) -> None:
    answer = await http.post("/api/chat", json={"model": "org/small", "messages": HELLO, **fields})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(f"{named}: ")
    assert not edge.runs.started


@pytest.mark.parametrize("field", ["suffix", "template", "raw", "context", "images"])
async def test_what_a_prompt_cannot_have_is_refused_by_name(http: httpx.AsyncClient, field: str) -> None:
    given: dict[str, Any] = {"raw": True, "context": [1], "images": ["x"]}
    body = {"model": "org/small", "prompt": "a", field: given.get(field, "x")}
    answer = await http.post("/api/generate", json=body)
    assert (answer.status_code, answer.json()["error"].split(":")[0]) == (400, field)


BROKEN: list[tuple[bytes, int]] = [(b"", 400), (b"{", 400), (b"[]", 400), (b"{}", 400), (b'{"model": NaN}', 400)]


@pytest.mark.parametrize(("body", "status"), BROKEN)
async def test_broken_bodies_are_errors_of_the_dialect(http: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await http.post("/api/chat", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)


async def test_what_reaches_no_route_is_an_error_of_the_dialect(http: httpx.AsyncClient) -> None:
    large = b'"' + b"x" * 5_000_000 + b'"'
    assert (await http.post("/api/chat", content=large)).status_code == 413
    for answer in (
        await http.post("/api/chat", content=large),
        await http.get("/api/none"),
        await http.get("/api/chat"),
    ):
        assert isinstance(answer.json()["error"], str)


async def test_who_asks_for_no_text_learns_whether_the_model_is_loaded(
    client: ollama.AsyncClient, http: httpx.AsyncClient, edge: DialectEdge
) -> None:
    assert (await client.generate("org/small", keep_alive="1h30m")).done_reason == "load"
    assert (await client.chat("org/small:latest", keep_alive=-1)).done_reason == "load"
    for keep_alive in (0, "0", "0s", "0h0.0m"):
        unload = await http.post("/api/generate", json={"model": "org/small", "keep_alive": keep_alive})
        assert unload.status_code == 501
        assert "drain" in unload.json()["error"]
    with pytest.raises(ollama.ResponseError) as away:
        await client.generate("away")
    assert away.value.status_code == 503
    assert not edge.runs.started


async def test_an_idempotency_key_and_the_gateways_own_fields(http: httpx.AsyncClient, edge: DialectEdge) -> None:
    body = {
        "model": "org/small",
        "messages": HELLO,
        "stream": False,
        "rag": {"collection": "demo"},
        "routing_profile": "speed",
        "allow_fallback": True,
    }
    headers = {"Idempotency-Key": "one", "X-Request-Priority": "batch"}
    first = await http.post("/api/chat", json=body, headers=headers)
    again = await http.post("/api/chat", json=body, headers=headers)
    assert first.headers["x-olo-run-id"] == again.headers["x-olo-run-id"] == "run-one"
    assert len(edge.runs.started) == 1
    asked = edge.asked
    assert (asked.rag.collection, asked.rag.top_k, asked.profile, asked.allow_fallback) == ("demo", 4, "speed", True)
    other = await http.post("/api/chat", json={**body, "model": "auto"}, headers=headers)
    assert other.status_code == 409


async def test_probes(http: httpx.AsyncClient) -> None:
    assert (await http.get("/")).text == "Ollama is running"
    for path in ("/", "/api/version", "/api/tags"):
        assert (await http.head(path)).status_code == 200
    assert (await http.get("/api/version")).json()["version"].count(".") == 2


async def test_models_are_listed_and_shown(client: ollama.AsyncClient, http: httpx.AsyncClient) -> None:
    listed = await client.list()
    assert [model.model for model in listed.models] == ["away:latest", "embedder:latest", "org/small:latest"]
    assert [model.model for model in (await client.ps()).models] == ["embedder:latest", "org/small:latest"]
    shown = await client.show("org/small:latest")
    assert shown.capabilities == ["completion", "tools"]
    assert shown.modelinfo == {
        "general.architecture": "llama",
        "general.basename": "Small",
        "llama.context_length": 512,
    }
    assert shown.details is not None
    assert (shown.details.family, shown.details.quantization_level, shown.license) == ("llama", "int8", "MIT")
    assert (await client.show("embedder")).modelinfo["general.embedding_length"] == 2  # type: ignore[index]
    for body in ({"model": "none"}, {"name": "none"}):
        assert (await http.post("/api/show", json=body)).status_code == 404
    assert (await http.post("/api/show", json={})).status_code == 400


async def test_a_copy_is_an_alias_that_can_be_deleted(client: ollama.AsyncClient, edge: DialectEdge) -> None:
    await client.copy("org/small", "mine:latest")
    assert [(alias.alias, alias.targets[0].model_id) for alias in await edge.fleet.aliases()] == [("mine", "org/small")]
    assert "mine:latest" in [model.model for model in (await client.list()).models]
    assert (await client.show("mine")).modelinfo["llama.context_length"] == 512  # type: ignore[index]
    await client.copy("mine", "second")
    await client.copy("mine", "second")
    with pytest.raises(ollama.ResponseError, match="destination: is an alias of something else"):
        await client.copy("embedder", "second")
    await client.delete("mine")
    assert [alias.alias for alias in await edge.fleet.aliases()] == ["second"]
    with pytest.raises(ollama.ResponseError, match="destination: is a model"):
        await client.copy("org/small", "embedder")
    with pytest.raises(ollama.ResponseError) as missing:
        await client.delete("mine")
    assert missing.value.status_code == 404


async def test_calls_that_change_which_models_there_are_say_what_to_do_instead(client: ollama.AsyncClient) -> None:
    assert [line.status async for line in await client.pull("org/small", stream=True)] == ["success"]
    assert (await client.pull("org/small")).status == "success"
    with pytest.raises(ollama.ResponseError) as missing:
        await client.pull("none")
    assert missing.value.status_code == 404
    for call in (client.delete("org/small"), client.push("org/small"), client.create("new", from_="org/small")):
        with pytest.raises(ollama.ResponseError, match="worker") as refused:
            await call
        assert refused.value.status_code == 501


async def test_texts_are_embedded(client: ollama.AsyncClient, http: httpx.AsyncClient) -> None:
    answer = await client.embed("embedder:latest", ["four", "fi"])
    assert (answer.embeddings, answer.prompt_eval_count) == ([[3.0, 0.5], [3.0, 0.5]], 2)
    assert (await client.embed("embedder", "four", dimensions=2)).embeddings == [[3.0, 0.5]]
    assert (await client.embeddings("embedder", "four")).embedding == [3.0, 0.5]
    assert (await client.embed("embedder", [])).embeddings == []
    with pytest.raises(ollama.ResponseError, match="dimensions: the vectors of this model have 2"):
        await client.embed("embedder", "four", dimensions=1)
    refused = await http.post("/api/embed", json={"model": "embedder", "input": "a", "truncate": False})
    assert refused.json()["error"].startswith("truncate: ")

"""Lines of batches are answered as their routes answer."""

from __future__ import annotations

from typing import Any

import pytest

from olo.gateway.v1.run_pb2 import REQUEST_PRIORITY_BATCH
from olo_common.errors import InvalidField
from olo_gateway.adapters.in_memory import InMemoryTokenizing
from olo_gateway.batches.results import Endpoint
from olo_gateway.http.batches.endpoints import CHAT_COMPLETIONS, COMPLETIONS, EMBEDDINGS, RESPONSES, endpoints
from olo_gateway.runs.identity import run_id_of
from olo_gateway.runs.validation import RunLimits

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def answering(scripted: Any) -> dict[str, Endpoint]:
    return endpoints(scripted.chats, scripted.runs, RunLimits(30.0, 60.0), scripted.embedding, InMemoryTokenizing())


@pytest.mark.parametrize(("path", "body"), [(CHAT_COMPLETIONS, CHAT), (COMPLETIONS, {"prompt": "Hi"})])
async def test_a_line_is_a_patient_run(
    scripted: Any, answering: dict[str, Endpoint], path: str, body: dict[str, Any]
) -> None:
    answering[path].check(body)
    answered = await answering[path].answer(body, "line-1")
    (choice,) = answered.body["choices"]
    assert choice.get("text", choice.get("message", {}).get("content")) == "Hello"
    ((run_id, request),) = scripted.runs.started
    assert (run_id, request.priority) == (run_id_of("line-1"), REQUEST_PRIORITY_BATCH)
    assert request.timeout.seconds == request.wait_for_model.seconds == 60
    again = await answering[path].answer(body, "line-1")
    assert again.request_id == answered.request_id == run_id_of("line-1")
    assert len(scripted.runs.started) == 1
    await answering[path].cancel("never-begun")


async def test_a_line_is_a_stored_response_that_may_go_on_from_another(
    scripted: Any, answering: dict[str, Endpoint]
) -> None:
    first = await answering[RESPONSES].answer({"input": "Hi", "instructions": "Be brief."}, "line-1")
    assert first.body["id"] == f"resp_{run_id_of('line-1')}"
    assert first.body["output"][0]["content"][0]["text"] == "Hello"
    assert (first.body["status"], first.body["store"], first.body["instructions"]) == ("completed", True, "Be brief.")
    body = {"input": "And then?", "previous_response_id": first.body["id"]}
    answering[RESPONSES].check(body)
    second = await answering[RESPONSES].answer(body, "line-2")
    assert second.body["previous_response_id"] == first.body["id"]
    request = scripted.runs.started[1][1]
    assert [message.content for message in request.messages] == ["Hi", "Hello", "And then?"]
    assert request.priority == REQUEST_PRIORITY_BATCH


async def test_a_line_of_tokens_is_the_text_that_they_make(scripted: Any, answering: dict[str, Endpoint]) -> None:
    body = {"model": "bytes", "prompt": list(b"Hi there"), "echo": True}
    answering[COMPLETIONS].check(body)
    answered = await answering[COMPLETIONS].answer(body, "line-1")
    assert answered.body["choices"][0]["text"] == "Hi thereHello"
    assert scripted.runs.started[0][1].messages[0].content == "Hi there"


async def test_a_line_that_goes_on_from_nothing_is_refused_when_it_is_asked(answering: dict[str, Endpoint]) -> None:
    body = {"input": "And then?", "previous_response_id": "resp_run-gone"}
    answering[RESPONSES].check(body)
    with pytest.raises(InvalidField) as caught:
        await answering[RESPONSES].answer(body, "line-1")
    assert caught.value.reason == "previous_response_not_found"


async def test_a_line_of_texts_gives_vectors(scripted: Any, answering: dict[str, Endpoint]) -> None:
    body = {"input": ["one", "two"], "dimensions": 1}
    answering[EMBEDDINGS].check(body)
    answered = await answering[EMBEDDINGS].answer(body, "line-1")
    assert [row["embedding"] for row in answered.body["data"]] == [[1.0], [1.0]]
    assert (answered.request_id, answered.prompt_tokens) == ("line-1", 2)
    assert not scripted.runs.started
    await answering[EMBEDDINGS].cancel("line-1")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT_COMPLETIONS, {"messages": []}, "messages"),
        (CHAT_COMPLETIONS, {**CHAT, "temperature": -1}, "temperature"),
        (COMPLETIONS, {"prompt": ["Hi", "Ho"]}, "prompt"),
        (COMPLETIONS, {"prompt": " "}, "prompt"),
        (COMPLETIONS, {"prompt": [1, 2]}, "model"),
        (COMPLETIONS, {"prompt": "Hi", "suffix": "x"}, "suffix"),
        (COMPLETIONS, {}, "prompt"),
        (RESPONSES, {"input": "Hi", "background": True}, "background"),
        (RESPONSES, {"input": [{"type": "image"}]}, "input[0].type"),
        (RESPONSES, {"input": "Hi", "max_output_tokens": 0}, "max_tokens"),
        (RESPONSES, {"input": "Hi", "previous_response_id": "resp_x", "truncation": "auto"}, "truncation"),
        (EMBEDDINGS, {"input": []}, "input"),
        (EMBEDDINGS, {"input": [[1, 2]]}, "input"),
        (EMBEDDINGS, {"input": "x", "model": "no such name!"}, "model"),
    ],
)
def test_a_wrong_line_is_named(answering: dict[str, Endpoint], path: str, body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        answering[path].check(body)
    assert field in (caught.value.field or "")

"""Lines of batches are answered as their routes answer."""

from __future__ import annotations

from typing import Any

import pytest

from olo.gateway.v1.run_pb2 import REQUEST_PRIORITY_BATCH
from olo_common.errors import InvalidField
from olo_gateway.batches.results import Endpoint
from olo_gateway.http.batch_endpoints import CHAT_COMPLETIONS, COMPLETIONS, EMBEDDINGS, endpoints
from olo_gateway.runs.identity import run_id_of
from olo_gateway.runs.validation import RunLimits

CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def answering(scripted: Any) -> dict[str, Endpoint]:
    return endpoints(scripted.chats, scripted.runs, RunLimits(30.0, 60.0), scripted.embedding)


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
        (COMPLETIONS, {"prompt": "Hi", "suffix": "x"}, "suffix"),
        (COMPLETIONS, {}, "prompt"),
        (EMBEDDINGS, {"input": []}, "input"),
        (EMBEDDINGS, {"input": [[1, 2]]}, "input"),
        (EMBEDDINGS, {"input": "x", "model": "no such name!"}, "model"),
    ],
)
def test_a_wrong_line_is_named(answering: dict[str, Endpoint], path: str, body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        answering[path].check(body)
    assert field in (caught.value.field or "")

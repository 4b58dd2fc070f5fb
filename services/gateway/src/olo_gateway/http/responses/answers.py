"""Runs as responses."""

from __future__ import annotations

from typing import Any, Final, Literal

import orjson

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatResponse, Run
from olo.inference.v1.inference_service_pb2 import FINISH_REASON_LENGTH
from olo_common.errors import OloError
from olo_contracts.identifiers import AUTO_MODEL, REQUEST_ID, is_valid
from olo_gateway.calls.stored_responses import Stored, split
from olo_gateway.errors import ResponseNotFound, RunCancelled
from olo_gateway.http.answers import answers_of, details_of, logprobs_of
from olo_gateway.http.responses.schemas import (
    InputTokensDetails,
    OutputTokensDetails,
    Response,
    ResponseFailure,
    ResponseUsage,
)
from olo_gateway.runs.forms import Format, FormatKind, Tool
from olo_gateway.runs.order import ChatOrder, Role, Turn

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
Item = dict[str, Any]

_PREFIX: Final = "resp_"


def response_id(run_id: str) -> str:
    """The id of a response, spelled as clients expect it."""
    return _PREFIX + run_id


def run_id_of(response_id: str) -> str:
    """The run of a response.

    Raises:
        ResponseNotFound: No response has such an id.
    """
    run_id = response_id.removeprefix(_PREFIX)
    if run_id == response_id or not is_valid(REQUEST_ID, run_id):
        raise ResponseNotFound
    return run_id


def answered(order: ChatOrder, created: int, answer: ChatResponse) -> Response:
    """The response of a run that has answered."""
    cut = answer.finish_reason == FINISH_REASON_LENGTH
    shown = described(order, answer.run_id, created, "incomplete" if cut else "completed")
    usage = answer.usage
    return shown.model_copy(
        update={
            "model": answer.model,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": output_of(answer),
            "usage": ResponseUsage(
                input_tokens=usage.prompt_tokens,
                input_tokens_details=InputTokensDetails(cached_tokens=usage.cached_tokens),
                output_tokens=usage.completion_tokens,
                output_tokens_details=OutputTokensDetails(),
                total_tokens=usage.prompt_tokens + usage.completion_tokens,
            ),
            "olo": details_of(answer),
        }
    )


def failed(order: ChatOrder, run_id: str, created: int, error: OloError) -> Response:
    """The response of a run that has ended without an answer."""
    if error.reason == RunCancelled.reason:
        return described(order, run_id, created, "cancelled")
    shown = described(order, run_id, created, "failed")
    return shown.model_copy(update={"error": ResponseFailure(code=error.reason, message=error.message)})


def stored(found: Stored) -> Response:
    """A response as its run stands now."""
    run, order = found.run, found.order
    created = run.create_time.seconds
    match run.state:
        case run_pb2.RUN_STATE_COMPLETED:
            return answered(order, created, run.response)
        case run_pb2.RUN_STATE_RUNNING:
            return described(order, run.run_id, created, _progress(run))
        case run_pb2.RUN_STATE_CANCELLED:
            return described(order, run.run_id, created, "cancelled")
        case _:
            shown = described(order, run.run_id, created, "failed")
            reason = run.error.reason or "deadline_exceeded"
            message = run.error.message or "the run's time is over"
            return shown.model_copy(update={"error": ResponseFailure(code=reason, message=message)})


def described(order: ChatOrder, run_id: str, created: int, status: Status) -> Response:
    """The response of a run, as far as its request says it."""
    options = order.response
    assert options is not None
    choice = order.tool_choice
    return Response(
        id=response_id(run_id),
        created_at=created,
        status=status,
        background=options.background,
        error=None,
        incomplete_details=None,
        instructions=options.instructions or None,
        max_output_tokens=order.sampling.max_tokens,
        metadata=dict(order.metadata),
        model=order.model or AUTO_MODEL,
        output=[],
        parallel_tool_calls=not choice.single,
        previous_response_id=options.previous_response_id or None,
        store=order.store,
        temperature=order.sampling.temperature,
        text={"format": _format_of(order.response_format)},
        tool_choice={"type": "function", "name": choice.name} if choice.name else choice.mode.value,
        tools=[_tool_of(tool) for tool in order.tools],
        top_p=order.sampling.top_p,
        usage=None,
        olo=None,
    )


def output_of(answer: ChatResponse) -> list[Item]:
    """What the model has given: a message where there is a text, and a call for each function."""
    items = []
    if answer.message.content or not answer.message.tool_calls:
        items.append(message_item(answer.run_id, answer))
    return items + [call_item(answer.run_id, number, answer) for number in range(len(answer.message.tool_calls))]


def message_item(run_id: str, answer: ChatResponse | None, status: str = "completed", number: int = 0) -> Item:
    """The message of an answer; without one, a message that begins."""
    content = [] if answer is None else [text_part(answer)]
    item_id = f"msg_{run_id}_{number}"
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": content}


def text_part(answer: ChatResponse | None) -> Item:
    """The text of an answer; without one, a text that begins."""
    if answer is None:
        return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    logprobs = logprobs_of(answers_of(answer)[0])
    cited = [citation for citation in answer.citations if citation.cited]
    return {
        "type": "output_text",
        "text": answer.message.content,
        "annotations": [
            {
                "type": "file_citation",
                "index": citation.index,
                "file_id": citation.document_id,
                "filename": citation.source,
            }
            for citation in cited
        ],
        "logprobs": [token.model_dump() for token in logprobs.content] if logprobs else [],
    }


def call_item(run_id: str, number: int, answer: ChatResponse) -> Item:
    """A call of a function."""
    call = answer.message.tool_calls[number]
    return {
        "id": f"fc_{run_id}_{number}",
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments_json,
    }


def input_items(found: Stored) -> list[Item]:
    """What the caller of a response has said, what it inherits left out."""
    system, said = split(found.order)
    own = said[found.options.inherited_messages :]
    turns = [*([Turn(Role.SYSTEM, system)] if system else []), *own]
    items = []
    for number, turn in enumerate(turns):
        items += _items_of(f"{found.run.run_id}_{number}", turn)
    return items


def _items_of(name: str, turn: Turn) -> list[Item]:
    if turn.role is Role.TOOL:
        output = {"id": f"fco_{name}", "type": "function_call_output", "status": "completed"}
        return [{**output, "call_id": turn.tool_call_id, "output": turn.content}]
    items: list[Item] = []
    if turn.content:
        kind = "output_text" if turn.role is Role.ASSISTANT else "input_text"
        part: Item = {"type": kind, "text": turn.content}
        if turn.role is Role.ASSISTANT:
            part["annotations"] = []
        role = "developer" if turn.role is Role.SYSTEM else turn.role.value
        items.append({"id": f"msg_{name}", "type": "message", "role": role, "status": "completed", "content": [part]})
    for place, call in enumerate(turn.tool_calls):
        items.append(
            {
                "id": f"fc_{name}_{place}",
                "type": "function_call",
                "status": "completed",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return items


def _progress(run: Run) -> Status:
    return "in_progress" if run.progress.phase == run_pb2.RUN_PHASE_GENERATING else "queued"


def _format_of(form: Format) -> Item:
    if form.kind is not FormatKind.JSON_SCHEMA:
        return {"type": form.kind.value}
    return {"type": "json_schema", "name": "answer", "schema": orjson.loads(form.schema), "strict": True}


def _tool_of(tool: Tool) -> Item:
    parameters = orjson.loads(tool.parameters) if tool.parameters else None
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description or None,
        "parameters": parameters,
        "strict": False,
    }

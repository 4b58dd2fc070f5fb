"""What the router is asked for a run, and what the run keeps of its answer."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from olo.common.v1 import common_pb2
from olo.gateway.v1.run_pb2 import ChatRequest, Selection
from olo.inference.v1.inference_service_pb2 import ROLE_SYSTEM, ROLE_USER
from olo.router.v1 import router_service_pb2 as router
from olo_common.durations import duration_of, seconds_of
from olo_gateway.runs.costs import CHARACTERS_PER_TOKEN, USUAL_ANSWER_TOKENS
from olo_gateway.runs.order import Constraints

AUTO_PROFILE: Final = "auto"
_MAX_TEXT: Final = 8192
_CHARACTERS_PER_PASSAGE: Final = 800

_HARDWARE: Final = {
    "": common_pb2.HARDWARE_TYPE_UNSPECIFIED,
    "cpu": common_pb2.HARDWARE_TYPE_CPU,
    "gpu": common_pb2.HARDWARE_TYPE_GPU,
}
_HARDWARE_WORDS: Final = {number: word for word, number in _HARDWARE.items()}


def select_request(
    request: ChatRequest, run_id: str, left: timedelta, max_candidates: int
) -> router.SelectModelsRequest:
    """What the router is asked for this run. The text of the prompt goes along only where it may decide.

    Args:
        request: What the caller asks for.
        run_id: By which aliases are drawn.
        left: Time until the deadline.
        max_candidates: How many models at most.
    """
    characters = sum(len(message.content) for message in request.messages)
    recorded = request.rag.recorded or bool(request.recorded_passages)
    passages = len(request.recorded_passages) if recorded else request.rag.top_k
    longest = request.sampling.max_tokens or USUAL_ANSWER_TOKENS
    return router.SelectModelsRequest(
        model_type=common_pb2.MODEL_TYPE_LLM,
        model=request.model,
        max_candidates=max_candidates,
        allow_fallback=request.allow_fallback,
        profile=request.profile,
        constraints=request.constraints if request.HasField("constraints") else None,
        request_id=run_id,
        prompt=_prompt(request, characters) if request.profile in ("", AUTO_PROFILE) else None,
        conversation_id=request.conversation_id,
        affinity_key=_affinity_key(request),
        deadline=duration_of(left),
        tenant=request.tenant,
        prompt_tokens=(characters + passages * _CHARACTERS_PER_PASSAGE) // CHARACTERS_PER_TOKEN,
        completion_tokens=min(longest, USUAL_ANSWER_TOKENS),
    )


def keep(selection: Selection, answer: router.SelectModelsResponse) -> None:
    """Notes on what the last decision was made; the candidates and rejections are the run's own list."""
    selection.snapshot_version = answer.snapshot_version
    selection.snapshot_age.CopyFrom(answer.snapshot_age)
    selection.profile = answer.profile
    selection.alias = answer.alias
    selection.rejection_count = answer.rejection_count
    selection.ClearField("complexity")
    if answer.HasField("complexity"):
        selection.complexity.CopyFrom(answer.complexity)
    selection.ClearField("shadow")
    if answer.HasField("shadow"):
        selection.shadow.CopyFrom(answer.shadow)


def constraints_of(message: router.Constraints) -> Constraints:
    """The constraints that a message holds."""
    return Constraints(
        min_quality=message.min_quality if message.HasField("min_quality") else None,
        max_latency=seconds_of(message.max_latency) if message.HasField("max_latency") else None,
        max_cost_per_1k_tokens=message.max_cost_per_1k_tokens if message.HasField("max_cost_per_1k_tokens") else None,
        min_context=message.min_context,
        hardware=_HARDWARE_WORDS.get(message.hardware_type, "unknown"),
        labels=tuple(sorted(message.labels.items())),
        capabilities=tuple(message.capabilities),
    )


def constraints_message(constraints: Constraints) -> router.Constraints:
    """The message of constraints that were accepted."""
    message = router.Constraints(
        min_quality=constraints.min_quality,
        max_cost_per_1k_tokens=constraints.max_cost_per_1k_tokens,
        min_context=constraints.min_context,
        hardware_type=_HARDWARE[constraints.hardware],
        labels=dict(constraints.labels),
        capabilities=constraints.capabilities,
    )
    if constraints.max_latency is not None:
        message.max_latency.CopyFrom(duration_of(timedelta(seconds=constraints.max_latency)))
    return message


def _prompt(request: ChatRequest, characters: int) -> router.Prompt:
    said = [message.content for message in request.messages if message.role == ROLE_USER]
    return router.Prompt(
        text=said[-1][:_MAX_TEXT] if said else "",
        characters=characters,
        turns=sum(message.role != ROLE_SYSTEM for message in request.messages),
        grounded=request.HasField("rag") or bool(request.recorded_passages),
    )


def _affinity_key(request: ChatRequest) -> str:
    """Names the static beginning of the prompt; empty where there is none."""
    first = request.messages[0]
    if first.role != ROLE_SYSTEM or not first.content:
        return ""
    return hashlib.blake2b(first.content.encode(), digest_size=16).hexdigest()

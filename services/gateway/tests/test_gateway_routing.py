"""What the gateway asks of the router, and how it shows what the router knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1.run_pb2 import REQUEST_PRIORITY_BATCH, ChatRequest, Citation, RagOptions, Selection
from olo.inference.v1.inference_service_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, ChatMessage
from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1 import router_service_pb2 as router
from olo_common.errors import InvalidField
from olo_common.health import Health
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRouting,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.replays import Replays
from olo_gateway.convert.routing import keep, select_request
from olo_gateway.convert.runs import order_of, request_of
from olo_gateway.errors import RunUnanswered
from olo_gateway.http.app import http_app
from olo_gateway.http.streaming import StreamPace
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.order import ChatOrder, Constraints, Role, Turn
from olo_gateway.runs.validation import RunLimits, accepted

LIMITS = RunLimits(10.0, 60.0)
ORDER = ChatOrder(turns=(Turn(Role.USER, "Where?"),))
LEFT = timedelta(seconds=7)


def asked(**fields: object) -> router.SelectModelsRequest:
    messages = [
        ChatMessage(role=ROLE_SYSTEM, content="Be brief."),
        ChatMessage(role=ROLE_USER, content="a" * 400),
        ChatMessage(role=ROLE_ASSISTANT, content="b"),
        ChatMessage(role=ROLE_USER, content="Why?"),
    ]
    return select_request(ChatRequest(messages=messages, **fields), "run-1", LEFT, 3)  # type: ignore[arg-type]


def test_the_router_is_told_what_it_needs_to_know() -> None:
    request = asked(model="m", profile="auto", conversation_id="c", tenant="t", rag=RagOptions(top_k=4))
    assert (request.model, request.profile, request.conversation_id, request.tenant) == ("m", "auto", "c", "t")
    assert (request.request_id, request.max_candidates, request.deadline.seconds) == ("run-1", 3, 7)
    assert (request.prompt.text, request.prompt.turns, request.prompt.grounded) == ("Why?", 3, True)
    assert request.prompt_tokens == (414 + 4 * 800) // 4
    assert request.completion_tokens == 128


def test_a_prompt_goes_along_only_where_it_may_decide() -> None:
    assert not asked(profile="speed").HasField("prompt")
    assert asked().HasField("prompt")


def test_prompts_that_begin_alike_have_one_key_and_those_without_a_beginning_none() -> None:
    assert asked().affinity_key == asked(model="other").affinity_key != ""
    plain = ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="Be brief.")])
    assert select_request(plain, "r", LEFT, 3).affinity_key == ""


def test_the_run_keeps_what_the_last_decision_was_made_on() -> None:
    selection = Selection()
    answer = router.SelectModelsResponse(snapshot_version=3, profile="quality", alias="chat", rejection_count=200)
    answer.complexity.score = 0.7
    keep(selection, answer)
    keep(selection, router.SelectModelsResponse(snapshot_version=4, profile="default"))
    assert (selection.snapshot_version, selection.profile, selection.alias) == (4, "default", "")
    assert not selection.HasField("complexity")


@given(
    st.builds(
        Constraints,
        min_quality=st.none() | st.floats(0, 1),
        max_latency=st.none() | st.integers(1, 300_000).map(lambda n: n / 4),
        max_cost_per_1k_tokens=st.none() | st.floats(0, 10),
        min_context=st.integers(0, 10**6),
        hardware=st.sampled_from(["", "cpu", "gpu"]),
        labels=st.dictionaries(st.text("ab", max_size=3), st.text(max_size=4), max_size=3).map(
            lambda labels: tuple(sorted(labels.items()))
        ),
        capabilities=st.lists(st.text("xy", max_size=3), max_size=3).map(tuple),
    )
)
def test_constraints_pass_the_wire_unchanged(constraints: Constraints) -> None:
    order = replace(ORDER, profile="speed", conversation_id="c", constraints=constraints)
    again = order_of(request_of(order, stream=False, tenant="t", max_attempts=6))
    assert again.constraints == constraints
    assert (again.profile, again.conversation_id) == ("speed", "c")


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("profile", replace(ORDER, profile="Fast!")),
        ("conversation_id", replace(ORDER, conversation_id="a b")),
        ("constraints.min_quality", replace(ORDER, constraints=Constraints(min_quality=float("nan")))),
        ("constraints.max_latency", replace(ORDER, constraints=Constraints(max_latency=0.0))),
        ("constraints.max_cost_per_1k_tokens", replace(ORDER, constraints=Constraints(max_cost_per_1k_tokens=-1))),
        ("constraints.min_context", replace(ORDER, constraints=Constraints(min_context=2**31))),
        ("constraints.hardware", replace(ORDER, constraints=Constraints(hardware="tpu"))),
        ("constraints.labels", replace(ORDER, constraints=Constraints(labels=(("a", "x" * 200),)))),
        ("constraints.capabilities", replace(ORDER, constraints=Constraints(capabilities=("a",) * 17))),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_run_begins(field: str, order: ChatOrder) -> None:
    with pytest.raises(InvalidField) as caught:
        accepted(order, LIMITS)
    assert caught.value.field == field


async def test_a_replay_searches_for_nothing_and_belongs_to_no_conversation() -> None:
    async def answering(run_id: str, request: ChatRequest) -> object:
        from olo.gateway.v1.run_pb2 import ChatResponse

        citation = Citation(index=1, document_id="d", text="It flows north.", cited=True)
        return ChatResponse(run_id=run_id, model="m", citations=[citation])

    runs = InMemoryRuns(answering)  # type: ignore[arg-type]
    chats = Chats(runs, InMemoryTokenStreams(), Admission(Bounds(4, 4, 4.0)), LIMITS)
    order = order_of(
        ChatRequest(
            messages=[ChatMessage(role=ROLE_USER, content="Where?")],
            model="m",
            conversation_id="c",
            request_id="q",
            store=True,
            priority="REQUEST_PRIORITY_BATCH",
            wait_for_model={"seconds": 5},
            rag=RagOptions(collection="demo"),
        )
    )
    first = await chats.answer(order)
    replayed = await Replays(runs, chats).replay(first.run_id, model="", profile="quality", time_left=5.0)
    _, request = runs.started[-1]
    assert (request.model, request.profile, request.conversation_id, request.request_id) == ("", "quality", "", "")
    assert request.rag.recorded
    assert (request.priority, request.wait_for_model.seconds, request.store) == (REQUEST_PRIORITY_BATCH, 5, False)
    assert [(each.index, each.text, each.cited) for each in request.recorded_passages] == [
        (1, "It flows north.", False)
    ]
    assert replayed.original.run_id == first.run_id != replayed.replay.run_id


async def test_a_run_without_an_answer_cannot_be_replayed() -> None:
    async def answering(run_id: str, request: ChatRequest) -> object:
        raise AssertionError

    runs = InMemoryRuns(answering)  # type: ignore[arg-type]
    chats = Chats(runs, InMemoryTokenStreams(), Admission(Bounds(4, 4, 4.0)), LIMITS)
    await runs.start("run-x", ChatRequest(), "f")
    with pytest.raises(RunUnanswered):
        await Replays(runs, chats).replay("run-x", model="", profile="", time_left=None)


async def test_status_over_http_stands_without_the_registry_and_shows_the_age_of_benchmarks() -> None:
    async def answering(run_id: str, request: ChatRequest) -> object:
        raise AssertionError

    status = router.GetStatusResponse(detail="the registry has been away for too long", default_profile="default")
    status.breakers.add(model_id="m", state=router.BREAKER_STATE_HALF_OPEN, failures=3, last_failure="engine_lost")
    sources = [BenchmarkSource(source="lmarena", problem="it has another shape")]
    runs = InMemoryRuns(answering)  # type: ignore[arg-type]
    chats = Chats(runs, InMemoryTokenStreams(), Admission(Bounds(4, 4, 4.0)), LIMITS)
    for syncs, shown in ((None, None), (sources, [None])):
        routing = InMemoryRouting(status=status, syncs=syncs)
        app = http_app(
            chats,
            InMemoryCatalogue([]),
            routing,
            Health(),
            StreamPace(30.0, 5.0),
            runs=runs,
            embedding=InMemoryEmbedding(),
            tokenizing=InMemoryTokenizing(),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
            answer = (await client.get("/v1/status")).json()
            bad = await client.get("/v1/rankings", params={"limit": 0})
        assert (answer["serving"], answer["breakers"][0]["state"]) == (False, "half_open")
        assert answer["breakers"][0]["instance_id"] is None
        assert (answer["syncs"] and [each["age"] for each in answer["syncs"]]) == shown
        assert bad.status_code == 400

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1.run_pb2 import RAG_MODE_OPTIONAL, ChatRequest, RagOptions
from olo.inference.v1.inference_service_pb2 import ROLE_USER, ChatMessage, SamplingOptions
from olo_gateway.convert.prompts import Fit, Prompt
from olo_gateway.prompting.budget import USUAL_ANSWER, Budget, estimate_tokens

COSTS = st.lists(st.integers(0, 500), max_size=50)
BUDGETS = st.builds(Budget, st.integers(1, 8000), st.integers(0, 4000), st.floats(0.5, 4))


@given(BUDGETS, st.integers(0, 2000), COSTS)
def test_as_many_of_the_best_ranked_as_fit_and_not_one_more(budget: Budget, others: int, costs: list[int]) -> None:
    used = budget.passages(others, costs)
    room = budget.limit - min(budget.answer or USUAL_ANSWER, budget.limit // 2)
    assert 0 <= used <= len(costs)
    if used:
        assert (others + sum(costs[:used])) * budget.scale <= room
    if used < len(costs):
        assert (others + sum(costs[: used + 1])) * budget.scale > room


@given(BUDGETS, st.integers(0, 2000), COSTS, st.integers(0, 4000))
def test_a_larger_context_never_takes_fewer(budget: Budget, others: int, costs: list[int], more: int) -> None:
    larger = Budget(budget.limit + more, budget.answer, budget.scale)
    assert larger.passages(others, costs) >= budget.passages(others, costs)


@given(COSTS)
def test_where_nobody_knows_the_limit_all_go_in(costs: list[int]) -> None:
    assert Budget(0).passages(10, costs) == len(costs)


@given(BUDGETS, st.integers(0, 2000), COSTS, st.integers(0, 20000))
def test_what_a_model_has_counted_is_believed(budget: Budget, others: int, costs: list[int], counted: int) -> None:
    estimated = others + sum(costs)
    after = budget.counted(estimated, counted, 0)
    assert after.scale >= budget.scale
    used = after.passages(others, costs)
    if counted > budget.limit and estimated:
        # The prompt that was too long is not sent again.
        assert used < len(costs) or not costs


@given(st.text(), st.text())
def test_an_estimate_is_never_less_for_more(text: str, more: str) -> None:
    assert 0 <= estimate_tokens(text) <= estimate_tokens(text + " " + more)
    assert estimate_tokens(text) <= len(text.encode(errors="replace"))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("1908", 4), ("a b\n", 3), ("\u00e9", 2), ("?!", 2)],
)
def test_estimates(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


def prompt(passages: int = 4, **options: object) -> Prompt:
    request = ChatRequest(
        messages=[ChatMessage(role=ROLE_USER, content="Where?")],
        rag=RagOptions(collection="c", **options),  # type: ignore[arg-type]
        sampling=SamplingOptions(max_tokens=100),
    )
    return Prompt(request, ["word " * 100] * passages)


def test_the_lowest_ranked_are_left_out_until_the_rest_fits() -> None:
    asked = prompt()
    assert [asked.fitting(str(limit), limit).used for limit in (0, 2000, 400, 300, 60)] == [4, 4, 2, 1, 1]
    assert asked.messages(Fit(1))[1].content.count("\n") == 1
    # One of four passages is about 105 tokens; the conversation without them is about 50.
    assert prompt(mode=RAG_MODE_OPTIONAL).fitting("small", 60) == Fit(0)


def test_a_refusal_with_a_count_corrects_the_estimate_for_that_model() -> None:
    asked = prompt()
    assert asked.fitting("m", 2000) == Fit(4)
    # It counts four times what was estimated.
    assert asked.refused("m", Fit(4), {"prompt_tokens": "2000", "context_limit": "2000"}) == Fit(3)
    assert asked.fitting("m", 2000) == Fit(3)
    assert asked.fitting("other", 2000) == Fit(4)


def test_a_refusal_without_a_count_halves_and_one_passage_stays_where_they_are_required() -> None:
    asked = prompt()
    asked.fitting("m", 0)
    assert asked.refused("m", Fit(4), {}) == Fit(2)
    assert asked.refused("m", Fit(2), {"prompt_tokens": "many"}) == Fit(1)
    assert asked.refused("m", Fit(1), {}) == Fit(1)
    optional = prompt(mode=RAG_MODE_OPTIONAL)
    optional.fitting("m", 0)
    assert optional.refused("m", Fit(1), {}) == Fit(0)
    assert [message.content for message in optional.messages(Fit(0))] == ["Where?"]
    # A conversation without passages cannot be made shorter here.
    assert optional.refused("m", Fit(0), {}) == Fit(0)


def test_the_text_around_takes_what_room_passages_leave() -> None:
    asked = wide_prompt()
    limits = (0, 2000, 1400, 1100, 500, 300)
    assert [asked.fitting(str(limit), limit) for limit in limits] == [
        Fit(4, 4),
        Fit(4, 4),
        Fit(4, 3),
        Fit(4, 1),
        Fit(3),
        Fit(1),
    ]
    # The third has its parent in common with the first, and shows its own words.
    assert [len(text) for text in asked.shown(Fit(4, 4))] == [1511, 1511, 0, 1511]
    assert [bool(text) for text in asked.shown(Fit(4, 1))] == [True, False, False, False]
    lines = asked.messages(Fit(4, 1))[1].content.splitlines()
    assert ["before" in line for line in lines] == [True, False, False, False, False]
    assert lines[1] == "[2] " + ("word " * 100).strip()


def test_the_text_around_goes_before_a_passage_does() -> None:
    asked = wide_prompt()
    fit = asked.fitting("m", 0)
    assert asked.refused("m", fit, {}) == Fit(4)
    assert asked.refused("m", Fit(4), {}) == Fit(2)
    counted = asked.refused("n", asked.fitting("n", 2000), {"prompt_tokens": "2400", "context_limit": "2000"})
    assert counted.used == 4
    assert counted.wide < 4


def wide_prompt() -> Prompt:
    request = ChatRequest(
        messages=[ChatMessage(role=ROLE_USER, content="Where?")],
        rag=RagOptions(collection="c"),
        sampling=SamplingOptions(max_tokens=100),
    )
    parents = [f"{number} before {'word ' * 100}{'after ' * 167}"[:1516] for number in (1, 2, 1, 3)]
    return Prompt(request, ["word " * 100] * 4, parents)


@given(st.integers(1, 50), st.lists(st.text(max_size=12), min_size=1, max_size=4), st.booleans())
def test_refusals_always_come_to_an_end(passages: int, counts: list[str], around: bool) -> None:
    request = ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="Where?")], rag=RagOptions(collection="c"))
    texts = ["word " * 100] * passages
    asked = Prompt(request, texts, [f"{number} {text}" for number, text in enumerate(texts)] if around else ())
    fit = asked.fitting("m", 0)
    for count in counts:
        less = asked.refused("m", fit, {"prompt_tokens": count, "context_limit": count})
        assert (less.used, less.wide) < (fit.used, fit.wide) or less == Fit(1)
        assert less.wide <= less.used <= fit.used
        fit = less

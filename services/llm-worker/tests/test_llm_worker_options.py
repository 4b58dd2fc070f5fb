from __future__ import annotations

import math
from dataclasses import replace

import pytest

from olo_common.errors import InvalidField
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.errors import MessagesMissing, UnsupportedParameter
from olo_llm_worker.generation.options import refuse_long, resolve, validate
from olo_llm_worker.generation.types import Job, Message, Sampling

INFO = FakeEngine().info
JOB = Job("r", (Message("user", "hi"),))


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        (Sampling(temperature=math.nan), "sampling.temperature"),
        (Sampling(temperature=2.1), "sampling.temperature"),
        (Sampling(temperature=-0.1), "sampling.temperature"),
        (Sampling(top_p=0.0), "sampling.top_p"),
        (Sampling(top_p=1.01), "sampling.top_p"),
        (Sampling(top_k=0), "sampling.top_k"),
        (Sampling(max_tokens=0), "sampling.max_tokens"),
        (Sampling(repetition_penalty=0.0), "sampling.repetition_penalty"),
        (Sampling(repetition_penalty=math.inf), "sampling.repetition_penalty"),
        (Sampling(presence_penalty=math.nan), "sampling.presence_penalty"),
        (Sampling(frequency_penalty=2.5), "sampling.frequency_penalty"),
        (Sampling(min_tokens=9, max_tokens=8), "sampling.min_tokens"),
        (Sampling(stop=("x",) * 10_000), "sampling.stop"),
        (Sampling(stop=("ok", "")), "sampling.stop[1]"),
        (Sampling(stop=("x" * 257,)), "sampling.stop[0]"),
        (Sampling(logprobs=True, top_logprobs=21), "sampling.top_logprobs"),
        (Sampling(top_logprobs=1), "sampling.top_logprobs"),
        (Sampling(logit_bias=((1, -100.5),)), "sampling.logit_bias"),
        (Sampling(logit_bias=((1, math.nan),)), "sampling.logit_bias"),
        (Sampling(logit_bias=((257, -100.0),)), "sampling.logit_bias"),
        (Sampling(logit_bias=tuple((1, -100.0) for _ in range(301))), "sampling.logit_bias"),
    ],
)
def test_a_wrong_option_is_refused_by_name(sampling: Sampling, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        validate(replace(JOB, sampling=sampling), INFO, 16)
    assert refused.value.field == field


def test_options_at_their_borders_are_accepted() -> None:
    borders = Sampling(
        max_tokens=1, temperature=2.0, top_p=1.0, top_k=1, repetition_penalty=0.1, stop=("x" * 256,) * 16
    )
    validate(replace(JOB, sampling=borders), INFO, 16)


def test_messages_and_roles_are_checked() -> None:
    with pytest.raises(MessagesMissing):
        validate(Job("r", ()), INFO, 16)
    with pytest.raises(InvalidField, match=r"messages\[1\].role"):
        validate(Job("r", (Message("user", "a"), Message("", "b"))), INFO, 16)


@pytest.mark.parametrize("token", [256, 257])
def test_a_prefix_of_control_or_unknown_tokens_is_refused(token: int) -> None:
    with pytest.raises(InvalidField) as refused:
        validate(replace(JOB, prefix_token_ids=(65, token)), INFO, 16)
    assert refused.value.field == "prefix_token_ids"


def test_caller_then_model_then_worker_decide() -> None:
    def longest(sampling: Sampling, defaults: Sampling, room: int = 1000) -> int:
        return resolve(sampling, defaults, room=room, max_tokens_default=256)[1]

    defaults = Sampling(temperature=0.7, max_tokens=50)
    assert longest(Sampling(), defaults) == 50
    assert longest(Sampling(max_tokens=400), defaults) == 400
    assert longest(Sampling(), Sampling()) == 256
    assert longest(Sampling(max_tokens=400), defaults, room=10) == 10
    assert resolve(Sampling(), defaults, room=9, max_tokens_default=9)[0].temperature == 0.7
    assert resolve(Sampling(temperature=0.0), defaults, room=9, max_tokens_default=9)[0].temperature == 0.0


def test_options_that_change_nothing_are_equal() -> None:
    greedy = [Sampling(temperature=0.0, top_k=5), Sampling(temperature=1e-9, top_p=0.3), Sampling(seed=3)]
    assert len({resolve(sampling, Sampling(), room=9, max_tokens_default=9)[0] for sampling in greedy}) == 1


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        (Sampling(presence_penalty=0.5), "sampling.presence_penalty"),
        (Sampling(frequency_penalty=-1.0), "sampling.frequency_penalty"),
        (Sampling(seed=1, temperature=1.0), "sampling.seed"),
        (Sampling(logit_bias=((1, 5.0),)), "sampling.logit_bias"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(sampling: Sampling, field: str) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        validate(replace(JOB, sampling=sampling), INFO, 16)
    assert (refused.value.field, refused.value.reason) == (field, "unsupported_parameter")


@pytest.mark.parametrize("n", [0, 5, 10**6])
def test_more_answers_than_can_run_are_refused(n: int) -> None:
    with pytest.raises(InvalidField) as refused:
        validate(replace(JOB, n=n), INFO, 4)
    assert refused.value.field == "n"


def test_an_engine_that_tells_of_the_chosen_token_alone_says_so() -> None:
    plain = replace(INFO, capabilities=("logprobs",))
    with pytest.raises(UnsupportedParameter) as refused:
        validate(replace(JOB, sampling=Sampling(logprobs=True, top_logprobs=2)), plain, 16)
    assert refused.value.field == "sampling.top_logprobs"


def test_a_ban_is_all_that_is_left_of_a_bias() -> None:
    sampling = Sampling(logit_bias=((3, 0.0), (9, -100.0), (5, -100.0)))
    validate(replace(JOB, sampling=sampling), INFO, 16)
    assert resolve(sampling, Sampling(), room=9, max_tokens_default=9)[0].banned == (5, 9)


def test_where_it_matters_at_which_token_an_answer_begins_one_told_of_is_short() -> None:
    large = replace(INFO, vocabulary_size=150_000)
    penalty = Sampling(logprobs=True, top_logprobs=1, repetition_penalty=1.1)
    for sampling, longest, refused in (
        (penalty, 200, True),
        (penalty, 100, False),
        (replace(penalty, repetition_penalty=1.0), 200, False),
        (replace(penalty, top_logprobs=0), 200, False),
    ):
        decoding, tokens = resolve(sampling, Sampling(), room=longest, max_tokens_default=longest)
        if refused:
            with pytest.raises(InvalidField, match="at most 111 tokens"):
                refuse_long(decoding, tokens, large)
        else:
            refuse_long(decoding, tokens, large)

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from olo_common.errors import InvalidField
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.errors import MessagesMissing
from olo_llm_worker.generation.options import resolve, validate
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
        (Sampling(stop=("x",) * 17), "sampling.stop"),
        (Sampling(stop=("ok", "")), "sampling.stop[1]"),
        (Sampling(stop=("x" * 257,)), "sampling.stop[0]"),
    ],
)
def test_a_wrong_option_is_refused_by_name(sampling: Sampling, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        validate(replace(JOB, sampling=sampling), INFO)
    assert refused.value.field == field


def test_options_at_their_borders_are_accepted() -> None:
    borders = Sampling(
        max_tokens=1, temperature=2.0, top_p=1.0, top_k=1, repetition_penalty=0.1, stop=("x" * 256,) * 16
    )
    validate(replace(JOB, sampling=borders), INFO)


def test_messages_and_roles_are_checked() -> None:
    with pytest.raises(MessagesMissing):
        validate(Job("r", ()), INFO)
    with pytest.raises(InvalidField, match=r"messages\[1\].role"):
        validate(Job("r", (Message("user", "a"), Message("", "b"))), INFO)


@pytest.mark.parametrize("token", [256, 257])
def test_a_prefix_of_control_or_unknown_tokens_is_refused(token: int) -> None:
    with pytest.raises(InvalidField) as refused:
        validate(replace(JOB, prefix_token_ids=(65, token)), INFO)
    assert refused.value.field == "prefix_token_ids"


def test_caller_then_model_then_worker_decide() -> None:
    defaults = Sampling(temperature=0.7, max_tokens=50)
    assert resolve(Sampling(), defaults, room=1000, max_tokens_default=256).max_tokens == 50
    assert resolve(Sampling(max_tokens=400), defaults, room=1000, max_tokens_default=256).max_tokens == 400
    assert resolve(Sampling(), Sampling(), room=1000, max_tokens_default=256).max_tokens == 256
    assert resolve(Sampling(max_tokens=400), defaults, room=10, max_tokens_default=256).max_tokens == 10
    assert resolve(Sampling(), defaults, room=9, max_tokens_default=9).temperature == 0.7
    assert resolve(Sampling(temperature=0.0), defaults, room=9, max_tokens_default=9).temperature == 0.0

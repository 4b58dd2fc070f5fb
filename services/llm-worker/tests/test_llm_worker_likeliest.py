"""The likeliest tokens at each place of an answer, and bans: by arithmetic, and by the engine on random weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_llm_worker.adapters import native
from olo_llm_worker.adapters.child_engine import ChildEngine
from olo_llm_worker.adapters.likeliest import likeliest, log_probabilities
from olo_llm_worker.adapters.native import NativeGenerator
from olo_llm_worker.generation.engine import AGAIN, Batch, Top
from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Choice, Decoding, Finish, Job, Message, Sampling, TokenLogprob
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.manifest import TOKENIZER, VOCABULARY

Schedule = Callable[..., Scheduler]
JOB = Job("r", (Message("user", "When does the tram run?"),), Sampling(max_tokens=12, logprobs=True))
LOWEST = float(np.finfo(np.float32).min)
EIGHTHS = st.integers(-400, 400).map(lambda eighths: eighths / 8)


def asked(top: int, **others: object) -> Job:
    return replace(JOB, sampling=replace(JOB.sampling, top_logprobs=top, **others))  # type: ignore[arg-type]


async def answer(scheduler: Scheduler, job: Job) -> Choice:
    async with scheduler.generation(job) as generation:
        return (await generation.result()).choices[0]


@given(st.lists(EIGHTHS | st.just(LOWEST), min_size=2, max_size=40), st.integers(1, 20))
def test_the_likeliest_are_those_of_sorting_everything(scores: list[float], count: int) -> None:
    allowed = {token: score for token, score in enumerate(scores) if score > LOWEST}
    if not allowed:
        return
    logprobs = log_probabilities(np.array(scores, np.float32))
    total = math.fsum(math.exp(score - max(allowed.values())) for score in allowed.values())
    expected = sorted(allowed, key=lambda token: (-allowed[token], token))[:count]
    found = likeliest(logprobs, count)
    assert [token for token, _ in found] == expected
    for token, logprob in found:
        assert logprob == pytest.approx(allowed[token] - max(allowed.values()) - math.log(total), abs=1e-9)


@given(
    st.integers(0, 4),
    st.lists(st.text("abcd", min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from([(), ("c",), ("ab", "dd")]),
    st.booleans(),
)
async def test_each_token_keeps_its_own_probabilities_however_the_tokens_come(
    resumed: int, frames: list[str], stops: tuple[str, ...], read_between: bool
) -> None:
    row = Row(
        [1],
        (),
        Decoding(logprobs=True, top_logprobs=1),
        max_tokens=20,
        stops=stops,
        detokenize=lambda ids: bytes(ids).decode(),
        spell=lambda token: f"<{token}>",
        changed=lambda: None,
    )
    row.resume([ord("x")] * resumed)
    whole, seen = "".join(frames), list[TokenLogprob]()
    place = 0
    for frame in frames:
        tops: list[Top] = [((place + step, -2.0),) for step in range(len(frame))]
        row.accept(list(frame.encode()), [-float(place + step) for step in range(len(frame))], 0.0, tops)
        place += len(frame)
        if read_between:
            seen += row.unread()[1]
    row.end(Finish.STOP)
    seen += row.unread()[1]
    taken = len(row.token_ids) - resumed
    expected = [TokenLogprob(whole[n], -float(n), (TokenLogprob(f"<{n}>", -2.0),)) for n in range(taken)]
    assert seen == expected
    assert list(row.choice().logprobs) == expected


async def test_the_answer_is_the_same_and_what_was_chosen_is_the_likeliest(
    random_engine: ChildEngine, schedule: Schedule
) -> None:
    assert "top_logprobs" in random_engine.info.capabilities
    scheduler = schedule(random_engine)
    plain, told = await answer(scheduler, asked(0)), await answer(scheduler, asked(5))
    assert (told.text, told.finish) == (plain.text, plain.finish)
    assert len(told.logprobs) == len(plain.logprobs) > 0
    for one, other in zip(told.logprobs, plain.logprobs, strict=True):
        assert one.text == other.text
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
        assert other.top == ()
        assert len(one.top) == 5
        assert one.top[0].logprob == one.logprob
        assert [each.logprob for each in one.top] == sorted((each.logprob for each in one.top), reverse=True)
        assert sum(math.exp(each.logprob) for each in one.top) <= 1 + 1e-6


async def test_sampled_answers_tell_the_probabilities_before_temperature(
    random_engine: ChildEngine, schedule: Schedule
) -> None:
    told = await answer(schedule(random_engine), asked(3, temperature=2.0))
    greedy = await answer(schedule(random_engine), asked(3))
    for one, other in zip(told.logprobs[0].top, greedy.logprobs[0].top, strict=True):
        assert (one.text, one.logprob) == (other.text, pytest.approx(other.logprob, abs=1e-4))
    assert all(each.logprob <= each.top[0].logprob for each in told.logprobs)


async def test_further_answers_have_their_own(random_engine: ChildEngine, schedule: Schedule) -> None:
    scheduler = schedule(random_engine, max_concurrency=3, replicas=2)
    async with scheduler.generation(replace(asked(2), n=3)) as generation:
        result = await generation.result()
    assert [len(choice.logprobs[0].top) for choice in result.choices] == [2, 2, 2]
    assert len({tuple(token.text for token in choice.logprobs) for choice in result.choices}) == 1


async def test_a_banned_token_is_neither_chosen_nor_likely(random_engine: ChildEngine, schedule: Schedule) -> None:
    scheduler = schedule(random_engine)
    async with scheduler.generation(asked(0)) as generation:
        await generation.result()
        first = generation.token_ids[0]
    async with scheduler.generation(asked(20, logit_bias=((first, -100.0),))) as generation:
        told = (await generation.result()).choices[0]
        assert first not in generation.token_ids
    name = random_engine.spell(first)
    assert name not in [each.text for each in told.logprobs[0].top]
    assert sum(math.exp(each.logprob) for each in told.logprobs[0].top) <= 1 + 1e-6


async def test_an_answer_goes_on_behind_its_prefix(random_engine: ChildEngine, schedule: Schedule) -> None:
    scheduler = schedule(random_engine)
    async with scheduler.generation(asked(2)) as generation:
        whole = (await generation.result()).choices[0]
        begun = tuple(generation.token_ids[:5])
    rest = await answer(scheduler, replace(asked(2), prefix_token_ids=begun))
    assert rest.text == whole.text
    assert [each.text for each in rest.logprobs] == [each.text for each in whole.logprobs[5:]]


class Heard:
    def __init__(self) -> None:
        self.ids: list[int] = []
        self.tops: list[Top] = []

    def began(self, *, cached: bool) -> None: ...

    def token(self, row: int, token_id: int, logprob: float, top: Top = ()) -> bool:
        self.ids.append(token_id)
        self.tops.append(top)
        return False


def test_the_engine_lets_go_of_a_long_answer_which_goes_on_as_if_it_had_not(
    random_directory: ModelDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = NativeGenerator(random_directory.path, VOCABULARY, TOKENIZER, random_directory.manifest.stop_token_ids)
    decoding, prompt = Decoding(logprobs=True, top_logprobs=2), (5, 6, 7)
    whole, first, second = Heard(), Heard(), Heard()
    generator.generate(Batch((prompt,), decoding, (8,)), whole)
    assert AGAIN not in whole.ids, "it is short enough"
    assert len(whole.ids) >= 6, "these weights do not end early"
    monkeypatch.setattr(native, "steps_at_once", lambda _: 4)
    generator.generate(Batch((prompt,), decoding, (8,)), first)
    assert first.ids == [*whole.ids[:4], AGAIN]
    generator.generate(Batch(((*prompt, *first.ids[:4]),), decoding, (4,)), second)
    assert second.ids == whole.ids[4:]
    for one, other in zip([*first.tops[:4], *second.tops], whole.tops, strict=True):
        assert [token for token, _ in one] == [token for token, _ in other]
        assert [logprob for _, logprob in one] == pytest.approx([logprob for _, logprob in other], abs=1e-4)
    positional = Heard()
    generator.generate(Batch((prompt,), replace(decoding, min_tokens=6), (6,)), positional)
    assert AGAIN not in positional.ids, "its least length counts from where it began"
    generator.close()

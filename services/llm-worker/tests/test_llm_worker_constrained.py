"""Answers that are held to a schema token by token, with models that would never keep to it by themselves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from olo_common.errors import InvalidField
from olo_llm_worker.adapters.child_engine import ChildEngine, Placement, start_engine
from olo_llm_worker.adapters.grammar import Grammar
from olo_llm_worker.adapters.native import NativeGenerator
from olo_llm_worker.errors import EngineLost, ModelUnavailable, OutputInvalid
from olo_llm_worker.generation.answers import answering
from olo_llm_worker.generation.engine import AGAIN, END, Batch, Token, Top
from olo_llm_worker.generation.formats.request import form_of
from olo_llm_worker.generation.options import MAX_CONSTRAINED_TOKENS, resolve
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Decoding, Job, Message, ResponseFormat, Result, Sampling, Tool
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.manifest import TOKENIZER, VOCABULARY

Schedule = Callable[..., Scheduler]
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 12}, "sure": {"type": "boolean"}},
    "required": ["answer", "sure"],
    "additionalProperties": False,
}
FORM = ResponseFormat(json=True, schema=json.dumps(SCHEMA), constrained=True)
JOB = Job("r", (Message("user", "When does the tram run?"),), response_format=FORM)

LEAVES = st.sampled_from(
    [
        {"type": "boolean"},
        {"type": "null"},
        {"type": "integer", "minimum": -5, "maximum": 99},
        {"type": "string", "maxLength": 6},
        {"enum": ["on", "off", 3, None, "grün \u2603"]},
        {"const": {"a": [1, 2]}},
        {"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 3}]},
    ]
)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.lists(st.sampled_from(["a", "b", "name", 'q"\\', "é"]), unique=True, max_size=3)
    return names.flatmap(
        lambda keys: st.fixed_dictionaries(dict.fromkeys(keys, values)).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[1:],
                "additionalProperties": False,
            }
        )
    )


def arrays(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values.map(lambda items: {"type": "array", "items": items, "maxItems": 3})


SCHEMAS = st.recursive(LEAVES, lambda inner: objects(inner) | arrays(inner), max_leaves=5)


@pytest.fixture
def grammar(random_directory: ModelDirectory) -> Grammar:
    return native(random_directory).grammar


def native(directory: ModelDirectory) -> NativeGenerator:
    """The same engine, in this process."""
    return NativeGenerator(directory.path, VOCABULARY, TOKENIZER, directory.manifest.stop_token_ids)


class Heard:
    """Keeps tokens."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def began(self, *, cached: bool) -> None: ...

    def tokens(self, tokens: Sequence[Token], tops: Sequence[Top] = ()) -> set[int]:
        self.ids += [token_id for _, token_id, _ in tokens]
        return set()


async def run(scheduler: Scheduler, job: Job) -> Result:
    async with answering(scheduler, job) as answer:
        return await answer.result()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    schema=SCHEMAS,
    temperature=st.sampled_from([0.0, 0.9]),
    quantum=st.sampled_from([0, 3]),
    n=st.sampled_from([1, 3]),
)
async def test_whatever_a_model_says_becomes_what_the_schema_allows(
    random_engine: ChildEngine, schema: dict[str, Any], temperature: float, quantum: int, n: int
) -> None:
    scheduler = Scheduler(random_engine, Policy(4, 16, replicas=2, slice_tokens=quantum))
    form = ResponseFormat(json=True, schema=json.dumps(schema), constrained=True)
    sampling = Sampling(temperature=temperature, max_tokens=400)
    try:
        result = await run(scheduler, replace(JOB, response_format=form, sampling=sampling, n=n))
    finally:
        await scheduler.close()
    assert len(result.choices) == n
    for choice in result.choices:
        Draft202012Validator(schema).validate(json.loads(choice.text))


def masked_step_by_step(engine: ChildEngine, directory: ModelDirectory, job: Job) -> list[int]:
    """What masking means: at each step the likeliest of all tokens that the schema allows, read from the beginning."""
    form = form_of(job, engine.info)
    assert form is not None
    prompt, answer, peer = engine.tokenize(form.job.messages), list[int](), native(directory)
    while True:
        guide = peer.grammar.guide(job.response_format.schema, answer)
        if guide.ended:
            return answer
        scores = np.array(peer._generator.forward_batch([[*prompt, *answer]]))[0, -1]
        forced = guide.forced()
        if forced:
            answer += forced
            continue
        chosen = guide.choose(scores)
        if chosen == END:
            return answer
        answer.append(chosen)


@pytest.mark.parametrize("question", ["When does the tram run?", "Who?", "x"])
async def test_greedy_answers_are_those_of_masking_every_step(
    random_engine: ChildEngine, random_directory: ModelDirectory, schedule: Schedule, question: str
) -> None:
    job = replace(JOB, messages=(Message("user", question),), sampling=Sampling(temperature=0.0))
    expected = masked_step_by_step(random_engine, random_directory, job)
    async with answering(schedule(random_engine), job) as answer:
        await answer.result()
        assert answer.token_ids == expected


async def test_an_answer_goes_on_behind_its_prefix(random_engine: ChildEngine, schedule: Schedule) -> None:
    scheduler = schedule(random_engine)
    async with answering(scheduler, JOB) as answer:
        whole = (await answer.result()).text
        token_ids = tuple(answer.token_ids)
    for length in (1, len(token_ids) // 2, len(token_ids)):
        assert (await run(scheduler, replace(JOB, prefix_token_ids=token_ids[:length]))).text == whole
    with pytest.raises(InvalidField) as refused:
        await run(scheduler, replace(JOB, prefix_token_ids=token_ids[1:]))
    assert refused.value.field == "prefix_token_ids"


async def test_the_demonstration_model_is_held_to_the_form_too(demo_engine: ChildEngine, schedule: Schedule) -> None:
    assert "constrained" in demo_engine.info.capabilities
    result = await run(schedule(demo_engine), JOB)
    Draft202012Validator(SCHEMA).validate(json.loads(result.text))


async def test_an_answer_that_is_cut_off_is_one_clear_error(random_engine: ChildEngine, schedule: Schedule) -> None:
    with pytest.raises(OutputInvalid, match="limit of its length"):
        await run(schedule(random_engine), replace(JOB, sampling=Sampling(max_tokens=5)))


async def test_the_place_of_a_caller_who_goes_away_is_free_again(
    random_engine: ChildEngine, schedule: Schedule
) -> None:
    scheduler = schedule(random_engine, max_queue=0)
    long = replace(JOB, response_format=replace(FORM, schema='{"type": "array", "items": {"type": "integer"}}'))
    async with answering(scheduler, long) as answer:
        while not answer.progress:
            await asyncio.sleep(0)
    await scheduler.close()
    assert scheduler.running == 0


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"type": "string"}},
        {"type": "array", "uniqueItems": True},
        {"type": "string", "format": "unheard-of"},
        {"type": "integer", "minimum": 3, "maximum": 1},
    ],
)
async def test_a_schema_that_cannot_be_masked_is_refused(
    random_engine: ChildEngine, schedule: Schedule, schema: dict[str, Any]
) -> None:
    form = replace(FORM, schema=json.dumps(schema))
    with pytest.raises(InvalidField) as refused:
        await run(schedule(random_engine), replace(JOB, response_format=form))
    assert (refused.value.field, refused.value.reason) == ("response_format.schema_json", "schema_invalid")


def test_hints_of_callers_to_the_library_change_nothing(grammar: Grammar) -> None:
    hinted = {**SCHEMA, "x-guidance": {"whitespace_flexible": True, "whitespace_pattern": "(x+)+"}}
    plain, other = (grammar.guide(json.dumps(schema), []) for schema in (SCHEMA, hinted))
    assert plain.forced() == other.forced() != []


async def test_no_answer_is_longer_than_its_limit(random_engine: ChildEngine) -> None:
    """Also where the schema forces more tokens than there is room for."""
    schema = json.dumps({"const": {"name": ["a", "b", "c"]}})
    prompt = tuple(random_engine.tokenize([Message("user", "x")]))
    for limit in (1, 4):
        heard = Heard()
        await random_engine.generate(Batch((prompt,), Decoding(schema=schema), (limit,)), heard)
        assert len(heard.ids) == limit and not {END, AGAIN} & set(heard.ids)


async def test_a_check_of_an_engine_that_dies_fails_with_it(random_directory: ModelDirectory) -> None:
    engine = await start_engine(random_directory, Placement())
    os.kill(engine.pid, signal.SIGSTOP)
    checking = asyncio.create_task(engine.check_schema(json.dumps(SCHEMA), []))
    await asyncio.sleep(0)
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineLost):
        await checking
    with pytest.raises(ModelUnavailable):
        await engine.check_schema(json.dumps(SCHEMA), [])
    await engine.close()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"sampling": Sampling(max_tokens=MAX_CONSTRAINED_TOKENS + 1)}, "sampling.max_tokens"),
        ({"sampling": Sampling(stop=("x",))}, "sampling.stop"),
        ({"sampling": Sampling(min_tokens=2)}, "sampling.min_tokens"),
        ({"sampling": Sampling(logprobs=True)}, "sampling.logprobs"),
        ({"sampling": Sampling(logit_bias=((1, -100.0),))}, "sampling.logit_bias"),
        ({"sampling": Sampling(repetition_penalty=1.1)}, "sampling.repetition_penalty"),
        ({"tools": (Tool("look"),)}, "tools"),
    ],
)
async def test_what_does_not_go_with_masks_is_refused_by_name(
    random_engine: ChildEngine, schedule: Schedule, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        await run(schedule(random_engine), replace(JOB, **changed))
    assert refused.value.field == field


def test_an_answer_without_a_schema_is_any_object_and_short() -> None:
    defaults = Sampling(max_tokens=4096, repetition_penalty=1.1)
    form = ResponseFormat(json=True, constrained=True)
    decoding, most = resolve(Sampling(), defaults, room=4096, max_tokens_default=9, form=form)
    assert (json.loads(decoding.schema), most) == ({"type": "object"}, MAX_CONSTRAINED_TOKENS)
    assert not decoding.positional

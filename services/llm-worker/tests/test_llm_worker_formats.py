from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import InvalidField, OloError
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.errors import OutputInvalid, UnsupportedParameter
from olo_llm_worker.generation.answers import answering
from olo_llm_worker.generation.formats import json_text, tool_calls
from olo_llm_worker.generation.formats.schema import Schema
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import (
    Finish,
    Job,
    Message,
    ResponseFormat,
    Result,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
)

Schedule = Callable[..., Scheduler]
JOB = Job("r", (Message("user", "hi"),))
SCHEMA = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
JSON = ResponseFormat(json=True)
TOOLS = (Tool("look", "Looks.", SCHEMA), Tool("wait"))

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=4)
WRAPPING = st.text(alphabet="abc \n.`")


async def run(scheduler: Scheduler, job: Job) -> Result:
    async with answering(scheduler, job) as answer:
        return await answer.result()


@given(OBJECTS, WRAPPING, WRAPPING)
def test_json_is_found_in_its_wrapping(value: dict[str, Any], before: str, after: str) -> None:
    text, found = json_text.find(before + json.dumps(value) + after)
    assert found == value == json.loads(text)


@given(st.text() | st.text(alphabet='{}[]":,1 '))
def test_any_text_holds_json_or_does_not(text: str) -> None:
    try:
        found, value = json_text.find(text)
    except ValueError:
        return
    assert found in text and json.loads(found) == value


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "", "{"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        json_text.find(text)


CALLS = st.lists(st.tuples(st.sampled_from(["look", "wait"]), OBJECTS), min_size=1, max_size=3)
WRITERS: dict[str, Callable[[list[tuple[str, Any]]], str]] = {
    "hermes": lambda calls: "\n".join(
        f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>" for name, arguments in calls
    ),
    "mistral": lambda calls: (
        "[TOOL_CALLS]" + json.dumps([{"name": name, "arguments": arguments} for name, arguments in calls])
    ),
    "llama": lambda calls: json.dumps({"name": calls[0][0], "parameters": calls[0][1]}),
}


@pytest.mark.parametrize("form", list(WRITERS))
@given(calls=CALLS)
def test_calls_are_read_as_they_are_written(form: str, calls: list[tuple[str, Any]]) -> None:
    expected = calls[:1] if form == "llama" else calls
    text, found = tool_calls.read(WRITERS[form](calls), form, {"look", "wait"})
    assert [(name, json.loads(arguments)) for name, arguments in found] == expected
    assert text == ""


@pytest.mark.parametrize("form", list(WRITERS))
@given(text=st.text(alphabet='<tool_call>/[TOOL_CALLS]{"name": "look"}', max_size=80) | st.text())
def test_what_is_no_call_stays_as_it_is(form: str, text: str) -> None:
    rest, found = tool_calls.read(text, form, {"look"})
    assert found or rest == text
    for _, arguments in found:
        assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize(
    "call",
    [
        '{"name": "other", "arguments": {}}',
        '{"name": "look", "arguments": [1]}',
        '{"name": "look", "arguments": {}',
        '{"name": ["look"]}',
        "[]",
    ],
)
def test_a_malformed_call_is_text(call: str) -> None:
    text = f"<tool_call>{call}</tool_call>"
    assert tool_calls.read(text, "hermes", {"look"}) == (text, [])


BOMB = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}


@pytest.mark.parametrize(
    "schema",
    [
        "{",
        "[]",
        '{"type": 7}',
        '{"type": "string", "pattern": "(a+)+$"}',
        '{"patternProperties": {"(a+)+$": {}}}',
        '{"patternProperties": {"(a+)+$": {}, "type": "string"}}',
        '{"$ref": "http://127.0.0.1/x"}',
        '{"$ref": "#"}',
        json.dumps({"$defs": {**BOMB, "d30": {}}, "$ref": "#/$defs/d0"}),
        json.dumps({"description": "x" * 40_000}),
        '{"not":' * 200 + "{}" + "}" * 200,
    ],
)
def test_a_schema_that_could_do_harm_is_refused(schema: str) -> None:
    with pytest.raises(InvalidField) as refused:
        Schema(schema, "response_format.schema_json")
    assert (refused.value.field, refused.value.reason) == ("response_format.schema_json", "schema_invalid")


def test_a_property_named_like_a_keyword_is_allowed() -> None:
    schema = Schema('{"properties": {"pattern": {"type": "string"}}, "required": ["pattern"]}', "f")
    assert schema.problem({"pattern": "x"}) == ""
    assert "required" in schema.problem({})


async def test_json_is_cut_out_of_its_wrapping(schedule: Schedule) -> None:
    engine = FakeEngine('Sure:\n```json\n{"a": 1}\n```')
    assert (await run(schedule(engine), replace(JOB, response_format=JSON))).text == '{"a": 1}'
    assert b"JSON" in bytes(token for token in engine.dispatched[0].prompts[0] if token < 256)


async def test_a_wrong_answer_is_repaired_once(schedule: Schedule) -> None:
    def answer(question: str) -> str:
        return '{"a": 2}' if "is not of type 'integer'" in question else '{"a": "x"}'

    engine = FakeEngine(answer)
    job = replace(JOB, response_format=ResponseFormat(json=True, schema=SCHEMA))
    async with answering(schedule(engine), job) as generation:
        chunks = [chunk async for chunk in generation.chunks()]
    result = chunks[-1].result
    assert result is not None
    assert [chunk.text for chunk in chunks] == ['{"a": 2}'], "what was wrong is never shown"
    assert len(engine.dispatched) == 2
    assert result.completion_tokens == len('{"a": "x"}{"a": 2}')
    assert result.prompt_tokens == sum(len(batch.static_prompt) + len(batch.prompts[0]) for batch in engine.dispatched)


async def test_an_answer_that_stays_wrong_is_one_clear_error(schedule: Schedule) -> None:
    engine = FakeEngine("no")
    with pytest.raises(OutputInvalid) as failed:
        await run(schedule(engine), replace(JOB, response_format=JSON))
    assert failed.value.retryable
    assert len(engine.dispatched) == 2


async def test_an_answer_that_was_cut_off_is_not_repaired(schedule: Schedule) -> None:
    engine = FakeEngine('{"a": 1}')
    with pytest.raises(OutputInvalid, match="limit of its length"):
        await run(schedule(engine), replace(JOB, response_format=JSON, sampling=Sampling(max_tokens=3)))
    assert len(engine.dispatched) == 1


async def test_tools_are_told_to_a_model_without_a_template_for_them(schedule: Schedule) -> None:
    engine = FakeEngine('I look. <tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call>')
    result = await run(schedule(engine), replace(JOB, tools=TOOLS))
    assert (result.text, result.finish) == ("I look.", Finish.TOOL_CALLS)
    (call,) = result.choices[0].tool_calls
    assert (call.name, call.arguments) == ("look", '{"a": 1}')
    prompt = bytes(token for token in engine.dispatched[0].prompts[0] if token < 256)
    assert b"Looks." in prompt and b"wait" in prompt


async def test_tools_that_may_not_be_called_are_not_told(schedule: Schedule) -> None:
    engine = FakeEngine("ok")
    assert (await run(schedule(engine), replace(JOB, tools=TOOLS, tool_choice=ToolChoice(none=True)))).text == "ok"
    assert len(engine.dispatched[0].prompts[0]) == 3


async def test_of_several_calls_only_the_first_counts_where_one_is_wanted(schedule: Schedule) -> None:
    answer = '<tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call><tool_call>{"name": "wait"}</tool_call>'
    for single, names in ((False, ["look", "wait"]), (True, ["look"])):
        job = replace(JOB, tools=TOOLS, tool_choice=ToolChoice(single=single))
        result = await run(schedule(FakeEngine(answer)), job)
        assert [call.name for call in result.choices[0].tool_calls] == names


async def test_a_call_that_must_be_made_is_asked_for_again(schedule: Schedule) -> None:
    def answer(question: str) -> str:
        return '<tool_call>{"name": "wait"}</tool_call>' if "not valid" in question else "No."

    choice = ToolChoice(required=True, name="wait")
    result = await run(schedule(FakeEngine(answer)), replace(JOB, tools=TOOLS, tool_choice=choice))
    assert [call.name for call in result.choices[0].tool_calls] == ["wait"]
    with pytest.raises(OutputInvalid):
        await run(schedule(FakeEngine("No.")), replace(JOB, tools=TOOLS, tool_choice=choice))


@pytest.mark.parametrize(
    ("job", "field"),
    [
        (replace(JOB, tools=(Tool("a b"),)), "tools[0].name"),
        (replace(JOB, tools=(Tool("a"), Tool("a"))), "tools[1].name"),
        (replace(JOB, tools=(Tool("a"),) * 129), "tools"),
        (replace(JOB, tools=(Tool("a", "", "{"),)), "tools[0].parameters_json"),
        (replace(JOB, tool_choice=ToolChoice(required=True)), "tool_choice.mode"),
        (replace(JOB, tools=TOOLS, tool_choice=ToolChoice(required=True, name="x")), "tool_choice.name"),
        (replace(JOB, response_format=ResponseFormat(json=True, constrained=True)), "response_format.constrained"),
        (
            replace(JOB, messages=(Message("assistant", "", tool_calls=(ToolCall("1", "a", "{}"),)),)),
            "messages[0].tool_calls",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(schedule: Schedule, job: Job, field: str) -> None:
    engine = FakeEngine()
    with pytest.raises(OloError) as refused:
        await run(schedule(engine), job)
    assert refused.value.field == field
    assert isinstance(refused.value, UnsupportedParameter) == (refused.value.reason == "unsupported_parameter")
    assert engine.dispatched == []

"""What a job asks of the form of its answer: checked, and told to the model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from olo_common.errors import InvalidField
from olo_llm_worker.errors import UnsupportedParameter
from olo_llm_worker.generation.engine import EngineInfo
from olo_llm_worker.generation.formats import instructions
from olo_llm_worker.generation.formats.schema import Schema
from olo_llm_worker.generation.types import Job, Message, Tool

MAX_TOOLS: Final = 128
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Form:
    """How an answer must be read. `job` is what goes to the engine, instructions included."""

    job: Job
    tools: frozenset[str] = frozenset()
    tool_format: str = "hermes"
    must_call: bool = False
    json: bool = False
    schema: Schema | None = None


def form_of(job: Job, info: EngineInfo) -> Form | None:
    """The form that a job asks for; None where any text will do.

    Raises:
        InvalidField: A tool, a choice of tools or a schema is not allowed.
        UnsupportedParameter: The engine or the model cannot do it.
    """
    wanted = job.response_format
    _check_messages(job.messages, info)
    _check_tools(job.tools)
    choice = job.tool_choice
    if choice.name and choice.name not in {tool.name for tool in job.tools}:
        raise InvalidField("tool_choice.name", "is none of the tools")
    if choice.required and not job.tools:
        raise InvalidField("tool_choice.mode", "no tool is given that could be called")
    tools = () if choice.none else tuple(tool for tool in job.tools if choice.name in ("", tool.name))
    schema = Schema(wanted.schema, "response_format.schema_json") if wanted.schema else None
    if tools and wanted.constrained:
        raise UnsupportedParameter("tools", "do not go with response_format.constrained")
    if not tools and not wanted.json:
        return None if not job.tools else Form(replace(job, tools=()))
    texts = []
    if tools and not info.templated_tools:
        texts.append(instructions.of_tools(tools))
    if choice.required:
        texts.append(instructions.of_choice(choice))
    if wanted.json:
        texts.append(instructions.of_format(wanted))
    return Form(
        replace(
            job,
            messages=instructions.with_instructions(job.messages, texts),
            tools=tools if info.templated_tools else (),
        ),
        tools=frozenset(tool.name for tool in tools),
        tool_format=info.tool_format if info.templated_tools else "hermes",
        must_call=choice.required,
        json=wanted.json,
        schema=schema,
    )


def _check_tools(tools: Sequence[Tool]) -> None:
    if len(tools) > MAX_TOOLS:
        raise InvalidField("tools", f"at most {MAX_TOOLS} are allowed")
    names: set[str] = set()
    for number, tool in enumerate(tools):
        if not _NAME.fullmatch(tool.name):
            raise InvalidField(f"tools[{number}].name", "must be 1 to 64 letters, digits, _ or -")
        if tool.name in names:
            raise InvalidField(f"tools[{number}].name", "is given twice")
        names.add(tool.name)
        if tool.parameters:
            Schema(tool.parameters, f"tools[{number}].parameters_json")


def _check_messages(messages: Sequence[Message], info: EngineInfo) -> None:
    for number, message in enumerate(messages):
        if message.tool_calls and not info.templated_tools:
            raise UnsupportedParameter(
                f"messages[{number}].tool_calls", "the chat template of this model cannot say earlier calls"
            )
        for index, call in enumerate(message.tool_calls):
            field = f"messages[{number}].tool_calls[{index}].arguments_json"
            try:
                arguments = json.loads(call.arguments or "{}")
            except (ValueError, RecursionError):
                raise InvalidField(field, "must be JSON") from None
            if not isinstance(arguments, dict):
                raise InvalidField(field, "must be a JSON object")

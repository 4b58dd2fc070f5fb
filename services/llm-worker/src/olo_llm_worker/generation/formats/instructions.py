"""What the model is told about the form of its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

from olo_llm_worker.generation.types import Message, ResponseFormat, Tool, ToolChoice


def of_format(form: ResponseFormat) -> str:
    """Says that JSON is wanted, and which."""
    if form.schema:
        return f"Answer with JSON that this JSON Schema accepts, and with nothing else:\n{form.schema}"
    return "Answer with one JSON object and with nothing else."


def of_tools(tools: Sequence[Tool]) -> str:
    """Describes tools to a model whose chat template does not."""
    described = [
        json.dumps(
            {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters or "{}")},
            ensure_ascii=False,
        )
        for tool in tools
    ]
    return "\n".join(
        [
            "You can call these tools:",
            *described,
            "To call one, answer with",
            '<tool_call>{"name": "its name", "arguments": {…}}</tool_call>',
        ]
    )


def of_choice(choice: ToolChoice) -> str:
    """Says that a tool must be called."""
    return f"Call the tool {choice.name} now." if choice.name else "Call one of the tools now."


def with_instructions(messages: Sequence[Message], texts: Sequence[str]) -> tuple[Message, ...]:
    """The messages with instructions at the end of the system prompt, which is made where there is none."""
    if not texts:
        return tuple(messages)
    text = "\n\n".join(texts)
    if messages and messages[0].role == "system":
        first = Message("system", f"{messages[0].content}\n\n{text}")
        return (first, *messages[1:])
    return (Message("system", text), *messages)

"""Turns and tools in the form that chat templates know."""

from __future__ import annotations

import json
from typing import Any

from olo_llm_worker.generation.types import Message, Tool


def turn_of(message: Message) -> dict[str, Any]:
    """A turn; what is not said is left out, because templates ask whether a name is there."""
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name:
        turn["name"] = message.name
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.loads(call.arguments or "{}")},
            }
            for call in message.tool_calls
        ]
    return turn


def tool_of(tool: Tool) -> dict[str, Any]:
    """A tool as JSON Schema of a function."""
    parameters = json.loads(tool.parameters) if tool.parameters else {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }

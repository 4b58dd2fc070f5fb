"""Messages of the Anthropic dialect as turns: answers of tools, and the text beside them, are turns of their own."""

from __future__ import annotations

from typing import Final

import orjson

from olo_common.errors import InvalidField
from olo_gateway.http.anthropic.schemas import Block, InputMessage
from olo_gateway.http.extras import refuse
from olo_gateway.runs.forms import ToolCall
from olo_gateway.runs.order import Role, Turn

_THOUGHTS: Final = ("thinking", "redacted_thinking")
_FAILED: Final = "error: "


class Conversation:
    """The turns so far, and the names of the tools that were used in them."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._used: dict[str, str] = {}

    def add(self, field: str, message: InputMessage) -> None:
        """Takes the next message, which is at `field` of the request.

        Raises:
            InvalidField: A field whose meaning cannot be kept; its name is the field.
        """
        content = [Block(type="text", text=message.content)] if isinstance(message.content, str) else message.content
        role = Role(message.role)
        texts: list[Block] = []
        calls: list[ToolCall] = []
        results = 0
        for number, block in enumerate(content):
            where = f"{field}.content[{number}]"
            if block.type == "tool_use" and role is Role.ASSISTANT:
                calls.append(self._call(where, block))
            elif block.type == "tool_result" and role is Role.USER:
                self.turns.append(self._result(where, block))
                results += 1
            else:
                texts.append(block)
        text = text_of(f"{field}.content", texts)
        if role is Role.ASSISTANT or not results or text.strip():
            if role is Role.USER and not text.strip():
                raise InvalidField(f"{field}.content", "the text is empty")
            self.turns.append(Turn(role, text, "", tuple(calls)))

    def _call(self, where: str, block: Block) -> ToolCall:
        if not block.id or not block.name:
            raise InvalidField(f"{where}.{'name' if block.id else 'id'}", "is missing")
        self._used[block.id] = block.name
        return ToolCall(block.id, block.name, orjson.dumps(block.input or {}).decode())

    def _result(self, where: str, block: Block) -> Turn:
        if block.tool_use_id not in self._used:
            raise InvalidField(f"{where}.tool_use_id", "answers no tool_use of an earlier message")
        text = text_of(f"{where}.content", block.content or "")
        said = _FAILED + text if block.is_error else text
        return Turn(Role.TOOL, said, self._used[block.tool_use_id], (), block.tool_use_id)


def text_of(field: str, content: str | list[Block]) -> str:
    """The text of blocks.

    Raises:
        InvalidField: One is none of text.
    """
    if isinstance(content, str):
        return content
    texts = []
    for number, block in enumerate(content):
        if block.type in _THOUGHTS:
            continue
        refuse({f"{field}[{number}].type": block.type != "text"})
        if block.text is None:
            raise InvalidField(f"{field}[{number}].text", "is missing")
        texts.append(block.text)
    return "\n".join(texts)

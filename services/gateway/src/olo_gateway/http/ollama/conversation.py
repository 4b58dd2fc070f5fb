"""Messages of the Ollama dialect as turns. The dialect's calls of tools often have no ids: they are matched by name."""

from __future__ import annotations

import orjson

from olo_common.errors import InvalidField
from olo_gateway.http.extras import refuse
from olo_gateway.http.ollama.schemas import CalledTool, Message, OllamaTool
from olo_gateway.runs.forms import Tool, ToolCall
from olo_gateway.runs.order import Role, Turn


class Conversation:
    """The turns so far, and the calls in them that nobody has answered."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._open: list[ToolCall] = []

    def add(self, message: Message) -> None:
        """Takes the next message.

        Raises:
            InvalidField: A field whose meaning cannot be kept; its name is the field.
        """
        field = f"messages[{len(self.turns)}]"
        refuse({f"{field}.images": bool(message.images)})
        role = Role(message.role)
        if role is Role.TOOL:
            answered = self._answered(field, message)
            self.turns.append(Turn(role, message.content or "", answered.name, (), answered.id))
            return
        calls = tuple(self._call(number, call) for number, call in enumerate(message.tool_calls or ()))
        self._open += calls
        self.turns.append(Turn(role, message.content or "", "", calls))

    def _call(self, number: int, call: CalledTool) -> ToolCall:
        made = f"call_{len(self.turns)}_{number}"
        return ToolCall(call.id or made, call.function.name, orjson.dumps(call.function.arguments).decode())

    def _answered(self, field: str, message: Message) -> ToolCall:
        """The call that a message answers: the one with its id, else the first of its name, else the first."""
        for call in self._open:
            if call.id == message.tool_call_id if message.tool_call_id else message.tool_name in (None, "", call.name):
                self._open.remove(call)
                return call
        raise InvalidField(f"{field}.tool_name", "answers no call of an earlier message")


def tools_of(offered: list[OllamaTool]) -> tuple[Tool, ...]:
    """The tools that a request offers."""
    return tuple(
        Tool(
            tool.function.name,
            tool.function.description or "",
            orjson.dumps(tool.function.parameters).decode() if tool.function.parameters else "",
        )
        for tool in offered
    )

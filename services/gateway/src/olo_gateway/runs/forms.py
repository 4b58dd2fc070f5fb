"""What a caller wants of the form of an answer: tools that may be called, JSON, several answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model has made."""

    id: str
    name: str
    arguments: str
    """A JSON object as text."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call, and the caller runs."""

    name: str
    description: str = ""
    parameters: str = ""
    """JSON Schema as text; empty: none."""


class ToolMode(Enum):
    """Whether tools may or must be called."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which tools are called."""

    mode: ToolMode = ToolMode.AUTO
    name: str = ""
    """With REQUIRED: the one that must be called; empty: any."""
    single: bool = False
    """Whether at most one call is made."""


FREE_CHOICE: Final = ToolChoice()
"""The model decides."""


class FormatKind(Enum):
    """What the text of an answer is."""

    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True)
class Format:
    """What the text of an answer must be."""

    kind: FormatKind = FormatKind.TEXT
    schema: str = ""
    """JSON Schema as text, with JSON_SCHEMA."""
    constrained: bool = False
    """Whether each token is held to the schema, and not only the finished answer."""


ANY_TEXT: Final = Format()


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """What a call of the Responses API says beside the request of its run."""

    previous_response_id: str = ""
    background: bool = False
    instructions: str = ""
    inherited_messages: int = 0

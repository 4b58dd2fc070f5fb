"""The bases of the shapes of requests and answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RequestShape(BaseModel):
    """A part of a request. Unknown keys are ignored, so that newer clients work; values are not converted."""

    model_config = ConfigDict(strict=True, extra="ignore", use_attribute_docstrings=True, protected_namespaces=())


class AnswerShape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(use_attribute_docstrings=True, protected_namespaces=())

"""The bases of the shapes of requests and answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from olo_common.described import Described


class RequestShape(Described, BaseModel):
    """A part of a request. Unknown keys are ignored, so that newer clients work; values are not converted."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class AnswerShape(Described, BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(protected_namespaces=())
